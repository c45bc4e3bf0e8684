package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
)

// load is the people who use the network, and what they were told. Its fields are theirs until people and followers have ended.
type load struct {
	told      history.Recorder
	followers sync.WaitGroup

	mu           sync.Mutex
	submitted    int
	named        map[string]bool // every job that anybody ever asked for, by the name that it was given
	acknowledged []string
	cancelled    map[string]bool  // jobs of which somebody asked that
	untold       map[string]error // why a client was told no end of a job
}

func newLoad() *load {
	return &load{named: map[string]bool{}, cancelled: map[string]bool{}, untold: map[string]error{}}
}

const (
	people = 5
	// window is how many jobs one of them has under way at most: together a few more than there are slots for.
	window = 6
	// patience is how long they wait for an acknowledgement.
	patience = 20 * time.Second
)

// person is one of those who use the network.
type person struct {
	*load
	client *client.Client
	who    int
	wants  *errands
	own    []string // jobs that were acknowledged
}

// acts submits jobs and asks how they are doing until ctx ends. What was submitted is followed until following ends.
func (p *person) acts(ctx, following context.Context) {
	for ctx.Err() == nil {
		e := p.wants.next()
		for _, spec := range e.specs {
			if s := p.submits(ctx, spec); s != nil {
				p.followers.Go(func() { p.follows(following, s, e) })
			}
		}
		if len(p.own) > 0 {
			p.asks(ctx, p.own[p.wants.IntN(len(p.own))])
		}
		until(ctx, time.Now().Add(200*time.Millisecond+p.wants.upTo(time.Second)))
	}
}

// submits hands a job in, and returns nil if it was not acknowledged. It may have been taken all the same.
func (p *person) submits(ctx context.Context, spec *client.Spec) *client.Submission {
	p.mu.Lock()
	p.submitted++
	p.named[spec.Name] = true
	p.mu.Unlock()
	waiting, giveUp := context.WithTimeout(ctx, patience)
	defer giveUp()
	acknowledged := p.told.Begin(p.who, history.Submit)
	s, err := p.client.Submit(waiting, spec)
	if err != nil {
		return nil // not to be acknowledged under faults is no fault
	}
	acknowledged(s.ID(), true, "")
	p.own = append(p.own, s.ID())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acknowledged = append(p.acknowledged, s.ID())
	return s
}

// asks reads a job.
func (p *person) asks(ctx context.Context, id string) {
	asking, giveUp := context.WithTimeout(ctx, patience)
	defer giveUp()
	read := p.told.Begin(p.who, history.Read)
	if change, err := p.client.Job(asking, id); err == nil {
		read(id, true, history.EndOf(change))
	}
}

// follows waits for what the network says of a job, cancels it if that is wanted, and notes the end that is told.
func (p *person) follows(ctx context.Context, s *client.Submission, e errand) {
	read := p.told.Begin(p.who, history.Read)
	if e.cancel {
		p.cancels(ctx, s.ID(), e.after)
	}
	var last client.Change
	for more := true; more; {
		var change client.Change
		select {
		case change, more = <-s.Changes():
			if more {
				last = change
			}
		case <-ctx.Done():
			more = false
		}
	}
	if _, err := s.Wait(ctx); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.untold[s.ID()] = err
		return
	}
	read(s.ID(), true, history.EndOf(last))
}

func (p *person) cancels(ctx context.Context, id string, after time.Duration) {
	if !until(ctx, time.Now().Add(after)) {
		return
	}
	p.mu.Lock()
	p.cancelled[id] = true
	p.mu.Unlock()
	asking, giveUp := context.WithTimeout(ctx, patience)
	defer giveUp()
	read := p.told.Begin(p.who, history.Read)
	if change, err := p.client.Cancel(asking, id); err == nil {
		read(id, true, history.EndOf(change))
	}
}

// begin has people connect, each to another broker first, and act until ctx ends. They follow their jobs until following ends; then their clients are
// to be closed. The returned function waits for the end of their acts.
func (l *load) begin(ctx, following context.Context, k *soak) (clients []*client.Client, acted func(), err error) {
	var acting sync.WaitGroup
	n := k.net
	for i := range people {
		order := slices.Concat(n.brokers[i%len(n.brokers):], n.brokers[:i%len(n.brokers)])
		c, err := dial(ctx, n, window, order...)
		if err != nil {
			return clients, acting.Wait, fmt.Errorf("client %d: %w", i, err)
		}
		clients = append(clients, c)
		p := &person{load: l, client: c, who: i, wants: &errands{
			Rand: rand.New(rand.NewPCG(k.Seed, uint64(i+1))), wares: k.wares, who: i, retention: k.retention(),
		}}
		acting.Go(func() { p.acts(ctx, following) })
	}
	return clients, acting.Wait, nil
}
