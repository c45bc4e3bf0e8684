package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML reads a TOML document. The library decides what it means; a second walk over its syntax finds the lines.
func parseTOML(data []byte) ([]field, error) {
	if err := checkTOMLDepth(data); err != nil {
		return nil, err
	}
	var root map[string]any
	if err := toml.Unmarshal(data, &root); err != nil {
		return nil, tomlError(err)
	}
	lines := tomlLines(data)
	v, err := new(budget).tomlValue(root, "", 1, 0, lines)
	if err != nil {
		return nil, err
	}
	return rootSection(v)
}

// checkTOMLDepth refuses brackets nested deeper than any configuration before the recursive parser sees them. Brackets
// in strings and comments count too, generously.
func checkTOMLDepth(data []byte) error {
	depth, line := 0, 1
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			line++
		}
		if depth > 8*maxDepth {
			return &syntaxError{line, fmt.Sprintf("is nested over %d levels", maxDepth)}
		}
	}
	return nil
}

func tomlError(err error) error {
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, _ := decode.Position()
		return &syntaxError{line, "is not TOML: " + strings.TrimPrefix(decode.Error(), "toml: ")}
	}
	return &syntaxError{0, "is not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
}

func (b *budget) tomlValue(data any, path string, line, depth int, lines map[string]int) (value, error) {
	if known, ok := lines[path]; ok {
		line = known
	}
	if err := b.spend(line, depth); err != nil {
		return value{}, err
	}
	v := value{line: line, raw: fmt.Sprint(data)}
	var err error
	switch data := data.(type) {
	case map[string]any:
		v.data, err = b.tomlSection(data, path, line, depth, lines)
	case []any:
		v.data, err = b.tomlList(data, path, line, depth, lines)
	case bool, int64, float64, string:
		v.data = data
	default: // dates and times
		v.data = v.raw
	}
	return v, err
}

func (b *budget) tomlSection(data map[string]any, path string, line, depth int, lines map[string]int) ([]field, error) {
	fields := make([]field, 0, len(data))
	for key, item := range data {
		v, err := b.tomlValue(item, joinKey(path, key), line, depth+1, lines)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{key: key, line: v.line, value: v})
	}
	slices.SortFunc(fields, func(a, b field) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.key, b.key)
	})
	return fields, nil
}

func (b *budget) tomlList(data []any, path string, line, depth int, lines map[string]int) ([]value, error) {
	items := make([]value, 0, len(data))
	for i, item := range data {
		v, err := b.tomlValue(item, indexKey(path, i), line, depth+1, lines)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

// tomlLines returns the line of every key of a valid document, by path: nodes[1].slots.
func tomlLines(data []byte) map[string]int {
	walk := tomlWalk{lines: make(map[string]int), elements: make(map[string]int)}
	for i, c := range data {
		if c == '\n' {
			walk.ends = append(walk.ends, i)
		}
	}
	walk.parser.Reset(data)
	table := ""
	for walk.parser.NextExpression() {
		node := walk.parser.Expression()
		switch node.Kind { //nolint:exhaustive // the other kinds are no expressions
		case unstable.Table:
			table, _ = walk.path("", node)
		case unstable.ArrayTable:
			table = walk.element(node)
		case unstable.KeyValue:
			walk.keyValue(table, node)
		}
	}
	return walk.lines
}

// tomlWalk follows the syntax of a document to learn where its keys stand.
type tomlWalk struct {
	parser   unstable.Parser
	lines    map[string]int // by path
	elements map[string]int // of an array of tables so far, by its path
	ends     []int          // offsets of the line feeds
}

// line returns the line that raw begins on.
func (w *tomlWalk) line(raw unstable.Range) int {
	before, _ := slices.BinarySearch(w.ends, int(raw.Offset))
	return before + 1
}

// path returns the path of node's key under parent, through the newest element of each array of tables on the way,
// and the path without that of its last part.
func (w *tomlWalk) path(parent string, node *unstable.Node) (path, array string) {
	path = parent
	for keys := node.Key(); keys.Next(); {
		array = joinKey(path, string(keys.Node().Data))
		line := w.line(keys.Node().Raw)
		path = array
		if n := w.elements[array]; n > 0 {
			path = indexKey(array, n-1)
		}
		if _, known := w.lines[path]; !known {
			w.lines[path] = line
		}
	}
	return path, array
}

// element begins the next element of an array of tables.
func (w *tomlWalk) element(node *unstable.Node) string {
	_, array := w.path("", node)
	path := indexKey(array, w.elements[array])
	w.elements[array]++
	for keys := node.Key(); keys.Next(); {
		w.lines[path] = w.line(keys.Node().Raw)
	}
	return path
}

func (w *tomlWalk) keyValue(table string, node *unstable.Node) {
	path, _ := w.path(table, node)
	w.inside(path, node.Value())
}

// inside learns the lines of what stands in an inline table or array.
func (w *tomlWalk) inside(path string, node *unstable.Node) {
	index := 0
	for children := node.Children(); children.Next(); index++ {
		child := children.Node()
		if child.Kind == unstable.KeyValue {
			w.keyValue(path, child)
			continue
		}
		element := indexKey(path, index)
		if child.Raw.Length > 0 {
			w.lines[element] = w.line(child.Raw)
		}
		w.inside(element, child)
	}
}

func joinKey(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexKey(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
