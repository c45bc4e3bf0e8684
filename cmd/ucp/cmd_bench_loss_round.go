package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
)

// lossRound is what one loss came to.
type lossRound struct {
	victim            *lab.Node
	elsewhere, result time.Duration // from the fault on
	end               client.State  // that the client was told last
	attempts          int
	rejected          int
	lost              bool
	trouble           []error // why it does not count
}

func (r *lossRound) note(err error) {
	if err != nil {
		r.trouble = append(r.trouble, err)
	}
}

// round loses a node once, and brings it back.
func (n *lossNetwork) round(ctx context.Context) *lossRound {
	r := &lossRound{}
	if err := n.whole(ctx); err != nil {
		r.note(err)
		r.note(n.renew(ctx))
		return r
	}
	s, err := n.client.Submit(ctx, n.job(n.kind.work))
	if err != nil {
		r.note(err)
		return r
	}
	r.note(n.lose(ctx, s, r))
	r.note(n.mend(ctx, r.victim))
	r.note(n.conclude(ctx, s.ID(), r))
	r.lost = r.end != job.StateAccepted
	return r
}

// lose waits until the job runs, takes the node away, and waits until the job is over.
func (n *lossNetwork) lose(ctx context.Context, s *client.Submission, r *lossRound) error {
	ctx, enough := context.WithTimeout(ctx, n.kind.work+lossPatience)
	defer enough()
	c, err := n.await(ctx, s, func(c client.Change) bool { return n.kind.victim(c) != "" })
	if err != nil {
		return fmt.Errorf("the job does not run: %w", err)
	}
	if r.victim = n.byID(n.kind.victim(c)); r.victim == nil {
		return fmt.Errorf("job %s runs where nobody is known: %s", s.ID(), n.story(c))
	}
	select {
	case <-time.After(rand.N(config.Defaults().Lease.Heartbeat)): // else all faults came just after the executor was heard
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	began := time.Now()
	if err := n.kind.strike(n, r.victim); err != nil {
		return err
	}
	if _, err := n.await(ctx, s, func(c client.Change) bool { return n.kind.elsewhere(c, r.victim.ID()) }); err != nil {
		return fmt.Errorf("the job is not seen to go on without %s: %w", r.victim.Name, err)
	}
	r.elsewhere = time.Since(began)
	j, err := s.Wait(ctx)
	if err != nil {
		return err
	}
	r.result, r.end = time.Since(began), j.State()
	return nil
}

// await returns the first change of the job that is as it should be.
func (n *lossNetwork) await(ctx context.Context, s *client.Submission, ok func(client.Change) bool) (client.Change, error) {
	var last client.Change
	for {
		select {
		case c, more := <-s.Changes():
			if !more {
				return last, fmt.Errorf("it is over: %s", n.story(last))
			}
			if ok(c) {
				return c, nil
			}
			last = c
		case <-ctx.Done():
			return last, fmt.Errorf("%w: %s", context.Cause(ctx), n.story(last))
		}
	}
}

// conclude waits until the job's end is final and its late result, if there is one, was rejected.
func (n *lossNetwork) conclude(ctx context.Context, id string, r *lossRound) error {
	ctx, enough := context.WithTimeout(ctx, lossPatience)
	defer enough()
	return until(ctx, func() error {
		c, err := n.client.Job(ctx, id)
		if err != nil {
			return err
		}
		r.attempts, r.rejected = c.Job.Attempted(), rejections(c.Job)
		if state := c.Job.State(); state.Terminal() {
			r.end = state
		}
		switch {
		case !c.Final:
			return fmt.Errorf("job %s is not over for good: %s", id, n.story(c))
		case n.kind.late && r.rejected == 0:
			return fmt.Errorf("the late result of job %s does not come: %s", id, n.story(c))
		}
		return nil
	})
}

func rejections(j client.Job) int {
	count := 0
	for _, t := range j.Tenures {
		count += len(t.Rejected)
	}
	return count
}

// story tells where a job stands, owner by owner.
func (n *lossNetwork) story(c client.Change) string {
	if c.Job.ID == "" {
		return "nothing is known of it"
	}
	parts := []string{string(c.Job.State())}
	for _, t := range c.Job.Tenures {
		var attempts []string
		for _, at := range t.Attempts {
			attempts = append(attempts, strings.TrimSpace(fmt.Sprintf("%s at %s %s", at.State, n.nameOf(at.Executor), at.Note)))
		}
		parts = append(parts, fmt.Sprintf("%s: [%s] %s", n.nameOf(t.Node), strings.Join(attempts, ", "), t.Waiting))
	}
	return strings.Join(append(parts, firstOf(c.Provisional(), c.Waiting)), "; ")
}

func (n *lossNetwork) nameOf(id string) string {
	if node := n.byID(id); node != nil {
		return node.Name
	}
	return id
}

// inline is a few bytes that travel with a job.
func inline(b []byte) client.Blob {
	return client.Blob{Digest: sha256.Sum256(b), Size: uint64(len(b)), Inline: b}
}

// tellRound says what went wrong in a round; with the log at debug, also what the nodes said.
func (a *app) tellRound(ctx context.Context, n *lossNetwork, number int, r *lossRound) {
	a.log.Info("round", "round", number, "running_elsewhere", r.elsewhere, "result", r.result, "attempts", r.attempts, "rejected", r.rejected)
	if r.lost {
		r.note(fmt.Errorf("the result is lost: the job's last known end is %q", r.end))
	}
	if len(r.trouble) == 0 {
		return
	}
	a.notice("round %d: %s", number, strings.ReplaceAll(errors.Join(r.trouble...).Error(), "\n", "; "))
	if !a.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, node := range n.Nodes() {
		_, _ = fmt.Fprintf(a.stderr, "--- %s\n%s", node.Name, node.Log()) // there is nowhere else to tell it
	}
}
