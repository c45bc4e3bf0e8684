package job

import (
	"cmp"
	"slices"
	"time"
)

// Tenure returns that of o, and whether it has begun.
func (j Job) Tenure(o Ownership) (Tenure, bool) {
	if t := j.tenure(o); t != nil {
		return *t, true
	}
	return Tenure{}, false
}

// Doubtful says that the job may have had an end before that everybody has forgotten, so that no end of it can be final.
func (j Job) Doubtful() bool {
	return slices.ContainsFunc(j.Tenures, func(t Tenure) bool { return t.Doubtful })
}

// Last returns the tenure under which the broker with that journal knows the job: the one it handles it under, else the last it had.
func (j Job) Last(journal string) (Ownership, bool) {
	if o, ok := j.Mine(journal); ok {
		return o, true
	}
	for i := range slices.Backward(j.Tenures) {
		if j.Tenures[i].Owner.Journal == journal {
			return j.Tenures[i].Owner, true
		}
	}
	return Ownership{}, false
}

// Compare orders names, for who must go through several in a fixed order.
func (n Name) Compare(m Name) int {
	return cmp.Or(cmp.Compare(n.Job, m.Job), n.Owner.Compare(m.Owner), cmp.Compare(n.Incarnation, m.Incarnation), cmp.Compare(n.N, m.N))
}

// minLike is how many jobs of an array must have finished before any can be told to be slow.
const minLike = 8

// Straggles says whether a job that has run for so long is slower than 95 in 100 of its like took (JOB-11; the rule of Dean and Ghemawat:
// MapReduce, 2004, with a number).
func Straggles(took []time.Duration, ran time.Duration) bool {
	if len(took) < minLike {
		return false
	}
	sorted := slices.Sorted(slices.Values(took))
	return ran > sorted[(len(sorted)*95+99)/100-1]
}
