package job

import (
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

func (t *turn) started(ev Started) {
	if i := t.attempt(ev.Attempt); i >= 0 && t.Attempts[i].State == Placed {
		t.move(i, Running, "", vclock.Hybrid{})
	}
}

func (t *turn) declined(ev Declined) {
	if i := t.attempt(ev.Attempt); i >= 0 && t.Attempts[i].State.Live() {
		t.move(i, Refused, ev.Reason, ev.At)
		t.goOnLater(ev.At, ev.Reason)
	}
}

func (t *turn) executorLost(ev ExecutorLost) {
	lost := false
	for i, a := range t.Attempts {
		if a.Executor == ev.Executor && a.Lease <= ev.Lease && a.State.Live() {
			t.lose(i, ev.Reason, ev.Down, ev.At)
			lost = true
		}
	}
	if lost {
		t.goOn(ev.At, "executor lost: "+ev.Reason)
	}
}

// lose gives an attempt up. Executors that went down while it ran are counted: three are no accident.
func (t *turn) lose(i int, why string, down bool, at vclock.Hybrid) {
	down = down && t.Attempts[i].State == Running
	t.move(i, Lost, why, at)
	t.Attempts[i].Down = down
	if down && t.Verdict == nil && len(t.job.downs()) >= MaxDowns {
		t.Quarantined = true
	}
}

// reported takes back attempts that were lost or forgotten and gives up those the executor no longer knows.
func (t *turn) reported(ev Reported) {
	gone := false
	for i, a := range t.Attempts {
		if a.Executor != ev.Executor || a.Lease > ev.Lease {
			continue
		}
		switch runs := slices.ContainsFunc(ev.Running, func(h Held) bool { return h.Name == a.Name }); {
		case runs:
			t.reportedRunning(i, ev.Lease)
		case a.State.Live() && a.Lease < ev.Lease:
			t.lose(i, "the executor restarted", true, ev.At)
			gone = true
		}
	}
	for _, h := range ev.Running {
		t.reportedUnlisted(h, ev)
	}
	if gone {
		t.goOn(ev.At, "the executor restarted")
	}
}

// reportedRunning has an attempt go on that an executor says it runs, unless its result is not wanted any more.
func (t *turn) reportedRunning(i int, lease uint64) {
	a := t.Attempts[i]
	switch {
	case !t.job.open(t.Tenure):
		t.do(Stop{a, "the job is " + string(t.job.wish())})
	case a.State == Stopped || a.State == SetAside:
		t.do(Stop{a, a.Note})
	case a.State == Lost || a.State == Refused || a.State.Live():
		t.resume(i, lease)
	}
}

// reportedUnlisted has an attempt go on that this tenure does not list, if it is the job's at all, or stops it.
func (t *turn) reportedUnlisted(h Held, ev Reported) {
	if t.attempt(h.Name) >= 0 || h.Name.Job != t.job.ID {
		return
	}
	if !t.job.open(t.Tenure) {
		if h.Signed || t.job.Knows(h.Name) {
			t.do(Stop{Attempt{Name: h.Name, Executor: ev.Executor, Lease: ev.Lease}, "the job is " + string(t.job.wish())})
		}
		return
	}
	if i := t.takeBack(h.Name, h.Signed, ev.Executor, ev.Lease, ev.At); i >= 0 {
		t.resume(i, ev.Lease)
	}
}

// wish is what people want of a job that is no longer open.
func (j Job) wish() State {
	if s := j.State(); s.Terminal() {
		return s
	}
	if j.Cancel != nil {
		return StateCancelled
	}
	return "another one under this id"
}

func (t *turn) resume(i int, lease uint64) {
	if a := t.Attempts[i]; a.State != Running || a.Lease != lease {
		t.move(i, Running, "", vclock.Hybrid{})
		t.Attempts[i].Lease = lease
	}
	t.wait("")
}

// takeBack lists an attempt that another owner's tenure lists, or that is ours by its MAC though a crash forgot it, and returns where; -1 if it
// was listed before or is not known. What an attempt with inputs was deployed with cannot be told when it was forgotten: it is not ours then.
func (t *turn) takeBack(n Name, signed bool, executor string, lease uint64, at vclock.Hybrid) int {
	if t.attempt(n) >= 0 || n.Job != t.job.ID {
		return -1
	}
	a, known := t.job.lookup(n)
	switch {
	case known && (a.Executor == executor || signed):
		a.State, a.Note, a.Ended, a.Down, a.Straggles = Placed, "", vclock.Hybrid{}, false, false
	case !known && signed && t.job.Spec.awaits() == 0:
		a = Attempt{Name: n, State: Placed, Placed: at}
	default:
		return -1
	}
	a.Executor, a.Lease = executor, max(a.Lease, lease)
	t.touch()
	t.Attempts = append(slices.Clone(t.Attempts), a)
	return len(t.Attempts) - 1
}

// straggling asks for a backup of an attempt that is slower than its like, once.
func (t *turn) straggling(ev Straggling) {
	i := t.attempt(ev.Attempt)
	if i < 0 || !t.job.Spec.Speculate || !t.Attempts[i].State.Live() || t.Attempts[i].Straggles || !t.job.open(t.Tenure) {
		return
	}
	t.touch()
	t.Attempts = slices.Clone(t.Attempts)
	t.Attempts[i].Straggles = true
	t.goOn(ev.At, "its attempt is slow")
}

// preempted makes room for an emergency. It costs the job nothing.
func (t *turn) preempted(ev Preempted) {
	if i := t.attempt(ev.Attempt); i >= 0 && t.Attempts[i].State.Live() {
		a := t.Attempts[i]
		t.move(i, SetAside, ev.Reason, ev.At)
		t.do(Stop{a, ev.Reason})
		t.goOn(ev.At, "preempted: "+ev.Reason)
	}
}
