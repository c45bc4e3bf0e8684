package main

import (
	"context"
	"errors"

	"github.com/urbancompute/ucp/client"
)

// The work of a job that is to lose its executor: about four seconds of one core, told of in that many steps.
const (
	rounds = "2000000000"
	steps  = "5"
)

// act is such a job, under way at an executor that its broker has another one beside. The caller closes its client.
type act struct {
	*watched
	client           *client.Client
	broker, executor string
}

// tries bounds how often something is shown again that did not come about and need not.
const tries = 3

// begin has a broker that is home to several executors run a long job, and returns when its program has printed that many lines. The
// job is to begin on an executor that is not the one called avoid, if there is a choice.
func (d *demo) begin(ctx context.Context, name, avoid string, lines int) (*act, error) {
	for range tries {
		a, err := d.beginOnce(ctx, name, avoid, lines)
		if err != nil {
			return nil, err
		}
		_, at, err := d.atHome(ctx, a.client)
		if err != nil {
			return nil, err
		}
		if at.besides(a.broker, a.executor) != "" {
			return a, nil
		}
		d.say("%s is home to no other executor any more, so this job may end; once more", a.broker)
		if _, err := d.awaitEnd(ctx, a.watched); err != nil {
			return nil, err
		}
		letGo(a.client)
	}
	return nil, errors.New("no broker was home to two executors for as long as a job ran")
}

func (d *demo) beginOnce(ctx context.Context, name, avoid string, lines int) (*act, error) {
	c, err := d.dial(ctx, brokers[0])
	if err != nil {
		return nil, err
	}
	broker, at, err := d.atHome(ctx, c)
	letGo(c)
	if err != nil {
		return nil, err
	}
	d.say("%s is home to %s, %s to %s, so the job goes to %s", brokers[0], at.of(brokers[0]), brokers[1], at.of(brokers[1]), broker)
	a := &act{broker: broker}
	if a.client, err = d.dial(ctx, broker); err != nil {
		return nil, err
	}
	if avoid != "" {
		if err := d.warm(ctx, a.client, at.besides(broker, avoid)); err != nil {
			return nil, err
		}
	}
	spec, err := d.spin(ctx, a.client, name, rounds, steps)
	if err != nil {
		return nil, err
	}
	if a.watched, err = d.watch(ctx, a.client, spec); err != nil {
		return nil, err
	}
	a.executor, err = d.awaitWork(ctx, a.watched, lines)
	return a, err
}

// atHome returns where the executors are at home, and the broker that most are at.
func (d *demo) atHome(ctx context.Context, c *client.Client) (broker string, at placed, err error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return "", nil, err
	}
	at = homes(nodes)
	return at.crowded(), at, nil
}

// spin describes a job that computes, and shows how far it is that many times.
func (d *demo) spin(ctx context.Context, c *client.Client, name, rounds, steps string) (*client.Spec, error) {
	module, err := d.put(ctx, c, "spin")
	return &client.Spec{
		Name: name, Module: module, Args: []string{"spin.wasm", "-count", rounds, "-steps", steps}, Retention: kept, Limits: unhurried,
	}, err
}

// warm runs a moment's job on an executor, which then has the module, so that the next job of it goes there first.
func (d *demo) warm(ctx context.Context, c *client.Client, executor string) error {
	spec, err := d.spin(ctx, c, "short job", "1", "1")
	if err != nil {
		return err
	}
	spec.Needs.Labels = map[string]string{"name": executor}
	sub, err := c.Submit(ctx, spec)
	if err != nil {
		return err
	}
	d.note(spec.Name, sub.ID())
	if _, _, err := d.await(ctx, spec.Name, sub); err != nil {
		return err
	}
	d.say("a short job that asks for the label name=%s has brought the module there", executor)
	return nil
}
