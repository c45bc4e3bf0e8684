package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// WriteNode writes every setting of n to the YAML file at path, so that [LoadNode] returns n again, whatever the
// defaults of its version are. Relative paths are taken from the working directory. The file is replaced at once and
// only its owner can read it; missing directories are made.
func WriteNode(path string, n Node) error {
	data, err := encodeNode(n)
	if err != nil {
		return fmt.Errorf("write node %s: %w", n.Name, err)
	}
	return replaceFile(path, data)
}

// encodeNode returns n as YAML. Empty texts and lists are left out: the default of those is empty.
func encodeNode(n Node) ([]byte, error) {
	values := leaves(n)
	root := &yaml.Node{Kind: yaml.MappingNode}
	sections := make(map[string]*yaml.Node)
	for _, s := range settings {
		item := plain(s, values[s.key])
		if item == nil {
			continue
		}
		section, key := root, s.key
		if parent, inner, deeper := strings.Cut(s.key, "."); deeper {
			if sections[parent] == nil {
				sections[parent] = &yaml.Node{Kind: yaml.MappingNode}
				root.Content = append(root.Content, yamlText(parent), sections[parent])
			}
			section, key = sections[parent], inner
		}
		node := new(yaml.Node)
		if err := node.Encode(item); err != nil {
			return nil, fmt.Errorf("encode %s: %w", s.key, err)
		}
		section.Content = append(section.Content, yamlText(key), node)
	}
	return yaml.Marshal(root)
}

func yamlText(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// plain returns v in the words of a file, or nil for what is empty.
func plain(s setting, v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		if s.path {
			return besideFile("", v)
		}
	case time.Duration, Size:
		return show(v)
	case []string:
		if len(v) == 0 {
			return nil
		}
	case map[string]string:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// replaceFile puts data in the place of the file at path: a reader, also after a power loss, sees the old file or the
// new one, whole. Only the owner can read it.
func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = fill(temporary, data)
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(temporary.Name())))
	}
	if err := syncDirectory(dir); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// fill writes data durably to file and closes it.
func fill(file *os.File, data []byte) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
