package soak

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// unsettled says what is still to come before the network is at rest: what brokers do not say yet of acknowledged jobs, and where they differ. It is
// empty when nothing is. What it says of a job begins with the job's id.
func unsettled(said []saying, acknowledged []string) (all []string) {
	for _, s := range said {
		for _, id := range acknowledged {
			change, known := s.jobs[id]
			switch {
			case !known:
				all = append(all, fmt.Sprintf("%s was acknowledged and is not known at %s (S1)", id, s.broker))
			case !change.Final:
				all = append(all, fmt.Sprintf("%s is %s and not final at %s (L1, L2): %s %s", id, change.Job.State(), s.broker, change.Waiting, change.Provisional()))
			}
		}
	}
	return append(all, differences(said)...)
}

// differences says where brokers do not hold the same.
func differences(said []saying) (all []string) {
	first := said[0]
	for _, s := range said[1:] {
		if s.records != first.records {
			all = append(all, fmt.Sprintf("%s holds %d records, and %s %d (S6)", s.broker, s.records, first.broker, first.records))
		}
	}
	for _, id := range known(said) {
		for _, s := range said[1:] {
			a, at := first.jobs[id]
			b, bt := s.jobs[id]
			switch {
			case at != bt:
				all = append(all, fmt.Sprintf("%s is known at one of %s and %s, and not at the other (S6)", id, first.broker, s.broker))
			case !bytes.Equal(a.Job.Append(nil), b.Job.Append(nil)):
				all = append(all, fmt.Sprintf("%s has another record at %s than at %s (S5, S6)", id, first.broker, s.broker))
			}
		}
	}
	return all
}

// lost counts acknowledged jobs that a broker does not know.
func lost(said []saying, acknowledged []string) int {
	return count(acknowledged, func(id string) bool {
		return slices.ContainsFunc(said, func(s saying) bool { _, known := s.jobs[id]; return !known })
	})
}

// known are the jobs that any broker knows.
func known(said []saying) []string {
	ids := map[string]bool{}
	for _, s := range said {
		for id := range s.jobs {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// maxAttempts is how many attempts a job may have over all its owners.
const maxAttempts = 15

// unlawful says which records no broker may write, and which jobs nobody asked for.
func unlawful(said []saying, named map[string]bool) (all []string) {
	for _, s := range said {
		for _, id := range slices.Sorted(maps.Keys(s.jobs)) {
			j := s.jobs[id].Job
			if n := len(attempts(j)); n > maxAttempts {
				all = append(all, fmt.Sprintf("%s has %d attempts at %s (S8)", id, n, s.broker))
			}
			if !named[j.Spec.Name] {
				all = append(all, fmt.Sprintf("%s is at %s, and nobody submitted it (S2)", id, s.broker))
			}
			for _, t := range j.Tenures {
				if n := count(t.Attempts, func(a job.Attempt) bool { return a.State == job.Won }); n > 1 {
					all = append(all, fmt.Sprintf("%s has %d attempts that won for %s at %s (S4)", id, n, t.Owner, s.broker))
				}
			}
		}
	}
	return slices.Compact(all)
}

// unmerited says which jobs ended as they need not have: they failed, though what they run does not fail, or were cancelled though nobody asked.
// Attempts may be used up by losses (JOB-5), but no soak takes that many executors from under a job: something else went wrong.
func unmerited(jobs map[string]client.Change, cancelled map[string]bool) (all []string) {
	why := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[id].Job
		v, _ := j.Winner()
		switch {
		case v == nil || v.Kind == job.Accepted || v.Kind == job.Cancelled && cancelled[id] || v.Kind == job.FailedVerdict && doomed(j.Spec):
		default:
			why[v.Kind.String()+": "+v.Reason] = append(why[v.Kind.String()+": "+v.Reason], id)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		all = append(all, fmt.Sprintf("%d jobs ended otherwise than they had to, %s (L2): %s", len(why[reason]), reason, strings.Join(first(why[reason], 3), ", ")))
	}
	return all
}

func first(ids []string, n int) []string { return ids[:min(n, len(ids))] }

// attempts are the names of all attempts of a job.
func attempts(j job.Job) map[job.Name]bool {
	all := map[job.Name]bool{}
	for _, t := range j.Tenures {
		for _, a := range t.Attempts {
			all[a.Name] = true
		}
	}
	return all
}

func count[T any](of []T, is func(T) bool) (n int) {
	for _, x := range of {
		if is(x) {
			n++
		}
	}
	return n
}

// quarantined are the jobs that wait for an operator, who would now let them go on or cancel them.
func quarantined(said []saying) (ids []string) {
	for _, s := range said {
		for id, change := range s.jobs {
			if !change.Job.State().Terminal() && slices.ContainsFunc(change.Job.Tenures, func(t job.Tenure) bool { return t.Quarantined }) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// ends counts what became of jobs, by what one broker says.
type ends struct {
	jobs, accepted, cancelled int
	doomed                    int            // failed, as what they ran had to
	others                    map[string]int // by reason: jobs that ended otherwise
	rejected                  int            // results
	takeovers, handedOver     int            // by owners
	superseded                int
}

func endsOf(jobs map[string]client.Change) ends {
	e := ends{jobs: len(jobs), others: map[string]int{}}
	for _, change := range jobs {
		e.end(change.Job)
		for _, t := range change.Job.Tenures {
			e.rejected += len(t.Rejected)
			e.takeovers += one(t.Owner.T > 0)
			e.handedOver += one(t.Owner.H > 0)
			e.superseded += one(t.Superseded)
		}
	}
	return e
}

func (e *ends) end(j job.Job) {
	state := j.State()
	switch {
	case state == job.StateAccepted:
		e.accepted++
	case state == job.StateCancelled:
		e.cancelled++
	case state == job.StateFailed && doomed(j.Spec):
		e.doomed++
	default:
		why := string(state)
		if v, _ := j.Winner(); v != nil {
			why += ": " + v.Reason
		}
		e.others[why]++
	}
}

func (e *ends) otherwise() (n int) {
	for _, k := range e.others {
		n += k
	}
	return n
}

// reasons tells how many jobs ended otherwise for which reason.
func (e *ends) reasons() string {
	var all []string
	for _, why := range slices.Sorted(maps.Keys(e.others)) {
		all = append(all, fmt.Sprintf("%d %s", e.others[why], why))
	}
	return cmp.Or(strings.Join(all, "; "), "none")
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
