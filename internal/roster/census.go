package roster

import (
	"maps"
	"slices"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
)

// Census is what the ledger says of brokers, gathered from its records. The zero value is empty.
type Census struct {
	brokers   map[string]Broker
	forgotten map[string]Forget
}

// Add notes a broker's record, a newer version over an older.
func (c *Census) Add(b Broker) {
	if c.brokers == nil {
		c.brokers = map[string]Broker{}
	}
	c.brokers[b.Journal] = b
}

// Forget notes that a broker is given up.
func (c *Census) Forget(f Forget) {
	if c.forgotten == nil {
		c.forgotten = map[string]Forget{}
	}
	c.forgotten[f.Journal] = f
}

// Broker returns the record of a journal.
func (c *Census) Broker(journal string) (Broker, bool) {
	b, ok := c.brokers[journal]
	return b, ok
}

// Forgotten says whether a broker is given up.
func (c *Census) Forgotten(journal string) bool {
	_, ok := c.forgotten[journal]
	return ok
}

// FirstBorn returns the first journal of a node, which job ids name by the node alone.
func (c *Census) FirstBorn(node string) (string, bool) {
	best, found := "", false
	for j, b := range c.brokers {
		if b.Node == node && b.First && (!found || j < best) {
			best, found = j, true
		}
	}
	return best, found
}

// OfNode returns the journals of a node that are not given up, sorted.
func (c *Census) OfNode(node string) []string {
	var all []string
	for _, j := range c.Members() {
		if c.brokers[j].Node == node {
			all = append(all, j)
		}
	}
	return all
}

// Members returns the journals that are not given up, sorted.
func (c *Census) Members() []string {
	var all []string
	for j := range c.brokers {
		if !c.Forgotten(j) {
			all = append(all, j)
		}
	}
	slices.Sort(all)
	return all
}

// Given returns the journals that are given up, sorted.
func (c *Census) Given() []string { return slices.Sorted(maps.Keys(c.forgotten)) }

// electorate returns all whose fence around journal is needed: the members known here, and those known to whoever has fenced.
func (c *Census) electorate(journal string) []string {
	need := map[string]bool{}
	for _, m := range c.Members() {
		c.reach(journal, m, need)
	}
	return slices.Sorted(maps.Keys(need))
}

// reach adds a member, and all whom its fence around journal names, and so on.
func (c *Census) reach(journal, member string, into map[string]bool) {
	if member == journal || into[member] || c.Forgotten(member) {
		return
	}
	into[member] = true
	f, _ := c.brokers[member].Fence(journal)
	for _, k := range f.Known {
		c.reach(journal, k, into)
	}
}

// Unfenced returns the members whose fence around journal is not known: until there is none, nobody inherits.
func (c *Census) Unfenced(journal string) []string {
	return slices.DeleteFunc(c.electorate(journal), func(m string) bool {
		_, ok := c.brokers[m].Fence(journal)
		return ok
	})
}

// Closed says that a forgotten broker can do nothing any more that counts: every member has fenced it, and what they had of it by then is in
// have.
func (c *Census) Closed(journal string, have ledger.Vector) bool {
	if !c.Forgotten(journal) || (len(c.Unfenced(journal)) > 0 && !mutant.On(mutant.HeirWithoutFences)) {
		return false
	}
	all := c.electorate(journal)
	for _, m := range all {
		if f, _ := c.brokers[m].Fence(journal); !have.CoversAll(f.Covers) && !mutant.On(mutant.HeirBeforeFencesMet) {
			return false
		}
	}
	return len(all) > 0
}

// able returns those who may inherit from journal: whom every fencer knew, itself or through others. Fences are written once, so all readers of a
// closed broker find the same; a newcomer, whom the others' fences do not name, is never among them.
func (c *Census) able(journal string) []string {
	able := c.electorate(journal)
	for _, m := range slices.Clone(able) {
		knows := map[string]bool{}
		c.reach(journal, m, knows)
		able = slices.DeleteFunc(able, func(a string) bool { return !knows[a] })
	}
	return able
}

// Fenced says whether a broker that fenced journal had these writes of it by then.
func (c *Census) Fenced(journal string, writes ledger.Vector) bool {
	for _, b := range c.brokers {
		if f, ok := b.Fence(journal); ok && f.Covers.CoversAll(writes) {
			return true
		}
	}
	return false
}

// Wills returns what the census says of inheritance, for a reader who holds have, and knows that jobs made up to a time, in Unix milliseconds, have
// been forgotten.
func (c *Census) Wills(have ledger.Vector, forgotten int64) job.Wills {
	return wills{c, have, forgotten}
}

type wills struct {
	*Census
	have      ledger.Vector
	forgotten int64
}

// MayHaveEnded implements job.Wills.
func (w wills) MayHaveEnded(id job.ID) bool { return id.Time() <= w.forgotten }

// Closed implements job.Wills.
func (w wills) Closed(journal string) bool { return w.Census.Closed(journal, w.have) }

// Heirs implements job.Wills: those able to inherit, by rendezvous weight, the greatest first. One that was given up itself drops out when it is
// closed, not before.
func (w wills) Heirs(journal string, id job.ID) []job.Heir {
	var heirs []job.Heir
	for _, m := range w.able(journal) {
		if b, ok := w.brokers[m]; ok && m != journal && !w.Closed(m) {
			heirs = append(heirs, job.Heir{Journal: m, Node: b.Node})
		}
	}
	job.SortHeirs(id, heirs)
	return heirs
}
