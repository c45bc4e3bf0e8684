package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrInvalid is what every error about the content of a file, a variable or a flag unwraps to.
var ErrInvalid = errors.New("invalid configuration")

// SourceKind says where a value came from.
type SourceKind int

// The sources, weakest first.
const (
	FromDefault SourceKind = iota
	FromFile
	FromEnv
	FromFlag
)

// Source names the place a value came from.
type Source struct {
	Kind SourceKind
	Name string // the file, variable or flag
	Line int    // in the file, from 1; 0 when the whole file is meant
}

// String returns "default", "node.yaml:3", "env UCP_SLOTS" or "flag --slots".
func (s Source) String() string {
	switch s.Kind {
	case FromFile:
		if s.Line > 0 {
			return s.Name + ":" + strconv.Itoa(s.Line)
		}
		return s.Name
	case FromEnv:
		return "env " + s.Name
	case FromFlag:
		return "flag " + s.Name
	case FromDefault:
	}
	return "default"
}

// Problem is one thing that is wrong, and where.
type Problem struct {
	Source Source
	Text   string
}

// String returns "node.yaml:3: unknown key …".
func (p Problem) String() string { return p.Source.String() + ": " + p.Text }

// InvalidError lists everything that is wrong with a configuration, in the order of the file's lines.
type InvalidError struct {
	Problems []Problem
}

// maxTold is how many problems an error message lists.
const maxTold = 20

// Error returns one line for each problem, for the first twenty of them.
func (e *InvalidError) Error() string {
	var lines []string
	for _, problem := range e.Problems[:min(len(e.Problems), maxTold)] {
		lines = append(lines, problem.String())
	}
	if more := len(e.Problems) - maxTold; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// problems collects what is wrong while reading goes on.
type problems struct {
	list []Problem
}

func (p *problems) add(at Source, format string, args ...any) {
	p.list = append(p.list, Problem{Source: at, Text: fmt.Sprintf(format, args...)})
}

// err returns nil, or an [*InvalidError] sorted by file and line. What is wrong only because of something told already
// (one line, one text) is told once.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Source.Kind, b.Source.Kind), cmp.Compare(a.Source.Name, b.Source.Name),
			cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Text, b.Text))
	})
	return &InvalidError{Problems: slices.Compact(p.list)}
}
