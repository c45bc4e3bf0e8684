package sim

import (
	"fmt"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// What was seen of named data: every put that was acknowledged is on a disk until another has replaced it.

// puts is what a chronicle knows of named data, by the ids of the puts.
type puts struct {
	acks     map[string]ack
	order    []string
	replaced map[string]bool                // a broker wrote down that another has taken its place
	dropped  map[string]map[ledger.Dot]bool // forgotten, by the writes that made them
	twice    map[string]bool                // put again after that
}

func newPuts() puts {
	return puts{acks: map[string]ack{}, replaced: map[string]bool{}, dropped: map[string]map[ledger.Dot]bool{}, twice: map[string]bool{}}
}

// putState is the state of a record of named data, for reading what is on disks.
type putState struct{ data.Record }

// Merge implements ledger.State. Nothing is merged here.
func (s putState) Merge(ledger.State) ledger.State { return s }

func putOf(r SavedRecord) (ledger.Record, bool) {
	if r.Key.Kind != ledger.Data || r.Bytes == nil {
		return ledger.Record{}, false
	}
	rec, err := ledger.DecodeRecord(r.Bytes, func(_ ledger.Kind, b []byte) (ledger.State, error) {
		d, err := data.Decode(b)
		return putState{d}, err
	})
	return rec, err == nil
}

// putWritten notes that a broker writes, or forgets, a record of named data.
func (c *Chronicle) putWritten(n *Node, r SavedRecord) {
	if r.Key.Kind != ledger.Data {
		return
	}
	c.stirred = c.w.now
	id := r.Key.ID
	if r.Bytes == nil {
		if was, ok := putOf(n.Disk.latest(r.Key)); ok {
			if c.puts.dropped[id] == nil {
				c.puts.dropped[id] = map[ledger.Dot]bool{}
			}
			c.puts.dropped[id][was.Created] = true
		}
		return
	}
	if rec, ok := putOf(r); ok {
		c.puts.replaced[id] = c.puts.replaced[id] || rec.State.(putState).Gone
		c.puts.twice[id] = c.puts.twice[id] || len(c.puts.dropped[id]) > 0 && !c.puts.dropped[id][rec.Created]
	}
}

// putAcked notes an acknowledgement, and says what is wrong with it.
func (c *Chronicle) putAcked(from *Node, m *messages.DataPut) {
	n, want := c.disksWithPut(m.GetId()), int(m.GetDurability())
	if n < want && c.losses == 0 && !c.puts.replaced[m.GetId()] {
		c.violate("S1", fmt.Sprintf("%s acknowledged put %s with durability %d, and it is on %d disks", from.Name, m.GetId(), want, n))
	}
	if _, again := c.puts.acks[m.GetId()]; !again {
		c.puts.order = append(c.puts.order, m.GetId())
	}
	c.puts.acks[m.GetId()] = ack{c.w.now, from, m.GetDurability(), c.losses - max(0, want-n)}
}

func (c *Chronicle) disksWithPut(id string) (count int) {
	for _, n := range c.w.nodes {
		if n.Disk != nil && n.Disk.holds(ledger.Key{Kind: ledger.Data, ID: id}) {
			count++
		}
	}
	return count
}

// lostPut names an acknowledged put that is on no disk and should be, "" if there is none.
func (c *Chronicle) lostPut() string {
	for _, id := range c.puts.order {
		if a := c.puts.acks[id]; int(a.durability) > c.losses-a.harmed && !c.puts.replaced[id] && c.disksWithPut(id) == 0 {
			return fmt.Sprintf("put %s was acknowledged with durability %d and is on no disk", id, a.durability)
		}
	}
	return ""
}

// differInData compares what two brokers tell of all named data, and with what was forgotten.
func (c *Chronicle) differInData(v, o *view) string {
	for _, id := range v.puts {
		if len(c.puts.dropped[id]) > 0 && !c.puts.twice[id] {
			return fmt.Sprintf("put %s was forgotten and is known again at %s", id, v.node.Name)
		}
	}
	if v.data != o.data {
		return fmt.Sprintf("named data is %q at %s and %q at %s", v.data, v.node.Name, o.data, o.node.Name)
	}
	return ""
}

// viewData asks a broker for all its named data.
func (w *World) viewData(v *view) {
	after := ""
	for {
		page, ok := w.Look(v.node.Name, &messages.DataList{After: after}).(*messages.DataResponse)
		if !ok {
			return
		}
		for _, e := range page.GetEntries() {
			v.tell(e)
			for _, s := range e.GetSiblings() {
				v.tell(s)
			}
		}
		if after = page.GetNext(); after == "" {
			return
		}
	}
}

// tell adds one put to what a broker tells.
func (v *view) tell(e *messages.DataEntry) {
	b, err := job.DecodeBlob(e.GetBlob())
	if err != nil || e.GetJob() != "" {
		return // a job makes it: that is compared by the job's record
	}
	v.puts = append(v.puts, e.GetId())
	v.data += fmt.Sprintf("%s=%s@%d %x; ", e.GetName(), e.GetId(), e.GetAtMs(), b.Digest[:4])
}
