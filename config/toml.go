package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// parseTOML reads a TOML document. The library decides what it means; a second walk over its syntax finds the lines.
func parseTOML(data []byte) ([]field, error) {
	if err := checkTOMLDepth(data); err != nil {
		return nil, err
	}
	var root map[string]any
	err := toml.Unmarshal(data, &root)
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := syntax.Position()
		return nil, notTOML(line, err)
	}
	walk := walkTOML(data)
	if err != nil { // the library says what is given twice, but not where
		return nil, notTOML(walk.twice, err)
	}
	v, err := new(budget).tomlValue(root, "", 1, 0, walk.lines)
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

func notTOML(line int, err error) error {
	return &syntaxError{line, "is not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
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

func joinKey(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexKey(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
