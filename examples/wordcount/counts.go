package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// counts says how often each word was seen.
type counts map[string]uint64

// line is one line of what is printed.
type line struct {
	word string
	n    uint64
}

// inWord reports whether r belongs to a word: letters and digits do, and an apostrophe does.
func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' || r == '’'
}

// addText counts the words of a text, in lower case.
func (c counts) addText(text io.RuneReader) error {
	var word strings.Builder
	for {
		r, _, err := text.ReadRune()
		if err == nil && inWord(r) {
			word.WriteRune(unicode.ToLower(r))
			continue
		}
		if word.Len() > 0 {
			c[word.String()]++
			word.Reset()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// addCounts adds lines "word count" of the file called name.
func (c counts) addCounts(name string, r io.Reader) error {
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		word, digits, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || word == "" {
			return fmt.Errorf("%s:%d: want a line like \"word 7\", not %q", name, number, lines.Text())
		}
		c[word] += n
	}
	return lines.Err()
}

// sorted returns the words in alphabetical order; or, if top is not 0, the most frequent ones, ties in that order.
func (c counts) sorted(top int) []line {
	lines := make([]line, 0, len(c))
	for word, n := range c {
		lines = append(lines, line{word, n})
	}
	slices.SortFunc(lines, func(a, b line) int {
		if top > 0 && a.n != b.n {
			return cmp.Compare(b.n, a.n)
		}
		return cmp.Compare(a.word, b.word)
	})
	if top > 0 {
		lines = lines[:min(top, len(lines))]
	}
	return lines
}
