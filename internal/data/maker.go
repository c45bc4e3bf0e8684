package data

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Maker is a job that makes named data, as far as that matters here.
type Maker struct {
	Job      job.ID
	By       string        // node id of who submitted it
	Created  vclock.Hybrid // when it was submitted
	State    job.State
	At       vclock.Hybrid     // when it ended
	Final    bool              // its end never changes
	Promised []job.NamedResult // what it was asked for
	Made     []job.NamedFile   // what it left, if it was accepted
}

// MakerOf returns what is to be known of a job. Final says whether its end is.
func MakerOf(j job.Job, final bool) Maker {
	m := Maker{Job: j.ID, By: j.Spec.Submitter, Created: j.Created, State: j.State(), Final: final, Promised: j.Spec.Results}
	if v, _ := j.Winner(); v != nil {
		m.At = v.At
		m.Made = Made(j)
	}
	return m
}

// Made returns the named data that an accepted job left. A name that it was not asked for is none, whatever its executor says.
func Made(j job.Job) []job.NamedFile {
	v, _ := j.Winner()
	if v == nil || v.Kind != job.Accepted || len(j.Spec.Results) == 0 {
		return nil
	}
	var made []job.NamedFile
	for _, f := range v.Result.Named {
		if asked(j.Spec.Results, f.Name) && job.ValidDataName(f.Name) == nil && !f.Blob.IsZero() {
			made = append(made, f)
		}
	}
	return made
}

func asked(results []job.NamedResult, name string) bool {
	return slices.ContainsFunc(results, func(r job.NamedResult) bool { return Covers(r.Name, name) })
}

// Covers says whether a pattern is a name, or a/b/* with the name below a/b/.
func Covers(pattern, name string) bool {
	below, ok := strings.CutSuffix(pattern, "*")
	return pattern == name || (ok && strings.HasPrefix(name, below))
}

// Patterns returns those that cover a name or a pattern besides itself, the longest first: of a/b/c they are a/b/* and a/*.
func Patterns(name string) []string {
	var all []string
	for i := len(strings.TrimSuffix(name, "/*")) - 1; i > 0; i-- {
		if name[i] == '/' {
			all = append(all, name[:i]+"/*")
		}
	}
	return all
}

// Keys returns the names and patterns under which a job is known as their maker: what it promised, and what it made.
func Keys(j job.Job) []string {
	if len(j.Spec.Results) == 0 {
		return nil
	}
	var keys []string
	for _, r := range j.Spec.Results {
		keys = append(keys, r.Name)
	}
	for _, f := range Made(j) {
		keys = append(keys, f.Name)
	}
	return slices.Compact(slices.Sorted(slices.Values(keys)))
}

// file returns what the maker left under a name.
func (m Maker) file(name string) (job.NamedFile, bool) {
	i := slices.IndexFunc(m.Made, func(f job.NamedFile) bool { return f.Name == name })
	if i < 0 {
		return job.NamedFile{}, false
	}
	return m.Made[i], true
}

// promised says whether the maker was asked for just this name, so that it fails if it does not leave it.
func (m Maker) promised(name string) bool {
	return slices.ContainsFunc(m.Promised, func(r job.NamedResult) bool { return r.Name == name })
}

// before orders makers by when they were submitted.
func (m Maker) before(o Maker) int {
	return cmp.Or(m.Created.Compare(o.Created), cmp.Compare(m.Job, o.Job))
}
