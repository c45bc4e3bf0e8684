package config

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// maxWord is the greatest length of a word that is compared; longer ones are no slip of a finger.
const maxWord = 64

// nearest returns the candidate that someone who typed word most likely meant, or "". A dotted candidate is also
// compared by its last part, so that heartbeat finds lease.heartbeat.
func nearest(word string, candidates []string) string {
	if len(word) > maxWord {
		return ""
	}
	word = strings.ToLower(word)
	best, least := "", len(word)/3+2
	for _, candidate := range candidates {
		distance := levenshtein.Distance(word, strings.ToLower(candidate), nil)
		if last := candidate[strings.LastIndexByte(candidate, '.')+1:]; last != candidate {
			distance = min(distance, levenshtein.Distance(word, strings.ToLower(last), nil)+1)
		}
		if distance < least {
			best, least = candidate, distance
		}
	}
	return best
}

// unknown says that word is no thing ("key", "role") known here, and which one may have been meant.
func unknown(thing, word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf("unknown %s %q; did you mean %q?", thing, word, near)
	}
	return fmt.Sprintf("unknown %s %q; known here: %s", thing, word, strings.Join(candidates, ", "))
}
