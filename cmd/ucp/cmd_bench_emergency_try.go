package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urbancompute/ucp/client"
)

// emergencyTry is how long one job of an emergency took to start.
type emergencyTry struct {
	submitted time.Duration // from its submission
	declared  time.Duration // from the declaration of its emergency, if that was made for it
	trouble   error         // why it does not count
}

// tryHigh submits jobs of one emergency that has emptied the network.
func (n *emergencyNetwork) tryHigh(ctx context.Context, count int) (tries []emergencyTry, err error) {
	if err := n.fill(ctx); err != nil {
		return nil, err
	}
	e, err := n.brokers[0].Declare(ctx, client.Declaration{Type: emergencyType, Level: client.High, Reason: "bench"})
	if err != nil {
		return nil, err
	}
	idle := func(l load) bool { return l.used == 0 }
	for i := range count {
		if err := n.reaches(ctx, "idle", idle); err != nil {
			return nil, err
		}
		tries = append(tries, n.run(ctx, n.at(i), time.Now()))
	}
	return tries, n.over(ctx, e)
}

// tryCritical declares one emergency for each of its jobs, in a full network, and says how many attempts at others were begun again.
func (n *emergencyNetwork) tryCritical(ctx context.Context, count int) (tries []emergencyTry, preempted uint64, err error) {
	before, err := n.load(ctx)
	if err != nil {
		return nil, 0, err
	}
	for i := range count {
		if err := n.calm(ctx); err != nil {
			return nil, 0, err
		}
		began := time.Now()
		e, err := n.at(i).Declare(ctx, client.Declaration{Type: emergencyType, Level: client.Critical, Reason: "bench"})
		if err != nil {
			return nil, 0, err
		}
		tries = append(tries, n.run(ctx, n.at(i+1), began))
		if err := n.over(ctx, e); err != nil {
			return nil, 0, err
		}
	}
	if err := n.calm(ctx); err != nil {
		return nil, 0, err
	}
	after, err := n.load(ctx)
	return tries, after.redeployed - before.redeployed, err
}

// at is the client of a broker, each in turn.
func (n *emergencyNetwork) at(i int) *client.Client { return n.brokers[i%len(n.brokers)] }

// calm waits until the network has been full for a while: what made room has ended then, so that no job makes room again and again, and slots become
// free at different times.
func (n *emergencyNetwork) calm(ctx context.Context) error {
	if err := n.fill(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(ordinaryJob + rand.N(ordinaryJob)):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return n.fill(ctx)
}

// over clears an emergency, and waits until every broker has heard.
func (n *emergencyNetwork) over(ctx context.Context, e client.Emergency) error {
	if _, err := n.brokers[0].ClearEmergency(ctx, e.ID, "bench"); err != nil {
		return err
	}
	return n.reaches(ctx, "calm", func(l load) bool {
		return !slices.ContainsFunc(l.levels, func(at client.Level) bool { return at != client.NoEmergency })
	})
}

// run submits a job of the emergency, and sees it start and end.
func (n *emergencyNetwork) run(ctx context.Context, c *client.Client, declared time.Time) (t emergencyTry) {
	ctx, enough := context.WithTimeout(ctx, emergencyPatience)
	defer enough()
	began := time.Now()
	s, err := c.Submit(ctx, n.job(emergencyJob, emergencyType))
	if err != nil {
		t.trouble = err
		return t
	}
	if t.trouble = started(ctx, s); t.trouble != nil {
		return t
	}
	t.submitted, t.declared = time.Since(began), time.Since(declared)
	_, t.trouble = s.Wait(ctx)
	return t
}

// started waits until an attempt at a job runs.
func started(ctx context.Context, s *client.Submission) error {
	state := client.State("")
	for {
		select {
		case c, more := <-s.Changes():
			switch {
			case !more:
				return fmt.Errorf("job %s is %s, and was not seen to run", s.ID(), state)
			case slices.ContainsFunc(c.Job.Current().Attempts, runs):
				return nil
			}
			state = c.Job.State()
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), fmt.Errorf("job %s does not run: it is %s", s.ID(), state))
		}
	}
}
