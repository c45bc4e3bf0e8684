package job

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
)

// Authority returns the end of the chain that starts at the job's first owner: only its verdict is final. The tenure is nil if that owner was
// named and has not begun.
func (j Job) Authority() (Ownership, *Tenure) {
	o := j.end(j.First)
	return o, j.tenure(o)
}

// end follows a chain from o. It ends, because H grows with every step and each but the last has a tenure.
func (j Job) end(o Ownership) Ownership {
	for {
		next, ok := j.successor(o)
		if !ok {
			return o
		}
		o = next
	}
}

// Grounds returns the tenures on whose verdicts a decision of the authority rests: those whose release led to it, and its own. Nothing rests on the
// word of an owner who was inherited from.
func (j Job) Grounds() []Tenure {
	var grounds []Tenure
	for o, more := j.First, true; more; o, more = j.successor(o) {
		t := j.tenure(o)
		if _, inherited := j.inheritor(o); !inherited && t != nil && t.Verdict != nil {
			grounds = append(grounds, *t)
		}
	}
	return grounds
}

// successor returns who came after o: the heir, if o's journal was forgotten, whatever o had decided, else whom o released the job to.
func (j Job) successor(o Ownership) (Ownership, bool) {
	if heir, ok := j.inheritor(o); ok {
		return heir, true
	}
	t := j.tenure(o)
	if t == nil || !t.released() {
		return o, false
	}
	return t.Verdict.Heir, true
}

// inheritor returns who inherited from o. Of several the one last in the order of heirs counts: it began because those before it had been
// forgotten, with all they had done as heirs.
func (j Job) inheritor(o Ownership) (heir Ownership, found bool) {
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if t.Inherited == "" || t.Inherited != o.Journal || !t.Owner.follows(o) {
			continue
		}
		if !found || compareHeirs(j.ID, heir.Journal, t.Owner.Journal) < 0 {
			heir, found = t.Owner, true
		}
	}
	return heir, found
}

// follows says that o is one step after p in a chain.
func (o Ownership) follows(p Ownership) bool { return o.T == p.T && o.H == p.H+1 && p.H+1 != 0 }

// released says that the owner gave the job to another. A release that names no successor is none.
func (t *Tenure) released() bool {
	return t.Verdict != nil && t.Verdict.Kind == Released && t.Verdict.Heir.follows(t.Owner)
}

// Weight is the rendezvous weight of a broker's journal for a job: every broker knows every other's rank without asking (Thaler and
// Ravishankar: Using Name-Based Mappings to Increase Hit Rates, 1998).
func Weight(id ID, journal string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %s", id, journal) // a hash never fails
	x := h.Sum64()
	x ^= x >> 33 // FNV alone mixes its last bytes little: the finalizer of MurmurHash3 does the rest
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// compareHeirs orders journals as heirs of a job: the greatest weight first.
func compareHeirs(id ID, a, b string) int {
	return cmp.Or(cmp.Compare(Weight(id, b), Weight(id, a)), cmp.Compare(a, b))
}

// Owners returns who may act for the job, in the order in which they do: the authority, then the ends of the takers' chains. Takers of another
// spec than the one that counts are none, nor are those who made their one verdict on an input that was superseded.
func (j Job) Owners() []Ownership {
	end, auth := j.Authority()
	owners := []Ownership{end}
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if t.Owner.T == 0 || t.Spec != j.sum() || t.released() && j.tenure(t.Verdict.Heir) != nil {
			continue
		}
		if t.Verdict == nil || !auth.refutes(t.Verdict.Inputs) {
			owners = with(owners, j.end(t.Owner))
		}
	}
	slices.SortFunc(owners, Ownership.Compare)
	return owners
}

// with adds v to a set.
func with[T comparable](set []T, v T) []T {
	if slices.Contains(set, v) {
		return set
	}
	return append(set, v)
}

// NodeOf returns the node id of an owner, also of one that was named and has not begun; "" if nobody named it.
func (j Job) NodeOf(o Ownership) string {
	if t := j.tenure(o); t != nil {
		return t.Node
	}
	for i := range j.Tenures {
		if t := &j.Tenures[i]; t.released() && t.Verdict.Heir == o {
			return t.Verdict.HeirNode
		}
	}
	if o == j.First {
		return j.ID.FirstAsked()
	}
	return ""
}

// Mine returns the tenure under which the broker with that journal handles the job: the authority's, else one that is not released, and of
// several the least that has no verdict yet.
func (j Job) Mine(journal string) (Ownership, bool) {
	if end, t := j.Authority(); t != nil && end.Journal == journal {
		return end, true
	}
	var mine *Tenure
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if t.Owner.Journal == journal && !t.released() && (mine == nil || (mine.Verdict != nil && t.Verdict == nil)) {
			mine = t
		}
	}
	if mine == nil {
		return Ownership{}, false
	}
	return mine.Owner, true
}

// Current returns the tenure to show to people and clients: the authority's, or the least begun owner's while the authority has not begun.
func (j Job) Current() Tenure {
	owners := j.Owners()
	for _, o := range owners {
		if t := j.tenure(o); t != nil {
			return *t
		}
	}
	return Tenure{Owner: owners[0], Node: j.NodeOf(owners[0]), Waiting: "handed over, the new owner has not begun"}
}
