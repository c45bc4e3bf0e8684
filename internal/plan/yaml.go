package plan

import (
	"bytes"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads one YAML document whose root is a section. Aliases are followed, within the budget.
func parseYAML(text []byte) (*section, *syntaxError) {
	if err := checkDepth(text); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node, second yaml.Node
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return &section{}, nil
	} else if err != nil {
		return nil, notYAML(err, text)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, wrong(Position{Line: second.Line}, "has a second document; one file is one plan")
	} else if !errors.Is(err, io.EOF) {
		return nil, notYAML(err, text)
	}
	v, failed := new(yamlReader).value(&node, 0)
	if failed != nil {
		return nil, failed
	}
	switch root := v.data.(type) {
	case nil:
		return &section{}, nil
	case *section:
		return root, nil
	}
	return nil, wrong(v.at, "must be keys and values, not %s", describe(v))
}

type yamlReader struct{ budget budget }

func (r *yamlReader) value(node *yaml.Node, depth int) (*value, *syntaxError) {
	v := &value{at: Position{node.Line, node.Column}}
	err := r.budget.spend(v.at, depth)
	if err != nil {
		return nil, err
	}
	switch node.Kind {
	case yaml.DocumentNode:
		if len(node.Content) == 1 {
			return r.value(node.Content[0], depth+1)
		}
	case yaml.AliasNode:
		target, err := r.value(node.Alias, depth+1)
		if err != nil {
			return nil, err
		}
		v.data = target.data
	case yaml.MappingNode:
		v.data, err = r.section(node, depth)
	case yaml.SequenceNode:
		v.data, err = r.sequence(node, depth)
	case yaml.ScalarNode:
		v.data, err = yamlScalar(node)
	}
	return v, err
}

func (r *yamlReader) section(node *yaml.Node, depth int) (*section, *syntaxError) {
	s, seen := &section{}, map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		at := Position{key.Line, key.Column}
		if key.Kind != yaml.ScalarNode {
			return nil, wrong(at, "a key must be plain text")
		}
		if line, found := seen[key.Value]; found {
			return nil, wrong(at, "key %.80q is already given on line %d", key.Value, line)
		}
		seen[key.Value] = key.Line
		v, err := r.value(node.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		s.fields = append(s.fields, &field{key.Value, at, v})
	}
	return s, nil
}

func (r *yamlReader) sequence(node *yaml.Node, depth int) (*sequence, *syntaxError) {
	s := &sequence{}
	for _, item := range node.Content {
		v, err := r.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		s.items = append(s.items, v)
	}
	return s, nil
}

func yamlScalar(node *yaml.Node) (any, *syntaxError) {
	var data any
	if err := node.Decode(&data); err != nil {
		return nil, wrong(Position{node.Line, node.Column}, "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch data := data.(type) {
	case nil, bool, float64, int64:
		return data, nil
	case int:
		return int64(data), nil
	case uint64:
		if data <= math.MaxInt64 {
			return int64(data), nil
		}
		return float64(data), nil
	}
	return node.Value, nil // text, and what looks like a time stamp
}

var yamlPosition = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// notYAML takes the line out of the parser's message. The parser counts lines from 0 in what "did not find expected" something, else from 1; it
// does not tell the first, and it can be beyond the last.
func notYAML(err error, text []byte) *syntaxError {
	found := yamlPosition.FindStringSubmatch(err.Error())
	if found == nil {
		return wrong(Position{}, "is not YAML: %s", err)
	}
	said := err.Error()[len(found[0]):]
	line, _ := strconv.Atoi(found[1])
	if strings.HasPrefix(said, "did not find expected") {
		line++
	}
	return wrong(Position{Line: min(max(line, 1), lastLine(text))}, "is not YAML: %s", said)
}
