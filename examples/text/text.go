// Package text writes a book that nobody wrote: sentences of English words that read like prose and mean nothing. It
// gives the examples a real amount of text to work on without keeping any. The same size and seed give the same bytes,
// on every machine and for ever.
package text

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// BookBytes is the size of a longish novel.
const BookBytes = 1 << 20

const (
	sentencesPerParagraph = 7 // at most, and so on
	paragraphsPerChapter  = 24
	lineWidth             = 80 // characters
)

// Write writes a text of at least size bytes, and at most one paragraph more.
func Write(w io.Writer, size int64, seed uint64) error {
	a := author{random: rand.NewPCG(seed, 0x75637020), out: bufio.NewWriter(w)}
	for chapter := 1; a.written < size; chapter++ {
		a.print(fmt.Sprintf("Chapter %d\n\n", chapter))
		for range 6 + a.pick(paragraphsPerChapter-6) {
			if a.written >= size {
				break
			}
			a.print(wrap(a.paragraph()) + "\n")
		}
	}
	return a.out.Flush()
}

// author draws everything from one generator. It uses its numbers directly: how rand.Rand makes others of them may change.
type author struct {
	random  *rand.PCG
	out     *bufio.Writer
	written int64
}

func (a *author) print(s string) {
	_, _ = a.out.WriteString(s) // Flush tells
	a.written += int64(len(s))
}

// pick returns a number from 0 to n-1.
func (a *author) pick(n int) int {
	return int(a.random.Uint64() >> 33 % uint64(n)) //nolint:gosec // n is small and positive
}

// word returns one of words, the earlier the more often, as in real text (Zipf's law, roughly).
func (a *author) word(words []string) string {
	return words[min(a.pick(len(words)), a.pick(len(words)))]
}

func (a *author) paragraph() string {
	sentences := make([]string, 1+a.pick(sentencesPerParagraph))
	for i := range sentences {
		sentences[i] = a.sentence()
	}
	return strings.Join(sentences, " ")
}

// sentence returns a main clause, sometimes with a second one, from a capital letter to a full stop.
func (a *author) sentence() string {
	s := a.clause()
	switch a.pick(4) {
	case 0:
		s += ", " + a.word(conjunctions) + " " + a.clause()
	case 1:
		s = a.word(adverbs) + ", " + s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func (a *author) clause() string {
	s := a.noun() + " " + a.word(verbs) + " " + a.noun()
	if a.pick(2) == 0 {
		s += " " + a.word(prepositions) + " " + a.noun()
	}
	return s
}

func (a *author) noun() string {
	article, s := a.word(articles), a.word(nouns)
	if a.pick(3) == 0 {
		s = a.word(adjectives) + " " + s
	}
	if article == "a" && strings.IndexByte("aeiou", s[0]) >= 0 {
		article = "an"
	}
	return article + " " + s
}

// wrap breaks lines at blanks.
func wrap(s string) string {
	var b strings.Builder
	for len(s) > lineWidth {
		at := strings.LastIndexByte(s[:lineWidth], ' ')
		b.WriteString(s[:at] + "\n")
		s = s[at+1:]
	}
	return b.String() + s + "\n"
}
