package actors

import (
	"slices"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

// undecided returns the state of a job without what was accepted. Only a seeded bug asks for it (package mutant).
func undecided(s ledger.State) ledger.State {
	j, ok := s.(jobState)
	if !ok {
		return s
	}
	j.Tenures = slices.Clone(j.Tenures)
	for i := range j.Tenures {
		if v := j.Tenures[i].Verdict; v != nil && v.Kind == job.Accepted {
			j.Tenures[i].Verdict = nil
		}
	}
	return j
}
