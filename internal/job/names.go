package job

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameLength bounds the name of named data, in bytes.
const maxNameLength = 1024

// ValidDataName says what is wrong with a name of named data: a/b/c, parts that can be files of a directory on any machine.
func ValidDataName(name string) error {
	if why := badName(name); why != "" {
		return fmt.Errorf("data name %.80q: %s: %w", name, why, ErrInvalid)
	}
	return nil
}

// ValidDataPattern says what is wrong with what may be the name of one thing, or a/b/* for everything below a/b/.
func ValidDataPattern(name string) error {
	below, ok := strings.CutSuffix(name, below)
	if !ok {
		return ValidDataName(name)
	}
	if why := badName(below); why != "" {
		return fmt.Errorf("data pattern %.80q: %s: %w", name, why, ErrInvalid)
	}
	return nil
}

// below ends a pattern.
const below = "/*"

// badName says in a sentence why a name is refused, "" if it is not.
func badName(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case name == "":
		return "a name has at least one letter, such as maps/north"
	case len(name) > maxNameLength:
		return fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), maxNameLength)
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	case strings.ContainsFunc(name, unprintable):
		return "control characters are not allowed in it"
	case strings.Contains(name, `\`):
		return `its parts are divided by /, not by \`
	case strings.Contains(name, "*"):
		return "a * stands only at the end of what is read, as in maps/*"
	case name[0] == '/':
		return "it begins without a /, such as maps/north"
	case slices.Contains(parts, ""):
		return "no part of it may be empty"
	case slices.Contains(parts, ".") || slices.Contains(parts, ".."):
		return "no part of it may be . or .."
	}
	return ""
}

// unprintable tells the characters that move a cursor, or turn the direction of a line, instead of being read.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}
