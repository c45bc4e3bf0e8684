package data

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Record is one put of a name, or its removal. Treat it as immutable.
type Record struct {
	ID       string
	Name     string
	Blob     job.Blob // zero if Deleted; few bytes are inline
	Zip      bool     // a directory, zipped
	Deleted  bool     // the name stands for nothing
	By       string   // node id of who put it
	Broker   string   // node id of the broker that took it
	At       vclock.Hybrid
	Job      job.ID   // that made it; "" if somebody put it
	Replaces []string // ids of the records of that name that its broker knew, in order
	Gone     bool     // one that replaces it was written; it never comes back
}

// Merge returns the join of two versions of one record. Two brokers that took the same put without hearing of each other wrote two times of it: the
// earlier counts.
func (r Record) Merge(o Record) Record {
	m := r
	if o.compare(r) < 0 {
		m = o
	}
	m.Gone = r.Gone || o.Gone
	m.Replaces = r.Replaces
	if !slices.Equal(r.Replaces, o.Replaces) {
		m.Replaces = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Replaces, o.Replaces))))
	}
	return m
}

// compare orders what is immutable of two versions.
func (r Record) compare(o Record) int {
	return cmp.Or(r.At.Compare(o.At), bytes.Compare(r.appendFixed(nil), o.appendFixed(nil)))
}

// Supersedes says whether r replaces the record of that id.
func (r Record) Supersedes(id string) bool {
	_, ok := slices.BinarySearch(r.Replaces, id)
	return ok
}

// Same says that o is the same wish: a put that was sent again.
func (r Record) Same(o Record) bool {
	return r.ID == o.ID && r.Name == o.Name && r.Blob.Digest == o.Blob.Digest && r.Zip == o.Zip && r.Deleted == o.Deleted && r.By == o.By
}

// version opens every encoding; an unknown one is refused.
const version = 1

// Append appends the canonical encoding of r to b.
func (r Record) Append(b []byte) []byte {
	b = r.appendFixed(canon.AppendUint(b, uint64(version)))
	b = canon.AppendList(b, r.Replaces, canon.AppendString[string])
	return canon.AppendBool(b, r.Gone)
}

func (r Record) appendFixed(b []byte) []byte {
	for _, s := range []string{r.ID, r.Name, r.By, r.Broker, string(r.Job)} {
		b = canon.AppendString(b, s)
	}
	b = canon.AppendBool(canon.AppendBool(b, r.Deleted), r.Zip)
	b = canon.AppendUint(canon.AppendUint(b, uint64(r.At.Wall)), r.At.Logical)
	if r.Deleted {
		return b
	}
	b = canon.AppendUint(append(b, r.Blob.Digest[:]...), r.Blob.Size)
	return canon.AppendString(b, r.Blob.Inline)
}

// Decode returns the record whose canonical encoding is b.
func Decode(b []byte) (Record, error) {
	r := canon.NewReader(b)
	if v := r.Byte(); v != version {
		return Record{}, fmt.Errorf("named data of format %d, this program knows %d: %w", v, version, canon.ErrMalformed)
	}
	d := Record{ID: r.String(), Name: r.String(), By: r.String(), Broker: r.String(), Job: job.ID(r.String())}
	d.Deleted, d.Zip = r.Bool(), r.Bool()
	d.At = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	if !d.Deleted {
		r.Fixed(d.Blob.Digest[:])
		d.Blob.Size, d.Blob.Inline = r.Uint64(), r.Bytes()
	}
	d.Replaces = canon.List(r, (*canon.Reader).String)
	d.Gone = r.Bool()
	if err := r.Err(); err != nil {
		return Record{}, fmt.Errorf("named data: %w", err)
	}
	for i := 1; i < len(d.Replaces); i++ {
		if d.Replaces[i-1] >= d.Replaces[i] {
			return Record{}, fmt.Errorf("named data %s: what it replaces is out of order: %w", d.ID, canon.ErrMalformed)
		}
	}
	return d, nil
}
