package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The bounds of what is read.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 32
	maxValues    = 100_000
)

// value is one value of a file.
type value struct {
	line int    // it begins on, from 1
	raw  string // a scalar as it is written
	data any    // nil, bool, int64, float64, string, []value or []field
}

// field is one key of a section and its value.
type field struct {
	key  string
	line int
	value
}

// document is a file as it was read, with the line of everything in it.
type document struct {
	file string
	root []field
}

func (d document) at(line int) Source { return Source{Kind: FromFile, Name: d.file, Line: line} }

// readDocument reads the YAML or TOML file at path; its ending .toml decides. A file that cannot be read is reported
// with the reason, one that is not YAML or TOML as an [*InvalidError].
func readDocument(path string) (document, error) {
	data, err := readBounded(path)
	if err != nil {
		return document{}, err
	}
	return parseDocument(path, data)
}

// readBounded returns the content of path, or refuses what is not a file of reasonable size.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, &InvalidError{Problems: []Problem{{
			Source: Source{Kind: FromFile, Name: path},
			Text:   "is larger than 1 MiB, which no configuration is",
		}}}
	}
	return data, nil
}

func parseDocument(file string, data []byte) (document, error) {
	parse := parseYAML
	if strings.EqualFold(filepath.Ext(file), ".toml") {
		parse = parseTOML
	}
	root, err := parse(data)
	if err == nil {
		return document{file: file, root: root}, nil
	}
	syntax, ok := errors.AsType[*syntaxError](err)
	if !ok {
		syntax = &syntaxError{text: err.Error()}
	}
	at := Source{Kind: FromFile, Name: file, Line: syntax.line}
	return document{}, &InvalidError{Problems: []Problem{{Source: at, Text: syntax.text}}}
}

// syntaxError says why a file is not what its name promises.
type syntaxError struct {
	line int
	text string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// budget bounds what a file can unfold into.
type budget struct {
	values int
}

// spend counts one value at depth and refuses when the file has unfolded into too many or too deep.
func (b *budget) spend(line, depth int) error {
	b.values++
	switch {
	case depth > maxDepth:
		return &syntaxError{line, fmt.Sprintf("is nested over %d levels", maxDepth)}
	case b.values > maxValues:
		return &syntaxError{line, fmt.Sprintf("has over %d values", maxValues)}
	}
	return nil
}

// describe returns v as an error message shows it.
func describe(v value) string {
	switch data := v.data.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%q", data)
	case []value:
		return "a list"
	case []field:
		return "a section"
	default:
		return v.raw
	}
}
