package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/bdd/history"
)

// Settling is how long after the end of all faults a network may take until every acknowledged job is final at every broker, and all brokers hold
// the same. Nothing here takes nearly as long by itself: jobs last two seconds, and there are at most a few dozen.
const Settling = 90 * time.Second

// look is how often the network is looked at while it comes to rest. Nobody tells an observer when that is.
const look = 500 * time.Millisecond

// rest is what a network was like at the end.
type rest struct {
	said        []saying
	took        time.Duration // until it was at rest
	wrong       []string      // what was not
	quarantined map[string]bool
}

// settle waits until the network is at rest, and acts as the operator whom jobs in quarantine wait for: it cancels them.
func (o observers) settle(ctx context.Context, l *load) (r rest) {
	began := time.Now()
	patient, enough := context.WithTimeout(ctx, Settling)
	defer enough()
	r.quarantined = map[string]bool{}
	for {
		said, err := o.ask(patient)
		switch {
		case err != nil:
			r.wrong = []string{err.Error()}
		default:
			r.said, r.took = said, time.Since(began)
			r.wrong = unsettled(said, l.acknowledged)
		}
		if len(r.wrong) == 0 {
			return r
		}
		for _, id := range quarantined(r.said) {
			_, _ = o[0].Cancel(patient, id) // if it was not heard, it is asked again
			r.quarantined[id] = true
		}
		if !until(patient, time.Now().Add(look)) {
			return r
		}
	}
}

// recollect notes what brokers say at the end of acknowledged jobs in the history.
func (l *load) recollect(ctx context.Context, o observers) error {
	for i, c := range o {
		read := l.told.Begin(people+i, history.Read)
		s, err := c.ask(ctx)
		if err != nil {
			return err
		}
		for _, id := range l.acknowledged {
			change, known := s.jobs[id]
			read(id, known, history.EndOf(change))
		}
	}
	return nil
}

// maxFetched is how many results are fetched at the end.
const maxFetched = 25

// fetch gets the files of some accepted jobs.
func (o observers) fetch(ctx context.Context, s saying) (fetched int, wrong []string) {
	for id, change := range s.jobs {
		v, _ := change.Job.Winner()
		if v == nil || v.Result == nil || len(v.Result.Outputs) == 0 {
			continue
		}
		if fetched == maxFetched {
			break
		}
		fetched++
		if err := o.fetches(ctx, v.Result.Outputs[0].Blob); err != nil {
			wrong = append(wrong, fmt.Sprintf("the result of %s cannot be fetched (S11): %v", id, err))
		}
	}
	return fetched, wrong
}
