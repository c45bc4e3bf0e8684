package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/urbancompute/ucp/examples/text"
)

// seed chooses the book.
const seed = 1

// countWords has the network count the words of a book and counts them here, too.
func (d *demo) countWords(ctx context.Context) error {
	var book bytes.Buffer
	if err := text.Write(&book, text.BookBytes, seed); err != nil {
		return err
	}
	want := count(book.String())
	d.say("a book was written: %d bytes, %d words, %d of them different", book.Len(), want.total(), len(want))
	out, err := d.ask(ctx, &book, `run --output json --name "word count" wordcount.wasm < book.txt`,
		"run", "--output", "json", "--name", "word count", d.modules["wordcount"])
	if err != nil {
		return err
	}
	var ran struct {
		Job    string `json:"job"`
		Stdout string `json:"stdout"`
	}
	if err := json.Unmarshal(out, &ran); err != nil {
		return fmt.Errorf("ucp run printed no JSON: %w", err)
	}
	d.note("word count", ran.Job)
	got, err := parseCounts(ran.Stdout)
	if err != nil {
		return err
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the job counted %d words, %d different, and this program %d, %d different", got.total(), len(got), want.total(), len(want))
	}
	d.say("the most frequent: %s", strings.Join(got.top(8), ", "))
	d.say("all %d counts are those of a count without the network", len(got))
	return nil
}

// counts says how often each word was seen.
type counts map[string]uint64

// count counts the words of a text: letters, digits and apostrophes, in lower case.
func count(text string) counts {
	c := counts{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’'
	}) {
		c[strings.ToLower(word)]++
	}
	return c
}

// parseCounts reads lines "word 7".
func parseCounts(lines string) (counts, error) {
	c := counts{}
	for line := range strings.Lines(lines) {
		word, digits, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the job printed a line that is no count: %q", line)
		}
		c[word] += n
	}
	return c, nil
}

func (c counts) total() uint64 {
	var n uint64
	for _, of := range c {
		n += of
	}
	return n
}

// top returns the n most frequent words with their counts; ties in alphabetical order.
func (c counts) top(n int) []string {
	words := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), cmp.Compare(a, b))
	})
	words = words[:min(n, len(words))]
	for i, word := range words {
		words[i] = fmt.Sprintf("%s %d", word, c[word])
	}
	return words
}
