package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads one YAML document whose root is a section. Aliases are followed, within the budget.
func parseYAML(data []byte) ([]field, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, yamlError(err, data)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, &syntaxError{second.Line, "has a second document; one file is one configuration"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err, data)
	}
	return yamlRoot(&node)
}

func yamlRoot(node *yaml.Node) ([]field, error) {
	root, err := new(budget).yamlValue(node, 0)
	if err != nil {
		return nil, err
	}
	return rootSection(root)
}

// rootSection returns the fields of a file's outermost value.
func rootSection(root value) ([]field, error) {
	switch data := root.data.(type) {
	case nil:
		return nil, nil
	case []field:
		return data, nil
	}
	return nil, &syntaxError{root.line, fmt.Sprintf("must be keys and values, not %s", describe(root))}
}

func (b *budget) yamlValue(node *yaml.Node, depth int) (value, error) {
	if err := b.spend(node.Line, depth); err != nil {
		return value{}, err
	}
	switch node.Kind {
	case yaml.DocumentNode:
		if len(node.Content) == 1 {
			return b.yamlValue(node.Content[0], depth+1)
		}
	case yaml.AliasNode:
		v, err := b.yamlValue(node.Alias, depth+1)
		v.line = node.Line
		return v, err
	case yaml.MappingNode:
		return b.yamlSection(node, depth)
	case yaml.SequenceNode:
		return b.yamlList(node, depth)
	case yaml.ScalarNode:
		return yamlScalar(node)
	}
	return value{line: node.Line}, nil
}

func (b *budget) yamlSection(node *yaml.Node, depth int) (value, error) {
	fields := make([]field, 0, len(node.Content)/2)
	seen := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode {
			return value{}, &syntaxError{key.Line, "a key must be plain text"}
		}
		if line, found := seen[key.Value]; found {
			return value{}, &syntaxError{key.Line, fmt.Sprintf("key %q is already given on line %d", key.Value, line)}
		}
		seen[key.Value] = key.Line
		v, err := b.yamlValue(node.Content[i+1], depth+1)
		if err != nil {
			return value{}, err
		}
		fields = append(fields, field{key: key.Value, line: key.Line, value: v})
	}
	return value{line: node.Line, data: fields}, nil
}

func (b *budget) yamlList(node *yaml.Node, depth int) (value, error) {
	items := make([]value, 0, len(node.Content))
	for _, item := range node.Content {
		v, err := b.yamlValue(item, depth+1)
		if err != nil {
			return value{}, err
		}
		items = append(items, v)
	}
	return value{line: node.Line, data: items}, nil
}

func yamlScalar(node *yaml.Node) (value, error) {
	v := value{line: node.Line, raw: node.Value}
	var data any
	if err := node.Decode(&data); err != nil {
		return value{}, &syntaxError{node.Line, "is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	switch data := data.(type) {
	case nil, bool, float64, int64:
		v.data = data
	case int:
		v.data = int64(data)
	case uint64:
		v.data = float64(data)
		if data <= math.MaxInt64 {
			v.data = int64(data)
		}
	default: // text, and what looks like a time stamp
		v.data = node.Value
	}
	return v, nil
}

var yamlPosition = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of the parser's message. The parser counts lines from 0 in what "did not find expected"
// something, else from 1; it does not tell the first, and it can be beyond the last.
func yamlError(err error, data []byte) error {
	found := yamlPosition.FindStringSubmatch(err.Error())
	if found == nil {
		return &syntaxError{0, "is not YAML: " + err.Error()}
	}
	text := err.Error()[len(found[0]):]
	line, _ := strconv.Atoi(found[1])
	if strings.HasPrefix(text, "did not find expected") {
		line++
	}
	last := bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) + 1
	return &syntaxError{min(max(line, 1), last), "is not YAML: " + text}
}
