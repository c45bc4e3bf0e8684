package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/viper"
)

// Overrides are values given by flags: text by the key of a setting ("sync.interval": "2s"). They win over everything.
type Overrides map[string]string

// Resolved is a node together with where each of its values came from.
type Resolved struct {
	Node    Node
	sources map[string]Source // by key; what is missing is a default
}

// LoadNode returns the node that the file at path (YAML or TOML; "" for none), the environment and flags describe.
// Errors are an [*InvalidError] with everything that is wrong, or say why the file cannot be read.
func LoadNode(path string, env Environment, flags Overrides) (Node, error) {
	resolved, err := Resolve(path, env, flags)
	return resolved.Node, err
}

// Resolve is [LoadNode] that also remembers where each value came from.
func Resolve(path string, env Environment, flags Overrides) (Resolved, error) {
	var wrong problems
	file, err := readNodeFile(path, &wrong)
	if err != nil {
		return Resolved{}, err
	}
	resolved, err := overlay(machineDefaults(env), file, readEnvironment(env, &wrong), readOverrides(flags, &wrong))
	if err != nil {
		return Resolved{}, err
	}
	if len(wrong.list) == 0 { // rules between settings make sense once each of them was understood
		checkNode(resolved, Source{Kind: FromFile, Name: path}, &wrong)
	}
	return resolved, wrong.err()
}

// readNodeFile reads the node file at path, if there is one. It refuses a cluster file with the command that takes it.
func readNodeFile(path string, wrong *problems) (layer, error) {
	if path == "" {
		return nil, nil
	}
	doc, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	if isClusterFile(doc.root) {
		wrong.add(doc.at(0), "describes a whole cluster: start it with \"ucp launch %s\"", doc.file)
		return nil, wrong.err()
	}
	reader := sectionReader{document: doc, problems: wrong, found: make(layer)}
	reader.allowed = func(setting) bool { return true }
	reader.read("", doc.root)
	return reader.found, nil
}

// machineDefaults are the defaults that depend on the machine.
func machineDefaults(env Environment) Node {
	node := Defaults()
	if name, err := os.Hostname(); err == nil && checkName(name) == nil {
		node.Name = name
	}
	dirs, _ := env.Directories() // checkNode misses an unknown one, unless something sets it
	node.Dir = dirs.Data
	return node
}

// overlay lays the given layers over base, strongest last: viper's config, then its overrides. What the file and the
// environment say is merged in that order.
func overlay(base Node, file, env, flags layer) (Resolved, error) {
	v := viper.New()
	for key, value := range leaves(base) {
		v.SetDefault(key, value)
	}
	sources := make(map[string]Source)
	for _, given := range []layer{file, env} {
		for key, a := range given {
			sources[key] = a.source
			if err := v.MergeConfigMap(nested(key, a.value)); err != nil {
				return Resolved{}, fmt.Errorf("merge %s: %w", key, err)
			}
		}
	}
	for key, a := range flags {
		sources[key] = a.source
		v.Set(key, a.value)
	}
	var node Node
	if err := v.UnmarshalExact(&node); err != nil {
		return Resolved{}, fmt.Errorf("configuration: %w", err)
	}
	return Resolved{Node: withDirectories(node), sources: sources}, nil
}

// withDirectories fills in the directories that follow from Dir.
func withDirectories(node Node) Node {
	if node.Identity == "" && node.Dir != "" {
		node.Identity = filepath.Join(node.Dir, "identity")
	}
	if node.CA == "" && node.Dir != "" {
		node.CA = filepath.Join(node.Dir, "ca")
	}
	return node
}

// nested returns value under its dotted key, as viper merges it.
func nested(key string, value any) map[string]any {
	head, rest, deeper := strings.Cut(key, ".")
	if deeper {
		return map[string]any{head: nested(rest, value)}
	}
	return map[string]any{key: value}
}

// leaves returns the values of node by key. Empty lists and sections are nil ones, so that nodes compare.
func leaves(node Node) map[string]any {
	values := make(map[string]any)
	addLeaves(values, "", reflect.ValueOf(node))
	return values
}

func addLeaves(values map[string]any, parent string, section reflect.Value) {
	for i := range section.NumField() {
		key := joinKey(parent, section.Type().Field(i).Tag.Get("mapstructure"))
		if field := section.Field(i); field.Kind() == reflect.Struct {
			addLeaves(values, key, field)
		} else {
			values[key] = field.Interface()
		}
	}
}
