package config

import (
	"maps"
	"slices"
	"strings"
)

// Variables that configure ucp itself and not one node.
const (
	EnvConfig    = "UCP_CONFIG"     // the node file, when no --config says it
	EnvBroker    = "UCP_BROKER"     // the brokers to talk to, with commas between them
	EnvContext   = "UCP_CONTEXT"    // the saved network to use
	EnvDataDir   = "UCP_DATA_DIR"   // where data is kept
	EnvConfigDir = "UCP_CONFIG_DIR" // where configuration and contexts.yaml are kept
	EnvCacheDir  = "UCP_CACHE_DIR"  // where compiled modules are kept
)

var generalVariables = []string{EnvConfig, EnvBroker, EnvContext, EnvDataDir, EnvConfigDir, EnvCacheDir}

// Environment is a set of environment variables by name, together with what else of the process decides where its
// files belong.
type Environment struct {
	Variables map[string]string
	Root      bool // the process runs as root
}

// NewEnvironment takes the variables in the form of os.Environ and the user's id in that of os.Geteuid.
func NewEnvironment(environ []string, uid int) Environment {
	variables := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, found := strings.Cut(pair, "="); found {
			variables[name] = value
		}
	}
	return Environment{Variables: variables, Root: uid == 0}
}

// readEnvironment reads the UCP_* variables; an empty one counts as not set.
func readEnvironment(env Environment, wrong *problems) layer {
	found := make(layer)
	for _, name := range slices.Sorted(maps.Keys(env.Variables)) {
		text := env.Variables[name]
		if !strings.HasPrefix(name, "UCP_") || text == "" || slices.Contains(generalVariables, name) {
			continue
		}
		at := Source{Kind: FromEnv, Name: name}
		s, known := findSetting(func(s setting) bool { return s.env() == name })
		if !known {
			wrong.add(at, "%s", unknown("variable", name, variables()))
			continue
		}
		found.parse(s, text, at, wrong)
	}
	return found
}

// parse assigns what text says to s, or adds to what is wrong.
func (l layer) parse(s setting, text string, at Source, wrong *problems) {
	v, err := s.parse(text)
	if err != nil {
		wrong.add(at, "%s %s", s.key, err)
		return
	}
	if p, ok := v.(string); ok && s.path && p != "" {
		v = besideFile("", p)
	}
	l[s.key] = assigned{value: v, source: at}
}

// readOverrides reads what flags say.
func readOverrides(flags Overrides, wrong *problems) layer {
	found := make(layer)
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		s, known := settingOf(key)
		if !known {
			wrong.add(Source{Kind: FromFlag, Name: key}, "%s", unknown("setting", key, keysOf(settings)))
			continue
		}
		found.parse(s, flags[key], Source{Kind: FromFlag, Name: "--" + s.flag()}, wrong)
	}
	return found
}

func keysOf(settings []setting) []string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	return keys
}

// variables returns the names of all known variables.
func variables() []string {
	names := slices.Clone(generalVariables)
	for _, s := range settings {
		names = append(names, s.env())
	}
	return names
}

// ForLaunched returns environ, in the form of os.Environ, without the variables that would give every node of a
// cluster one name, address or directory, and without those that a node does not know. What may differ from the
// file for all nodes alike, as UCP_LOG_LEVEL, stays.
func ForLaunched(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		s, known := findSetting(func(s setting) bool { return s.env() == name })
		return known && (s.scope != anywhere || s.key == "roles") || name == EnvConfig
	})
}

// general returns e without the variables of settings.
func (e Environment) general() Environment {
	e.Variables = maps.Clone(e.Variables)
	maps.DeleteFunc(e.Variables, func(name, _ string) bool {
		return strings.HasPrefix(name, "UCP_") && !slices.Contains(generalVariables, name)
	})
	return e
}
