package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader reads one section whose keys are known. What is wrong is noted, and read as if it were not there.
type reader struct {
	*problems
	*section
	known []string
	where string // "[jobs.metadata]", "" for the plan itself
}

// places says where each key belongs, for whoever wrote it somewhere else.
var places = map[string][]string{
	"":                             {"named_data", "jobs"},
	"[[jobs]]":                     {"metadata", "data", "name", "after", "on_failure", "priority", "emergency", "retries", "timeout", "deadline", "quorum", "count", "speculate", "labels"},
	"[jobs.metadata]":              {"wasm_module", "argv", "env", "stdin_file", "dirs", "data", "stdout_file", "stderr_file", "results", "named_results", "results_receiver", "capabilities"},
	"[jobs.metadata.capabilities]": {"cpu_cores", "free_cpu_capacity", "free_memory", "free_disk_space"},
}

// in returns a reader of the section s, and notes the keys that are not known there.
func (p *problems) in(where string, s *section) reader {
	r := reader{p, s, places[where], where}
	for _, f := range s.fields {
		if !slices.Contains(r.known, f.key) {
			p.add(f.at, "%s", r.stray(f.key))
		}
	}
	return r
}

// stray says what is wrong with a key that is not known here.
func (r reader) stray(key string) string {
	for _, where := range []string{"[[jobs]]", "[jobs.metadata]", "[jobs.metadata.capabilities]"} {
		if where != r.where && slices.Contains(places[where], key) {
			return fmt.Sprintf("key %q belongs in %s", key, where)
		}
	}
	return unknown("key", key, r.known)
}

// given returns the value of a key, nil if it has none.
func (s *section) given(key string) *field {
	if f := s.get(key); f != nil && f.data != nil {
		return f
	}
	return nil
}

// wants notes that f is not what it has to be.
func (p *problems) wants(key string, v *value, what string) {
	p.add(v.at, "%s wants %s, not %s", key, what, describe(v))
}

const someText = "a text in quotes"

// text is a text and its place.
type text struct {
	at Position
	s  string
}

func (r reader) text(key string) text {
	f := r.given(key)
	if f == nil {
		return text{}
	}
	s, ok := f.data.(string)
	if !ok {
		r.wants(key, f.value, someText)
	}
	return text{f.value.at, s}
}

func (r reader) texts(key string) []text {
	f := r.given(key)
	if f == nil {
		return nil
	}
	all, ok := f.data.(*sequence)
	if !ok {
		r.wants(key, f.value, "a list of texts")
		return nil
	}
	var list []text
	for _, item := range all.items {
		s, ok := item.data.(string)
		if !ok {
			r.wants(key, item, "only texts in quotes")
			continue
		}
		list = append(list, text{item.at, s})
	}
	return list
}

// pair is a key of a section and the text under it.
type pair struct {
	at         Position
	key, value string
}

func (r reader) pairs(key, what string) []pair {
	var list []pair
	s := r.below(key, what)
	if s == nil {
		return nil
	}
	for _, f := range s.fields {
		v, ok := f.data.(string)
		if !ok {
			r.wants(key+"."+f.key, f.value, someText)
			continue
		}
		list = append(list, pair{f.at, f.key, v})
	}
	return list
}

// below returns the section under a key, nil if there is none.
func (r reader) below(key, what string) *section {
	f := r.given(key)
	if f == nil {
		return nil
	}
	s, ok := f.data.(*section)
	if !ok {
		r.wants(key, f.value, what)
	}
	return s
}

// number reads a whole number from 0 to most.
func (r reader) number(key string, most uint64) uint64 {
	f := r.given(key)
	if f == nil {
		return 0
	}
	n, ok := f.data.(int64)
	if float, is := f.data.(float64); is && float == math.Trunc(float) && math.Abs(float) < 1<<53 { // other writers of plans make no difference
		n, ok = int64(float), true
	}
	if !ok || n < 0 || uint64(n) > most {
		upTo := fmt.Sprintf(" up to %d", most)
		if most >= math.MaxInt64 {
			upTo = ""
		}
		r.wants(key, f.value, "a whole number from 0"+upTo)
		return 0
	}
	return uint64(n)
}

func (r reader) truth(key string) bool {
	f := r.given(key)
	if f == nil {
		return false
	}
	b, ok := f.data.(bool)
	if !ok {
		r.wants(key, f.value, "true or false")
	}
	return b
}

func (r reader) duration(key string) time.Duration {
	f := r.given(key)
	if f == nil {
		return 0
	}
	s, _ := f.data.(string)
	d, err := parseDuration(s)
	if err != nil || d <= 0 {
		r.wants(key, f.value, `a duration with its unit, such as "30s", "1h30m" or "7d"`)
		return 0
	}
	return d
}

// parseDuration is time.ParseDuration, and reads days.
func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * 24 * time.Hour, err
}
