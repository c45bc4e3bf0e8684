package job

import (
	"fmt"
	"slices"
	"strings"
)

// Need is one reason why a job waits for another one: that one makes named data, or comes first.
type Need struct {
	Job  ID
	Data string // "" if the job itself is named
}

// maxCycle bounds the jobs that are looked at for a cycle, and maxShown those that are spelled out of one.
const (
	maxCycle = 10_000
	maxShown = 12
)

// Cycle returns the needs along which a job waits for itself, nil if it does not: none of the jobs on the way would ever run. Needs tells what a job
// still waits for. Beyond 10,000 jobs nobody looks.
func Cycle(id ID, needs func(ID) []Need) []Need {
	type step struct {
		need Need
		from int // index of the step before, -1 for the job itself
	}
	var steps []step
	seen := map[ID]bool{id: true}
	visit := func(of ID, from int) (closed bool) {
		for _, n := range needs(of) {
			if n.Job == id {
				steps = append(steps, step{n, from})
				return true
			}
			if !seen[n.Job] && len(steps) < maxCycle {
				seen[n.Job] = true
				steps = append(steps, step{n, from})
			}
		}
		return false
	}
	closed := visit(id, -1)
	for i := 0; i < len(steps) && !closed; i++ { // breadth first: the shortest cycle is told
		closed = visit(steps[i].need.Job, i)
	}
	if !closed {
		return nil
	}
	var cycle []Need
	for i := len(steps) - 1; i >= 0; i = steps[i].from {
		cycle = append(cycle, steps[i].need)
	}
	slices.Reverse(cycle)
	return cycle
}

// DescribeCycle spells a cycle out.
func DescribeCycle(id ID, cycle []Need) string {
	if len(cycle) == 1 && cycle[0].Data != "" {
		return fmt.Sprintf("job %s waits for data %s, which only it makes", id, cycle[0].Data)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "job %s", id)
	which := " "
	for i, n := range cycle {
		if i == maxShown {
			fmt.Fprintf(&b, ", and so on over %d jobs back to %s", len(cycle)-i, id)
			break
		}
		if n.Data == "" {
			fmt.Fprintf(&b, "%swaits for job %s", which, n.Job)
		} else {
			fmt.Fprintf(&b, "%swaits for data %s, which %s makes", which, n.Data, n.Job)
		}
		which = ", which "
	}
	return b.String()
}
