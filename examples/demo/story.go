package main

import (
	"fmt"
	"slices"
	"time"
)

// story is what the demo did, which decides what has to be on record at the end.
type story struct {
	jobs   []submitted
	killed loss
	frozen loss
}

// submitted is a job that the demo gave to the network.
type submitted struct{ name, id string }

// loss is an executor that was taken away from a job.
type loss struct {
	executor string
	moved    time.Duration // until the job ran on another one
}

// How long it may take until a job runs elsewhere. An idle machine does it in a second after a kill and in four after a freeze; this
// one may be busy.
const (
	maxAfterKill   = 5 * time.Second
	maxAfterFreeze = 10 * time.Second
)

// broken says, in a sentence each, what of the promises does not hold for these rows.
func (s story) broken(rows []row) []string {
	var broken []string
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	if len(rows) != len(s.jobs) {
		say("%d jobs were submitted and %d are on record", len(s.jobs), len(rows))
	}
	for _, r := range rows {
		if len(r.accepted) != 1 {
			say("job %q has %d accepted results, not one", r.name, len(r.accepted))
		}
	}
	if rejected := rejectedOf(rows); len(rejected) != 1 || rejected[0] != s.frozen.executor {
		say("the rejected results are %s, not 1 of %s", tally(rejected), s.frozen.executor)
	}
	return append(broken, slices.Concat(s.killed.broken(rows, maxAfterKill), s.frozen.broken(rows, maxAfterFreeze))...)
}

// broken says what is wrong with how the job of a lost executor went on.
func (l loss) broken(rows []row, most time.Duration) []string {
	var broken []string
	if !slices.ContainsFunc(rows, func(r row) bool { return r.leftBehind(l.executor) }) {
		broken = append(broken, fmt.Sprintf("no job of %s was accepted from another executor after %s was lost", l.executor, l.executor))
	}
	if l.moved > most {
		broken = append(broken, fmt.Sprintf("it took %s until the job of %s ran elsewhere, more than %s", took(l.moved), l.executor, took(most)))
	}
	return broken
}

func rejectedOf(rows []row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.rejected...)
	}
	return all
}

// leftBehind says whether the job began on that executor and was accepted from another.
func (r row) leftBehind(executor string) bool {
	return len(r.executors) > 1 && r.executors[0] == executor && len(r.accepted) == 1 && r.accepted[0] != executor
}
