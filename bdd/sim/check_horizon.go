package sim

import (
	"fmt"
	"time"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
)

// horizons looks at what brokers say that all of them know. It is true of each whose word came lately, for it is waited for; whom a broker may have
// given up waiting for is not asked after.
type horizons map[*Node]map[string]tidings

// tidings are what a broker said last of what it knows, and when that came to the disk of another.
type tidings struct {
	rev   uint64
	known ledger.Vector
	at    time.Duration
}

// unknown names a broker that has not said that it knows all that a horizon covers, which another one sets.
func (h horizons) unknown(c *Chronicle, f wrote) string {
	saw := ""
	for _, r := range f.batch.Records {
		if r.Key == ledger.HorizonKey && f.node.Disk.harmed == 0 {
			saw = h.ahead(c, f, r)
		}
	}
	h.hear(c, f)
	return saw
}

// hear notes what other brokers say, as it comes to a broker's disk.
func (h horizons) hear(c *Chronicle, f wrote) {
	if h[f.node] == nil {
		h[f.node] = map[string]tidings{}
	}
	for _, r := range f.batch.Records {
		if b, ok := brokerOf(r); ok && b.Rev > h[f.node][b.Journal].rev {
			h[f.node][b.Journal] = tidings{b.Rev, b.Known, c.w.now}
		}
	}
}

// ahead looks at what a horizon covers that the one before did not. One that somebody else has set is looked at where that was.
func (h horizons) ahead(c *Chronicle, f wrote, r SavedRecord) string {
	is, ok := horizonOf(r)
	was, _ := horizonOf(f.node.Disk.latest(r.Key))
	own := c.w.Journal(f.node.Name)
	if !ok || was.Writes.CoversAll(is.Writes.Of(own)) {
		return ""
	}
	for journal, told := range h[f.node] {
		if journal == own || c.w.now-told.at > c.w.settings.Broker.Keep-time.Second || f.gaveUp(journal) {
			continue
		}
		known := told.known.Merge(f.says(journal))
		for _, d := range is.vector.Dots() {
			if !was.vector.Covers(d) && !known.Covers(d) {
				return fmt.Sprintf("%s sets a horizon with write %d of %s, and broker %s has not said that it knows that", f.node.Name, d.Seq, d.Journal, journal)
			}
		}
	}
	return ""
}

// gaveUp says whether a broker is given up, as far as who writes knows.
func (f wrote) gaveUp(journal string) bool {
	key := ledger.Key{Kind: ledger.Forget, ID: journal}
	for _, r := range f.batch.Records {
		if r.Key == key {
			return true
		}
	}
	return f.node.Disk.has(key)
}

// says is what a broker says that it knows by what is just being written.
func (f wrote) says(journal string) ledger.Vector {
	v := ledger.Vector{}
	for _, r := range f.batch.Records {
		if b, ok := brokerOf(r); ok && b.Journal == journal {
			v = v.Merge(b.Known)
		}
	}
	return v
}

// said is the state of a record that a checker reads. Nothing is merged.
type said[T any] struct {
	ledger.State
	value T
}

func saidBy[T any](r SavedRecord, decode func([]byte) (T, error)) (ledger.Record, T, bool) {
	var value T
	if r.Bytes == nil {
		return ledger.Record{}, value, false
	}
	rec, err := ledger.DecodeRecord(r.Bytes, func(_ ledger.Kind, b []byte) (ledger.State, error) {
		v, err := decode(b)
		return said[T]{value: v}, err
	})
	if err != nil {
		return ledger.Record{}, value, false
	}
	return rec, rec.State.(said[T]).value, true
}

func brokerOf(r SavedRecord) (roster.Broker, bool) {
	if r.Key.Kind != ledger.Broker {
		return roster.Broker{}, false
	}
	_, b, ok := saidBy(r, roster.DecodeBroker)
	return b, ok
}

// horizon is that record, as far as it matters here.
type horizon struct {
	ledger.Record
	vector ledger.Vector
}

func horizonOf(r SavedRecord) (horizon, bool) {
	rec, h, ok := saidBy(r, ledger.DecodeHorizon)
	return horizon{rec, h.Vector}, ok
}
