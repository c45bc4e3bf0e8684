package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/wasm"
)

// observers are clients that speak to one broker each and are there from the beginning to the end.
type observers []observer

type observer struct {
	*client.Client
	broker string
}

// dial connects a client to the first of some brokers that answers.
func dial(ctx context.Context, n *network, window int, brokers ...*lab.Node) (*client.Client, error) {
	o := client.Options{Identity: n.lab.Client(), Window: window}
	for _, b := range brokers {
		o.Addresses = append(o.Addresses, b.Address())
	}
	return client.Dial(ctx, o)
}

func newObservers(ctx context.Context, n *network) (all observers, err error) {
	for _, b := range n.brokers {
		c, err := dial(ctx, n, 0, b)
		if err != nil {
			return all, fmt.Errorf("observer of %s: %w", b.Name, err)
		}
		all = append(all, observer{c, b.Name})
	}
	return all, nil
}

func (o observers) close() (err error) {
	for _, c := range o {
		err = errors.Join(err, c.Close())
	}
	return err
}

// bring puts the modules at every broker.
func (o observers) bring(ctx context.Context, p programs) (w wares, err error) {
	for _, c := range o {
		var errs [3]error
		w.noop, errs[0] = c.PutBytes(ctx, wasm.Noop())
		w.sleep, errs[1] = c.PutFile(ctx, p.sleep)
		w.picture, errs[2] = c.PutFile(ctx, p.picture)
		if err := errors.Join(errs[:]...); err != nil {
			return w, err
		}
	}
	return w, nil
}

// warm has every executor run each module, so that it is compiled and processes use what they use when they work.
func (o observers) warm(ctx context.Context, e *errands, l *load) error {
	var all []*client.Submission
	for range 2 * executorCount * slots {
		for i, spec := range []*client.Spec{
			e.sleeps(300 * time.Millisecond), e.spec(e.wares.noop), e.spec(e.wares.picture, "mandelbrot", "-raw", "-width", "300", "-height", "200"),
		} {
			l.named[spec.Name] = true
			s, err := o[i%len(o)].Submit(ctx, spec)
			if err != nil {
				return fmt.Errorf("warm-up: %w", err)
			}
			all = append(all, s)
		}
	}
	for _, s := range all {
		if _, err := s.Wait(ctx); err != nil {
			return fmt.Errorf("warm-up: %w", err)
		}
	}
	return nil
}

// saying is what one broker says of all jobs, at one time.
type saying struct {
	broker  string
	jobs    map[string]client.Change
	records uint64
}

// ask has a broker say what it knows.
func (o observer) ask(ctx context.Context) (saying, error) {
	s := saying{broker: o.broker, jobs: map[string]client.Change{}}
	for f, more := (client.Filter{}), true; more; more = f.After != "" {
		page, next, err := o.Jobs(ctx, f)
		if err != nil {
			return s, fmt.Errorf("%s: %w", o.broker, err)
		}
		for _, change := range page {
			s.jobs[string(change.Job.ID)] = change
		}
		f.After = next
	}
	status, err := o.Status(ctx)
	if err != nil {
		return s, fmt.Errorf("%s: %w", o.broker, err)
	}
	s.records = status.Records
	return s, nil
}

// ask has all brokers say what they know.
func (o observers) ask(ctx context.Context) (all []saying, err error) {
	for _, c := range o {
		s, err := c.ask(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// fetches gets bytes from whichever broker has them, and checks that they are those.
func (o observers) fetches(ctx context.Context, b client.Blob) error {
	var said []string
	for _, c := range o {
		err := c.Get(ctx, b, io.Discard)
		if err == nil {
			return nil
		}
		said = append(said, c.broker+": "+err.Error())
	}
	return errors.New(strings.Join(said, "; "))
}
