package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Executor is what placement knows of one executor.
type Executor struct {
	ID       string // node id
	Name     string
	Window   int    // attempts it takes at a time: its slots and a short queue of its own, sized so that no slot idles
	Slots    int    // attempts it runs at a time
	Used     int    // attempts reserved or under way
	Memory   uint64 // bytes for one attempt, at most
	Party    string // on whose behalf it says what it says; empty: its own
	Labels   map[string]string
	Cordoned bool
	Cut      bool              // its connection is gone just now, and may come back
	Warm     map[[32]byte]bool // modules compiled there
}

// Demand is what a job asks of an executor.
type Demand struct {
	Memory uint64
	Labels map[string]string
	Module [32]byte
	Barred map[string]bool   // parties, or executors, that have their say already: others must agree with them
	Avoid  map[string]bool   // executors that already had an attempt of the job: the last choice, not a forbidden one
	Prefer map[string]string // labels that suit the job's emergency: the more an executor has, the better
	Cached [][32]byte        // its inputs: the more an executor has, the better
}

// Any stands in Prefer for whatever name or value a label has.
const Any = "*"

// suited counts the labels that suit the job's emergency.
func (d Demand) suited(e *Executor) int {
	n := 0
	for k, v := range d.Prefer {
		for name, value := range e.Labels {
			if (k == Any || k == name) && (v == Any || v == value) {
				n++
			}
		}
	}
	return n
}

// signature is equal for demands with equal constraints.
func (d *Demand) signature() string {
	b := strconv.AppendUint(nil, d.Memory, 10)
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		b = append(append(append(append(b, 0), k...), 1), d.Labels[k]...)
	}
	for _, k := range slices.Sorted(maps.Keys(d.Barred)) {
		b = append(append(b, 0, 2), k...)
	}
	return string(b)
}

// NoExecutorError says why no executor can take a job now.
type NoExecutorError struct {
	Executors int            // how many were looked at
	Refused   map[string]int // constraint → executors that failed it
	Busy      int            // executors that could take it, and are full
}

// Error names the constraints and how many executors failed each.
func (e *NoExecutorError) Error() string {
	if e.Executors == 0 {
		return "no executor has joined this broker"
	}
	var why []string
	for _, c := range slices.Sorted(maps.Keys(e.Refused)) {
		why = append(why, fmt.Sprintf("%s (%d of %d)", c, e.Refused[c], e.Executors))
	}
	if e.Busy > 0 {
		why = append(why, fmt.Sprintf("no free slot (%d of %d)", e.Busy, e.Executors))
		return "waiting for a free slot: " + strings.Join(why, ", ")
	}
	return "no executor can take it: " + strings.Join(why, ", ")
}

// Never says that no executor known now could take the job even if it were idle.
func (e *NoExecutorError) Never() bool { return e.Busy == 0 }

// Choose returns the index of the executor that suits d best, or a *NoExecutorError. Reserving the slot is the caller's next step.
func Choose(d Demand, executors []Executor) (int, error) {
	best, refusal := -1, &NoExecutorError{Executors: len(executors)}
	for i := range executors {
		e := &executors[i]
		if why := d.refusedBy(e); why != "" {
			refusal.refuse(why)
		} else if e.Used >= e.Window {
			refusal.Busy++
		} else if best < 0 || d.prefers(e, &executors[best]) {
			best = i
		}
	}
	if best < 0 {
		return -1, refusal
	}
	return best, nil
}

func (e *NoExecutorError) refuse(why string) {
	if e.Refused == nil {
		e.Refused = map[string]int{}
	}
	e.Refused[why]++
}

// refusedBy names the first constraint that e does not meet, or "".
func (d Demand) refusedBy(e *Executor) string {
	switch {
	case e.Cordoned:
		return "cordoned"
	case d.Barred[e.party()]:
		return "has a say in its result already"
	case e.Cut:
		return "connection lost a moment ago"
	case d.Memory > e.Memory:
		return fmt.Sprintf("less than %d MiB of memory a job", d.Memory>>20)
	}
	if len(d.Labels) == 0 {
		return ""
	}
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		if v, ok := e.Labels[k]; !ok || v != d.Labels[k] {
			return fmt.Sprintf("lacks label %s=%s", k, d.Labels[k])
		}
	}
	return ""
}

// prefers says whether a is a better place than b: not one that failed the job before, a free slot now, a warm module, then the least load.
func (d Demand) prefers(a, b *Executor) bool {
	return cmp.Or(
		compareBool(!d.Avoid[a.ID], !d.Avoid[b.ID]),
		compareBool(a.Used < a.Slots, b.Used < b.Slots),
		cmp.Compare(d.suited(a), d.suited(b)),
		compareBool(a.Warm[d.Module], b.Warm[d.Module]),
		cmp.Compare(b.Used*max(a.Slots, 1), a.Used*max(b.Slots, 1)),
		cmp.Compare(b.ID, a.ID),
	) > 0
}

func (e *Executor) party() string { return cmp.Or(e.Party, e.ID) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
