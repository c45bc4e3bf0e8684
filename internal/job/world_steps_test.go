package job

import (
	"fmt"

	"pgregory.net/rapid"
)

// attempt draws an attempt that anybody knows of, with its executor.
func (w *world) attempt() Attempt {
	var all []Attempt
	for _, b := range w.brokers {
		if b.job != nil {
			for _, t := range b.job.Tenures {
				all = append(all, t.Attempts...)
			}
		}
	}
	if len(all) == 0 {
		w.Skip("no attempt yet")
	}
	return rapid.SampledFrom(all).Draw(w.T, "attempt")
}

func (w *world) result() *Result {
	r := &Result{Kind: rapid.SampledFrom([]ResultKind{Exited, Exited, Exited, Trapped, Crashed}).Draw(w.T, "kind")}
	if r.Kind == Trapped {
		r.Trap = "unreachable"
	}
	if n := rapid.IntRange(0, 5).Draw(w.T, "out"); n > 3 {
		r.ExitCode, r.Stdout = uint32(n-4), Blob{Digest: [32]byte{byte(n)}}
	}
	r.Seal()
	return r
}

func (w *world) event() Event {
	e := fmt.Sprint("e", rapid.IntRange(1, 3).Draw(w.T, "executor"))
	kind := rapid.IntRange(0, 14).Draw(w.T, "event")
	if kind < 2 && rapid.IntRange(0, 4).Draw(w.T, "ends") > 0 {
		kind = 3 // else most jobs end before anything happens to them
	}
	switch kind {
	case 0:
		return CancelAsked{By: "c", Acting: rapid.Bool().Draw(w.T, "acting"), At: at(w.now())}
	case 1:
		return Overdue{Timer: DeadlineTimer, At: at(w.now())}
	case 2:
		return ExecutorLost{Executor: e, Lease: uint64(rapid.IntRange(1, 3).Draw(w.T, "lease")), Down: rapid.Bool().Draw(w.T, "down"), At: at(w.now())}
	case 3, 4, 5:
		a := w.attempt()
		return Finished{Attempt: a.Name, Executor: a.Executor, Party: "party of " + a.Executor, Result: w.result(), At: at(w.now())}
	case 6:
		a := w.attempt()
		running := []Held{{Name: a.Name}}[:rapid.IntRange(0, 1).Draw(w.T, "runs")]
		return Reported{Executor: a.Executor, Lease: uint64(rapid.IntRange(1, 3).Draw(w.T, "lease")), Running: running, At: at(w.now())}
	case 7:
		return Started{w.attempt().Name}
	case 8:
		return RetryDue{At: at(w.now())}
	case 9, 10, 11:
		return w.input(rapid.IntRange(0, 3).Draw(w.T, "final") == 0)
	case 12:
		return Straggling{Attempt: w.attempt().Name, At: at(w.now())}
	case 13:
		return Preempted{Attempt: w.attempt().Name, Reason: "emergency", At: at(w.now())}
	}
	return Reprieved{By: "op", At: at(w.now())}
}

func (w *world) steps() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"submit": func(t *rapid.T) {
			w.submit(w.any("broker"), rapid.IntRange(0, 5).Draw(t, "conflict") == 0)
		},
		"sync": func(t *rapid.T) {
			b := w.any("to")
			w.sync(w.any("from"), b)
			if b.job != nil {
				w.apply(b, Merged{Acting: rapid.Bool().Draw(t, "acting"), At: at(w.now())})
			}
		},
		"sync, not acted on yet": func(*rapid.T) { w.sync(w.any("from"), w.any("to")) },
		"deploy": func(t *rapid.T) {
			e := fmt.Sprint("e", rapid.IntRange(1, 3).Draw(t, "executor"))
			w.apply(w.holder(), Deployable{Executor: e, Lease: 1, Incarnation: 7, At: at(w.now())})
		},
		"event": func(*rapid.T) { w.apply(w.holder(), w.event()) },
		"run": func(t *rapid.T) {
			b := w.holder()
			e := fmt.Sprint("e", rapid.IntRange(1, 3).Draw(t, "executor"))
			w.apply(b, Deployable{Executor: e, Lease: 1, Incarnation: 7, At: at(w.now())})
			if self, ok := b.job.Mine(b.journal); ok && rapid.Bool().Draw(t, "to the end") {
				for _, a := range b.job.tenure(self).Live() {
					w.apply(b, Finished{Attempt: a.Name, Executor: a.Executor, Party: "party of " + a.Executor, Result: w.result(), At: at(w.now())})
				}
			}
		},
		"other event": func(*rapid.T) { w.apply(w.holder(), w.event()) },
		"late event": func(t *rapid.T) { // for any tenure of that broker, also one that it released
			b := w.holder()
			o := rapid.SampledFrom(b.job.Tenures).Draw(t, "tenure").Owner
			if o.Journal == b.journal {
				w.applyAt(b, o, w.event())
			}
		},
		"takeover": func(*rapid.T) {
			b := w.holder()
			if j, _, err := b.job.TakeOver(b.journal, b.node); err == nil {
				b.job = &j
			}
		},
		"begin": func(*rapid.T) { w.begin(w.holder()) },
		"hand over": func(*rapid.T) {
			b, c := w.holder(), w.any("heir")
			if self, ok := b.job.Mine(b.journal); ok {
				heir := Ownership{T: self.T, H: self.H + 1, Journal: c.journal}
				w.apply(b, HandedOver{Heir: heir, Node: c.node, At: at(w.now())})
			}
		},
		"forget": func(*rapid.T) {
			x, b := rapid.SampledFrom(w.brokers).Draw(w.T, "forgotten"), w.any("broker")
			if w.forgot != nil || x == b {
				w.Skip("once is enough")
			}
			w.forgot, b.forgotten = x, x.journal
			b.fence()
		},
		"lose": func(*rapid.T) {
			if w.lost != nil {
				w.Skip("once is enough")
			}
			w.lost = w.any("lost")
		},
	}
}
