package actors

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
)

// inputs knows which unfinished jobs of this broker wait for which others (JOB-10).
type inputs map[job.ID]map[job.ID]struct{}

// add notes what a job depends on.
func (in inputs) add(j job.Job) {
	for _, d := range j.Spec.After {
		if in[d.Job] == nil {
			in[d.Job] = map[job.ID]struct{}{}
		}
		in[d.Job][j.ID] = struct{}{}
	}
}

// remove forgets a job that is over.
func (in inputs) remove(j job.Job) {
	for _, d := range j.Spec.After {
		delete(in[d.Job], j.ID)
		if len(in[d.Job]) == 0 {
			delete(in, d.Job)
		}
	}
}

// inputChanged tells the jobs that wait for one that it moved.
func (b *Broker) inputChanged(ctx actor.Context, id job.ID) {
	for _, dependent := range slices.Sorted(maps.Keys(b.inputs[id])) {
		b.inputsKnown(ctx, dependent)
	}
}

// inputsKnown tells a job of ours how those that it depends on stand, as far as is known here.
func (b *Broker) inputsKnown(ctx actor.Context, id job.ID) {
	j, ok := b.job(id)
	if !ok || len(j.Spec.After) == 0 {
		return
	}
	if v, _ := j.Decided(); v != nil {
		b.inputs.remove(j)
		return
	}
	if _, mine := j.Mine(b.journal); !mine {
		return
	}
	known := make([]job.Input, 0, len(j.Spec.After))
	for _, d := range j.Spec.After {
		known = append(known, b.input(d.Job))
	}
	b.apply(ctx, id, job.InputsKnown{Inputs: known, At: b.hybrid()})
	b.enqueue(id)
}

func (b *Broker) input(id job.ID) job.Input {
	p, ok := b.job(id)
	if !ok {
		return job.Input{Job: id}
	}
	in := job.Input{Job: id, Known: true, State: p.State(), Final: b.final(p)}
	if v, _ := p.Winner(); v != nil && v.Result != nil {
		in.Digest = v.Result.Digest
	}
	return in
}

// arrays knows how long the jobs of arrays that speculate took (JOB-11).
type arrays map[string]*arrayTimes

// arrayTimes is one array: how long its finished jobs ran, and which of ours still do.
type arrayTimes struct {
	took    []time.Duration
	running map[job.ID]time.Time
}

// maxTimes bounds what is remembered of one array.
const maxTimes = 256

// note follows a job of an array.
func (b *Broker) noteArray(old, j job.Job) {
	if !j.Spec.Speculate || j.Spec.Array == "" {
		return
	}
	a, ok := b.arrays[j.Spec.Array]
	if !ok {
		a = &arrayTimes{running: map[job.ID]time.Time{}}
		b.arrays[j.Spec.Array] = a
	}
	v, _ := j.Decided()
	was, _ := old.Decided()
	_, running := a.running[j.ID]
	switch {
	case v != nil && was == nil && v.Result != nil && len(a.took) < maxTimes:
		a.took = append(a.took, v.Result.Run)
	case v == nil && j.State() == job.StateRunning && !running:
		a.running[j.ID] = b.Now()
	}
	if v != nil || j.State() != job.StateRunning {
		delete(a.running, j.ID)
	}
}

// watchStragglers asks for a backup of what takes longer than 95 of 100 of its array.
func (b *Broker) watchStragglers(ctx actor.Context, now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(b.arrays)) {
		a := b.arrays[name]
		for _, id := range slices.Sorted(maps.Keys(a.running)) {
			if job.Straggles(a.took, now.Sub(a.running[id])) {
				b.straggling(ctx, id)
			}
		}
	}
}

func (b *Broker) straggling(ctx actor.Context, id job.ID) {
	j, ok := b.job(id)
	if !ok || !b.acts(j) {
		return
	}
	mine, _ := j.Mine(b.journal)
	t, _ := j.Tenure(mine)
	if live := t.Live(); len(live) == 1 {
		b.apply(ctx, id, job.Straggling{Attempt: live[0].Name, At: b.hybrid()})
		b.enqueue(id)
	}
}
