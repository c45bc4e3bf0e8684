package plan

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of what is read.
const (
	maxBytes  = 1 << 20
	maxDepth  = 32
	maxValues = 100_000
)

// value is one value of a file, whatever its format.
type value struct {
	at   Position
	data any // nil, bool, int64, float64, string, date, *sequence or *section
}

// date is what TOML takes for a date or time, as it is written.
type date string

// sequence is a list of values.
type sequence struct{ items []*value }

// section is keys and values, in the order of the file.
type section struct{ fields []*field }

type field struct {
	key string
	at  Position // of the key
	*value
}

// get returns the field of that key, nil if there is none.
func (s *section) get(key string) *field {
	i := slices.IndexFunc(s.fields, func(f *field) bool { return f.key == key })
	if i < 0 {
		return nil
	}
	return s.fields[i]
}

// describe returns v as a sentence shows it.
func describe(v *value) string {
	switch data := v.data.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%.80q", data)
	case date:
		return fmt.Sprintf("the date %s", string(data))
	case *sequence:
		return "a list"
	case *section:
		return "a section"
	}
	return fmt.Sprint(v.data)
}

// syntaxError says why a file is not what its name promises.
type syntaxError struct {
	at   Position
	text string
}

func (e *syntaxError) Error() string { return e.text }

func wrong(at Position, format string, args ...any) *syntaxError {
	return &syntaxError{at, fmt.Sprintf(format, args...)}
}

// budget bounds what a file can unfold into while it is read.
type budget struct{ values int }

// spend counts one value at depth and refuses when the file has unfolded into too many or too deep.
func (b *budget) spend(at Position, depth int) *syntaxError {
	b.values++
	switch {
	case depth > maxDepth:
		return wrong(at, "is nested over %d levels, which no plan is", maxDepth)
	case b.values > maxValues:
		return wrong(at, "has over %d values, which no plan has", maxValues)
	}
	return nil
}

// parse reads a file in the format that its name says.
func parse(name string, text []byte) (*section, *syntaxError) {
	if len(text) > maxBytes {
		return nil, wrong(Position{}, "is larger than 1 MiB, which no plan is")
	}
	if !utf8.Valid(text) {
		return nil, wrong(firstInvalid(text), "is not UTF-8")
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".toml":
		return parseTOML(text)
	case ".json":
		return parseJSON(text)
	case ".yaml", ".yml":
		return parseYAML(text)
	}
	return nil, wrong(Position{}, "has no ending that says what it is: name it .toml, .yaml or .json")
}

func firstInvalid(text []byte) Position {
	at := 0
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			break
		}
		at, rest = at+n, rest[n:]
	}
	return newLines(text).position(at)
}

// checkDepth refuses brackets nested deeper than in any plan before a recursive parser sees them. Brackets in strings and comments count too,
// generously.
func checkDepth(text []byte) *syntaxError {
	depth := 0
	for i, c := range text {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if depth > 8*maxDepth {
			return wrong(newLines(text).position(i), "is nested over %d levels, which no plan is", maxDepth)
		}
	}
	return nil
}

// lines finds positions.
type lines struct{ ends []int } // offsets of the line feeds

func newLines(text []byte) lines {
	var l lines
	for i, c := range text {
		if c == '\n' {
			l.ends = append(l.ends, i)
		}
	}
	return l
}

// position returns that of the byte at offset.
func (l lines) position(offset int) Position {
	before, _ := slices.BinarySearch(l.ends, offset)
	start := 0
	if before > 0 {
		start = l.ends[before-1] + 1
	}
	return Position{before + 1, offset - start + 1}
}

// lastLine returns the number of the last line that has something on it.
func lastLine(text []byte) int {
	return bytes.Count(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) + 1
}
