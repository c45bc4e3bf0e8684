package actors

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// Bounds of what one answer tells of named data, so that it fits into a frame.
const (
	maxDataAnswer = 160 << 10
	maxSiblings   = 64 << 10 // of one name
)

// dataSource reads named data: as it is, or while the disk is full as it is on it.
type dataSource struct {
	b        *Broker
	versions map[ledger.Key]*ledger.Record
	more     map[string][]string // name → records that are not gone on the disk, and are here
	job      func(job.ID) (job.Job, bool)
}

// dataNow reads what this broker knows, told or not.
func (b *Broker) dataNow() dataSource { return dataSource{b: b, job: b.job} }

// readableData reads what may be told.
func (b *Broker) readableData() dataSource {
	s := dataSource{b: b, versions: b.disk.onDisk(), more: map[string][]string{}}
	_, s.job = b.readable()
	for key, rec := range s.versions {
		if key.Kind == ledger.Data && rec != nil && !rec.State.(dataState).Gone {
			name := rec.State.(dataState).Name
			s.more[name] = with(s.more[name], key.ID)
		}
	}
	return s
}

// record returns a record of named data that is not gone.
func (s dataSource) record(id string) (ledger.Record, bool) {
	if v, replaced := s.versions[dataKey(id)]; replaced {
		if v == nil || v.State.(dataState).Gone {
			return ledger.Record{}, false
		}
		return *v, true
	}
	return s.b.replica.Get(dataKey(id))
}

// entry returns what is known under one name or pattern alone.
func (s dataSource) entry(e nameEntry) data.Known {
	k := data.Known{Name: e.name}
	puts := e.puts
	for _, id := range s.more[e.name] {
		puts = with(slices.Clone(puts), id)
	}
	for _, id := range puts {
		if rec, ok := s.record(id); ok {
			k.Puts = append(k.Puts, rec.State.(dataState).Record)
		}
	}
	for _, id := range e.makers {
		if j, ok := s.job(id); ok {
			k.Makers = append(k.Makers, data.MakerOf(j, s.b.final(j)))
		}
	}
	return k
}

// of returns all that is known of a name.
func (s dataSource) of(name string) data.Known {
	k := s.entry(s.b.catalog.get(name))
	for _, p := range data.Patterns(name) {
		for _, m := range s.entry(s.b.catalog.get(p)).Makers {
			if !slices.ContainsFunc(k.Makers, func(o data.Maker) bool { return o.Job == m.Job }) {
				k.Makers = append(k.Makers, m)
			}
		}
	}
	return k
}

func (b *Broker) knownOf(name string) data.Known { return b.dataNow().of(name) }

// below yields the names that begin with prefix and come after a name, in order, patterns left out.
func (s dataSource) below(prefix, after string) iter.Seq[string] {
	return func(yield func(string) bool) {
		more := slices.DeleteFunc(slices.Sorted(maps.Keys(s.more)), func(n string) bool { return n <= after || !strings.HasPrefix(n, prefix) })
		for e := range s.b.catalog.below(prefix, after) {
			for ; len(more) > 0 && more[0] <= e.name; more = more[1:] {
				if more[0] < e.name && !yield(more[0]) {
					return
				}
			}
			if !strings.HasSuffix(e.name, "*") && !yield(e.name) {
				return
			}
		}
		for _, n := range more {
			if !yield(n) {
				return
			}
		}
	}
}

// showData answers what a name stands for.
func (b *Broker) showData(ctx actor.Context, q *showData) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	b.read(ctx, func() any {
		s := b.readableData()
		known := s.of(q.name)
		entry := b.dataEntry(q.name, known.Stand())
		if entry == nil {
			return noData(q.name, known.Stand())
		}
		return &messages.DataResponse{Entries: []*messages.DataEntry{entry}, Session: sessionOf(s.writes(known, ledger.Vector{}), b.hybrid())}
	})
}

func noData(name string, s data.Standing) *messages.Refused {
	reason := fmt.Sprintf("no data %q is known here", name)
	if s.Removed != nil {
		reason = fmt.Sprintf("data %q was removed", name)
	}
	return &messages.Refused{Code: messages.Refused_NOT_FOUND, Reason: reason}
}

// listData answers with what lies below a prefix, by name.
func (b *Broker) listData(ctx actor.Context, q *listData) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	b.read(ctx, func() any {
		s, res, seen, size := b.readableData(), &messages.DataResponse{}, ledger.Vector{}, 0
		for name := range s.below(q.prefix, q.after) {
			known := s.of(name)
			entry := b.dataEntry(name, known.Stand())
			if entry == nil {
				continue
			}
			if size += proto.Size(entry); len(res.GetEntries()) > 0 && (len(res.GetEntries()) == q.limit || size > maxDataAnswer) {
				res.Next = res.GetEntries()[len(res.GetEntries())-1].GetName()
				break
			}
			res.Entries, seen = append(res.Entries, entry), s.writes(known, seen)
		}
		res.Session = sessionOf(seen, b.hybrid())
		return res
	})
}

// writes adds to a vector the writes that what is known of a name rests on: whoever was told that has seen them (CLK-5).
func (s dataSource) writes(k data.Known, seen ledger.Vector) ledger.Vector {
	for _, r := range k.Puts {
		if rec, ok := s.record(r.ID); ok && !seen.CoversAll(rec.Writes) {
			seen = seen.Merge(rec.Writes)
		}
	}
	for _, m := range k.Makers {
		rec, ok := s.b.replica.Get(jobKey(m.Job))
		if v := s.versions[jobKey(m.Job)]; v != nil {
			rec, ok = *v, true
		}
		if ok && len(m.Made) > 0 && !seen.CoversAll(rec.Writes) {
			seen = seen.Merge(rec.Writes)
		}
	}
	return seen
}

// dataEntry tells what a name stands for, nil if that is nothing.
func (b *Broker) dataEntry(name string, s data.Standing) *messages.DataEntry {
	var entry *messages.DataEntry
	switch {
	case s.Value != nil:
		entry = b.valueEntry(*s.Value)
	case s.Making != nil:
		entry = &messages.DataEntry{Name: name, By: s.Making.By, ByName: b.nodeName(s.Making.By), Job: string(s.Making.Job), Waiting: b.makingOf(*s.Making)}
	default:
		return nil
	}
	size := 0
	for _, v := range s.Siblings {
		sibling := b.valueEntry(v)
		if size += proto.Size(sibling); size > maxSiblings {
			break
		}
		entry.Siblings = append(entry.Siblings, sibling)
	}
	return entry
}

func (b *Broker) valueEntry(v data.Value) *messages.DataEntry {
	return &messages.DataEntry{
		Name: v.Name, Id: v.ID, Blob: v.Blob.Append(nil), Zip: v.Zip, By: v.By, ByName: b.nodeName(v.By), AtMs: uint64(max(0, v.At.Wall)),
		Job: string(v.Job), Provisional: !v.Final,
	}
}

// makingOf says why there are no bytes yet.
func (b *Broker) makingOf(m data.Maker) string {
	why := fmt.Sprintf("job %s, which makes it, is %s", m.Job, m.State)
	if j, ok := b.job(m.Job); ok {
		if waiting := b.describe(j).GetWaiting(); waiting != "" {
			why += ": " + waiting
		}
	}
	return why
}

// nodeName returns what people call a node, "" if nobody has said.
func (b *Broker) nodeName(id string) string {
	n, _ := b.node(id)
	return n.Name
}
