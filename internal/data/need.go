package data

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
)

// MaxFiles is how many names a pattern may stand for. More are a failed input that no job made.
const MaxFiles = 4096

// Need says how the named data stands that a job needs. Known is all that is known of the name, or of every name below a pattern, by name, with
// the patterns that cover any of them among it.
//
// A job that was submitted before and is to make it is waited for, the last one of several; else the last value counts, unless a job that
// was to make it anew has failed since; else a job submitted later may make it.
func Need(consumer job.Job, name string, known []Known) job.Input {
	n := need{consumer: Maker{Job: consumer.ID, Created: consumer.Created}, name: name}
	for _, k := range known {
		n.look(k)
	}
	switch {
	case n.before != nil:
		return n.waits(*n.before)
	case n.failed != nil:
		return job.Input{Name: name, Job: n.failed.Job, Known: true, State: failure(n.failed.State), Final: n.failed.Final}
	case len(n.files) > MaxFiles:
		return job.Input{Name: name, Known: true, State: job.StateFailed, Final: true}
	case len(n.files) > 0 || n.empty:
		return n.found()
	case n.after != nil:
		return n.waits(*n.after)
	}
	return job.Input{Name: name}
}

// need is what was seen so far of what a job needs.
type need struct {
	consumer      Maker
	name          string
	before, after *Maker // that have yet to end: the last one submitted before the consumer, and the first one after it
	failed        *Maker // the last that failed to make it anew
	files         []job.NamedFile
	makers        []job.ID // of files; "" if they were put
	provisional   bool
	empty         bool // a job that was to make some made none
}

func (n *need) look(k Known) {
	k.Makers = slices.DeleteFunc(slices.Clone(k.Makers), func(m Maker) bool { return m.Job == n.consumer.Job })
	value := k.Stand().Value
	for i := range k.Makers {
		n.hear(k, &k.Makers[i], value)
	}
	if value != nil {
		n.files = append(n.files, job.NamedFile{Name: k.Name, Blob: value.Blob, Zip: value.Zip})
		n.makers = append(n.makers, value.Job)
		n.provisional = n.provisional || !value.Final
	}
}

// hear notes how a maker of a name stands, whose value is that.
func (n *need) hear(k Known, m *Maker, value *Value) {
	earlier := m.before(n.consumer) < 0
	_, made := m.file(k.Name)
	switch {
	case !m.State.Terminal() && earlier:
		if n.before == nil || n.before.before(*m) < 0 {
			n.before = m
		}
	case !m.State.Terminal():
		if n.after == nil || m.before(*n.after) < 0 {
			n.after = m
		}
	case m.State == job.StateAccepted && (made || !m.promised(k.Name) || strings.HasSuffix(k.Name, "*")):
		n.empty = n.empty || strings.HasSuffix(n.name, "*") && m.covers(n.name)
		n.provisional = n.provisional || !m.Final && n.empty && len(m.Made) == 0
	case !earlier, value != nil && value.At.Compare(m.At) > 0, n.failed != nil && n.failed.At.Compare(m.At) > 0:
	default:
		n.failed = m
	}
}

// covers says whether all that a pattern stands for was asked of the maker.
func (m Maker) covers(pattern string) bool {
	return slices.ContainsFunc(m.Promised, func(r job.NamedResult) bool { return r.Name == pattern })
}

func (n *need) waits(m Maker) job.Input {
	return job.Input{Name: n.name, Job: m.Job, Known: true, State: m.State}
}

// failure is the state of a job that did not make what it promised, although it may have been accepted.
func failure(s job.State) job.State {
	if s == job.StateAccepted {
		return job.StateFailed
	}
	return s
}

func (n *need) found() job.Input {
	in := job.Input{Name: n.name, Known: true, State: job.StateAccepted, Final: !n.provisional, Files: n.files}
	if len(n.makers) > 0 && !slices.ContainsFunc(n.makers, func(id job.ID) bool { return id != n.makers[0] }) {
		in.Job = n.makers[0]
	}
	if !strings.HasSuffix(n.name, "*") {
		in.Digest = n.files[0].Blob.Digest
		return in
	}
	slices.SortFunc(in.Files, func(a, b job.NamedFile) int { return strings.Compare(a.Name, b.Name) })
	in.Digest = sha256.Sum256(canon.AppendList(nil, in.Files, appendFile))
	return in
}

// appendFile appends what a file is, and not whether its bytes travel with its name.
func appendFile(b []byte, f job.NamedFile) []byte {
	b = canon.AppendUint(append(canon.AppendString(b, f.Name), f.Blob.Digest[:]...), f.Blob.Size)
	return canon.AppendBool(b, f.Zip)
}
