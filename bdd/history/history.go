// Package history records what clients of a network did and were told, and checks it against what UCP promises, knowing nothing of how it works:
// an acknowledged job has exactly one final end, the same for everybody and for ever, and nothing ends that nobody asked for.
package history

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is what a client did.
type Kind uint8

// The kinds. A read asks a broker for a job, or is told of it.
const (
	Submit Kind = iota + 1
	Read
)

// Op is one thing that a client did, and what came of it.
type Op struct {
	Client  int
	Kind    Kind
	Job     string
	Known   bool   // Submit: it was acknowledged. Read: the broker knows the job
	End     string // Read: the final end that was told, "" for none
	Call    time.Duration
	Returns time.Duration
}

// Recorder takes down a history. It is safe for use by several goroutines; its zero value is ready.
type Recorder struct {
	mu    sync.Mutex
	start time.Time
	ops   []Op
}

// Begin notes that a client is about to do something; the function that it returns notes what came of it.
func (r *Recorder) Begin(client int, kind Kind) (end func(job string, known bool, end string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.start.IsZero() {
		r.start = time.Now()
	}
	call := time.Since(r.start)
	return func(job string, known bool, end string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ops = append(r.ops, Op{client, kind, job, known, end, call, time.Since(r.start)})
	}
}

// Ops returns what happened so far, in the order in which it came to an end.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

// Check returns what is wrong with a history whose last reads were made when the network was at rest, nil if nothing is.
func Check(ops []Op) error {
	if err := checkRegister(ops); err != nil {
		return err
	}
	return checkQueue(ops)
}

// register is a job as a register that is written once: its final end. Reads that tell none say nothing, for another end may be provisional, or the
// broker asked may not have heard.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		jobs := map[string][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(Op).Job
			jobs[id] = append(jobs[id], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range jobs {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		end, was := input.(Op).End, state.(string)
		return end == "" || was == "" || end == was, max(was, end) // Invariant: one of them is empty, or they are equal
	},
}

// checkRegister asks whether there is an order of all that was told in which each job's end was written once.
func checkRegister(ops []Op) error {
	var history []porcupine.Operation
	for _, op := range ops {
		if op.Kind == Read {
			history = append(history, porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Return: int64(op.Returns)})
		}
	}
	if porcupine.CheckOperations(register, history) {
		return nil
	}
	ends := map[string]string{}
	for _, op := range ops {
		if was := ends[op.Job]; was != "" && op.End != "" && op.End != was {
			return fmt.Errorf("job %s ended finally with %s, and with %s", op.Job, was, op.End)
		}
		ends[op.Job] = max(ends[op.Job], op.End)
	}
	return fmt.Errorf("no order of %d reads explains what they told", len(history))
}

// checkQueue asks whether everything that was put in came out, and nothing else: the total-queue check.
func checkQueue(ops []Op) error {
	submitted, acknowledged, ends := map[string]bool{}, map[string]bool{}, map[string]string{}
	last := map[string]Op{}
	for _, op := range ops {
		switch op.Kind {
		case Submit:
			submitted[op.Job] = true
			acknowledged[op.Job] = acknowledged[op.Job] || op.Known
		case Read:
			ends[op.Job] = max(ends[op.Job], op.End)
			last[op.Job] = op
		}
	}
	for id, end := range ends {
		if end != "" && !submitted[id] {
			return fmt.Errorf("job %s ended with %s, and nobody submitted it", id, end)
		}
	}
	for id, ok := range acknowledged {
		switch {
		case !ok:
		case !last[id].Known:
			return fmt.Errorf("job %s was acknowledged and is not known at the end", id)
		case ends[id] == "":
			return fmt.Errorf("job %s was acknowledged and has no final end", id)
		}
	}
	return nil
}
