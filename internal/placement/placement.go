package placement

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Demand is what a job asks of an executor: constraints, and then what only ranks those that meet them.
type Demand struct {
	Memory uint64 // bytes that it may use
	Free   uint64 // bytes of memory that the machine has for it
	Disk   uint64 // bytes
	Cores  uint32
	CPU    uint32 // 100 for each core
	Mains  bool   // no machine that runs on its battery
	Engine string
	Labels map[string]string
	Barred map[string]bool // parties, or executors, that have their say already: others must agree with them

	Avoid  map[string]bool   // executors that already had an attempt of the job: the last choice, not a forbidden one
	Prefer map[string]string // labels that suit the job's emergency: the more an executor has, the better
	Bytes  []Bytes           // its module and inputs: the more of them an executor has, by worth, the better
}

// Any stands in Prefer for whatever name or value a label has.
const Any = "*"

// constraints returns d without what only ranks.
func (d Demand) constraints() Demand {
	d.Avoid, d.Prefer, d.Bytes = nil, nil, nil
	return d
}

// signature is equal for demands with equal constraints.
func (d *Demand) signature() string {
	b := make([]byte, 0, 64)
	for _, n := range []uint64{d.Memory, d.Free, d.Disk, uint64(d.Cores), uint64(d.CPU)} {
		b = append(strconv.AppendUint(b, n, 36), ' ')
	}
	b = append(strconv.AppendBool(b, d.Mains), d.Engine...)
	for _, k := range sortedKeys(d.Labels) {
		b = append(append(append(append(b, 0), k...), 1), d.Labels[k]...)
	}
	for _, k := range sortedKeys(d.Barred) {
		b = append(append(b, 0, 2), k...)
	}
	return string(b)
}

// sortedKeys allocates nothing for what most jobs have: nothing.
func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}

// NoExecutorError says why no executor can take a job now.
type NoExecutorError struct {
	Executors int            // how many were looked at
	Refused   map[string]int // constraint → executors that failed it, the first that each did
	Taken     map[string]int // what other jobs have taken → executors that could take it else
}

// Error names the constraints and how many executors failed each.
func (e *NoExecutorError) Error() string {
	if e.Executors == 0 {
		return "no executor has joined this broker"
	}
	why := append(e.counted(e.Refused), e.counted(e.Taken)...)
	if e.Never() {
		return "no executor can take it: " + strings.Join(why, ", ")
	}
	return "waiting for a free slot: " + strings.Join(why, ", ")
}

func (e *NoExecutorError) counted(by map[string]int) []string {
	why := make([]string, 0, len(by))
	for _, c := range slices.Sorted(maps.Keys(by)) {
		why = append(why, fmt.Sprintf("%s (%d of %d)", c, by[c], e.Executors))
	}
	return why
}

// Never says that no executor known now could take the job even if it were idle.
func (e *NoExecutorError) Never() bool { return len(e.Taken) == 0 }

// count notes why an executor cannot take the job.
func (e *NoExecutorError) count(d *Demand, x *Executor) {
	e.Executors++
	if lacks := d.Lacks(x); len(lacks) > 0 {
		add(&e.Refused, lacks[0])
	} else if taken := d.taken(x, nil); len(taken) > 0 {
		add(&e.Taken, taken[0])
	}
}

func add(to *map[string]int, why string) {
	if *to == nil {
		*to = map[string]int{}
	}
	(*to)[why]++
}
