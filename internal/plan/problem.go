package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Position is a place in a plan, from line 1 and column 1 on; columns count bytes.
type Position struct{ Line, Column int }

// Compare orders positions as they are read.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}

// Problem is one thing that is wrong with a plan, and where.
type Problem struct {
	File string
	At   Position
	Text string // a sentence without its full stop
}

// String returns "plan.toml:3:1: unknown key …".
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.At.Line, p.At.Column, p.Text)
}

// maxProblems bounds what is collected: whoever has that many sees the rest next time.
const maxProblems = 1000

// problems collects what is wrong while reading goes on.
type problems struct {
	file string
	list []Problem
	told map[Problem]bool
}

// add notes a problem. What is true of each job of an array is told once.
func (p *problems) add(at Position, format string, args ...any) {
	found := Problem{p.file, Position{max(1, at.Line), max(1, at.Column)}, fmt.Sprintf(format, args...)}
	if p.told[found] || len(p.list) >= maxProblems {
		return
	}
	if p.told == nil {
		p.told = make(map[Problem]bool)
	}
	p.told[found] = true
	p.list = append(p.list, found)
}

// sorted returns the problems in the order of the file.
func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return a.At.Compare(b.At) })
	return p.list
}

// maxWord is the greatest length of a word that is compared; longer ones are no slip of a finger.
const maxWord = 64

// nearest returns the candidate that someone who typed word most likely meant, or "".
func nearest(word string, candidates []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, least := "", len(word)/3+2
	for _, candidate := range candidates {
		if distance := levenshtein.Distance(strings.ToLower(word), strings.ToLower(candidate), nil); distance < least {
			best, least = candidate, distance
		}
	}
	return best
}

// unknown says that word is no thing ("key", "job") known here, and which one may have been meant.
func unknown(thing, word string, candidates []string) string {
	switch near := nearest(word, candidates); {
	case near != "":
		return fmt.Sprintf("unknown %s %.80q; did you mean %q?", thing, word, near)
	case len(candidates) == 0:
		return fmt.Sprintf("unknown %s %.80q", thing, word)
	}
	return fmt.Sprintf("unknown %s %.80q; known here: %s", thing, word, list(candidates))
}

// maxListed bounds what a sentence lists.
const maxListed = 24

func list(words []string) string {
	if more := len(words) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:maxListed], ", "), more)
	}
	return strings.Join(words, ", ")
}
