package data

import (
	"cmp"
	"slices"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Known is all that is known of one name, or of a pattern, which only has makers.
type Known struct {
	Name   string
	Puts   []Record // that are not gone
	Makers []Maker  // those that promised the name, or a pattern that covers it, or made it
}

// Value is something that a name stands for.
type Value struct {
	Record
	Final bool // it never turns out to have been otherwise
	since vclock.Hybrid
	made  bool // it is read through the record of the job that made it
}

// Made says that the value is read through the record of the job that made it, and is no record of its own.
func (v Value) Made() bool { return v.made }

// Standing is what a name stands for.
type Standing struct {
	Value    *Value  // nil: nothing
	Siblings []Value // written without knowledge of the value, the latest first
	Removed  *Record // with a nil Value: who removed it, if anybody did
	Making   *Maker  // with a nil Value: a job that is going to make it, the first one submitted
}

// Stand returns what the name stands for: the last that was put or made, unless that is a removal. Whatever else was put without knowledge of it
// is a sibling. A job knows what was there when it was submitted, and nothing after that.
func (k Known) Stand() Standing {
	values := k.values()
	s := Standing{}
	if len(values) > 0 {
		if last := values[0]; !last.Deleted {
			s.Value = &last
		} else {
			s.Removed = &last.Record
		}
		for _, v := range values[1:] {
			if !v.Deleted && concurrent(values[0], v) {
				s.Siblings = append(s.Siblings, v)
			}
		}
	}
	if s.Value == nil {
		s.Making = k.making()
	}
	return s
}

// values returns all that was put and made, the latest first.
func (k Known) values() []Value {
	var all []Value
	for _, r := range k.Puts {
		all = append(all, Value{Record: r, Final: true, since: r.At})
	}
	for _, m := range k.Makers {
		f, ok := m.file(k.Name)
		if !ok || slices.ContainsFunc(k.Puts, func(r Record) bool { return r.Job == m.Job }) { // it has become a record
			continue
		}
		all = append(all, Value{
			Record: Record{ID: string(m.Job), Name: k.Name, Blob: f.Blob, Zip: f.Zip, By: m.By, At: m.At, Job: m.Job},
			Final:  m.Final, since: m.Created, made: true,
		})
	}
	slices.SortFunc(all, func(a, b Value) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return all
}

// concurrent says whether v was written without knowledge of the later one. Live puts are: a put marks those it knows. A job was if it
// began before the other was there.
func concurrent(later, v Value) bool {
	return (!later.made && !v.made) || v.At.Compare(later.since) > 0
}

// making returns the first of the jobs that have yet to end and are to make the name.
func (k Known) making() *Maker {
	var first *Maker
	for i := range k.Makers {
		m := &k.Makers[i]
		if !m.State.Terminal() && m.promised(k.Name) && (first == nil || m.before(*first) < 0) {
			first = m
		}
	}
	return first
}

// Replaced returns the ids of the live records that one written now replaces, in order, and how many things that the name could stand for are
// hidden by it.
func (k Known) Replaced() (ids []string, hidden int) {
	for _, r := range k.Puts {
		ids = append(ids, r.ID)
		if !r.Deleted {
			hidden++
		}
	}
	slices.Sort(ids)
	if s := k.Stand(); s.Value != nil && s.Value.made {
		hidden++
	}
	return ids, hidden
}

// Outlived returns the ids of the live records that were there when a job was submitted whose result is the value: they are replaced by what is
// written of it.
func (k Known) Outlived(j job.Job) []string {
	var ids []string
	for _, r := range k.Puts {
		if r.At.Compare(j.Created) < 0 {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Spent says whether a removal need not be kept any longer: no job that is known can still bring back what was there before it.
func (k Known) Spent(r Record) bool {
	return !slices.ContainsFunc(k.Makers, func(m Maker) bool { return m.At.Compare(r.At) < 0 })
}

// MadeBy returns what of the standing is read through the record of a job.
func (s Standing) MadeBy(id job.ID) (Value, bool) {
	if s.Value != nil && s.Value.made && s.Value.Job == id {
		return *s.Value, true
	}
	i := slices.IndexFunc(s.Siblings, func(v Value) bool { return v.made && v.Job == id })
	if i < 0 {
		return Value{}, false
	}
	return s.Siblings[i], true
}
