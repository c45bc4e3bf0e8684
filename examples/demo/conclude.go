package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/client"
)

// conclude asks both brokers for all jobs, shows the table and checks what was promised.
func (d *demo) conclude(ctx context.Context) error {
	records, err := d.agreed(ctx)
	if err != nil {
		return err
	}
	d.say("%s and %s hold the same %d records, byte for byte", brokers[0], brokers[1], len(records))
	rows := make([]row, len(records))
	for i, j := range records {
		rows[i] = rowOf(d.jobs[i].name, j, d.network.name)
	}
	d.quote(table(rows))
	for _, sentence := range d.broken(rows) {
		err = errors.Join(err, errors.New(sentence))
	}
	if err == nil {
		d.say("each job has one accepted result, what %s and %s left behind was done elsewhere, and one late result was rejected",
			d.killed.executor, d.frozen.executor)
	}
	return err
}

// agreed returns the records of all jobs in the order of their submission, once both brokers hold the same.
func (d *demo) agreed(ctx context.Context) ([]client.Job, error) {
	clients := make([]*client.Client, len(brokers))
	for i, name := range brokers {
		c, err := d.dial(ctx, name)
		if err != nil {
			return nil, err
		}
		defer letGo(c)
		clients[i] = c
	}
	var records []client.Job
	return records, eventually(ctx, "both brokers hold the same records", func() (bool, error) {
		first, err := d.records(ctx, clients[0])
		if err != nil {
			return false, err
		}
		second, err := d.records(ctx, clients[1])
		records = first
		return err == nil && slices.EqualFunc(first, second, sameRecord), err
	})
}

// records returns all jobs that a broker has, in the order of their submission by the demo.
func (d *demo) records(ctx context.Context, c *client.Client) ([]client.Job, error) {
	found, _, err := c.Jobs(ctx, client.Filter{Limit: len(d.jobs) + 1})
	if err != nil {
		return nil, err
	}
	if len(found) > len(d.jobs) {
		return nil, fmt.Errorf("there are more jobs than the %d that were submitted", len(d.jobs))
	}
	records := make([]client.Job, 0, len(d.jobs))
	for _, s := range d.jobs {
		i := slices.IndexFunc(found, func(c client.Change) bool { return string(c.Job.ID) == s.id })
		if i < 0 {
			name, _ := c.Broker()
			return nil, fmt.Errorf("%s does not know the job %q, %s", name, s.name, strings.ToLower(s.id))
		}
		records = append(records, found[i].Job)
	}
	return records, nil
}

func sameRecord(a, b client.Job) bool { return bytes.Equal(a.Append(nil), b.Append(nil)) }
