package actors

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
)

// inputs knows which unfinished jobs wait for which others (JOB-10). Those that wait for named data the catalog knows.
type inputs map[job.ID]map[job.ID]struct{}

// note follows a job: while it is not over, it waits for those that it comes after.
func (in inputs) note(j job.Job) {
	if len(j.Spec.After) == 0 {
		return
	}
	if v, _ := j.Decided(); v != nil {
		in.remove(j)
		return
	}
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
		if delete(in[d.Job], j.ID); len(in[d.Job]) == 0 {
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

// standing is what others can know of a job as their input.
type standing struct {
	state  job.State
	digest [32]byte
	over   bool
}

func standingOf(j job.Job) (s standing) {
	if j.ID == "" {
		return s
	}
	s.state = j.State()
	if v, _ := j.Winner(); v != nil && v.Result != nil {
		s.digest = v.Result.Digest
	}
	v, _ := j.Decided()
	s.over = v != nil
	return s
}

// inputsKnown tells a job of ours how those that it depends on stand, and the data that it needs, as far as is known here.
func (b *Broker) inputsKnown(ctx actor.Context, id job.ID) {
	j, ok := b.job(id)
	if !ok || len(j.Spec.After)+len(j.Spec.Data) == 0 {
		return
	}
	if v, _ := j.Decided(); v != nil {
		return
	}
	if _, mine := j.Mine(b.journal); !mine {
		return
	}
	known := make([]job.Input, 0, len(j.Spec.After)+len(j.Spec.Data))
	for _, d := range j.Spec.After {
		known = append(known, b.input(d.Job))
	}
	for _, d := range j.Spec.Data {
		known = append(known, b.named(j, d))
	}
	b.apply(ctx, id, job.InputsKnown{Inputs: known, At: b.hybrid()})
	b.enqueue(id)
}

// cycle spells out why a job would wait for itself, "" if it would not. Only a job that others wait for already can: who comes later knows what it
// waits for.
func (b *Broker) cycle(j job.Job) string {
	needs := b.waitsFor(j, j)
	if len(needs) == 0 || !b.awaited(j) && !slices.ContainsFunc(needs, func(n job.Need) bool { return n.Job == j.ID }) {
		return ""
	}
	cycle := job.Cycle(j.ID, func(id job.ID) []job.Need {
		if id == j.ID {
			return needs
		}
		k, ok := b.job(id)
		if v, _ := k.Decided(); !ok || v != nil {
			return nil
		}
		return b.waitsFor(k, j)
	})
	if cycle == nil {
		return ""
	}
	return job.DescribeCycle(j.ID, cycle)
}

// awaited says whether any job waits for one that is to be taken.
func (b *Broker) awaited(j job.Job) bool {
	return len(b.inputs[j.ID]) > 0 ||
		slices.ContainsFunc(j.Spec.Results, func(r job.NamedResult) bool { return len(b.catalog.consumers(r.Name)) > 0 })
}

// waitsFor tells what k still waits for, with j, which is to be taken, counted as taken.
func (b *Broker) waitsFor(k, j job.Job) []job.Need {
	var needs []job.Need
	for _, d := range k.Spec.After {
		if p, ok := b.job(d.Job); d.Job == j.ID || (ok && !p.State().Terminal()) {
			needs = append(needs, job.Need{Job: d.Job})
		}
	}
	makes := func(name string) bool {
		return slices.ContainsFunc(j.Spec.Results, func(r job.NamedResult) bool { return job.Overlap(r.Name, name) })
	}
	for _, d := range k.Spec.Data {
		switch in := b.named(k, d); {
		case !in.Known && makes(d.Name):
			needs = append(needs, job.Need{Job: j.ID, Data: d.Name})
		case in.Known && !in.State.Terminal():
			for _, id := range b.makersFor(k, d.Name, in.Job) {
				needs = append(needs, job.Need{Job: id, Data: d.Name})
			}
		}
	}
	return needs
}

// makersFor returns the jobs that k waits for because of one name: last, and for a pattern all others that were submitted before k.
func (b *Broker) makersFor(k job.Job, name string, last job.ID) []job.ID {
	makers := []job.ID{last}
	dir, many := strings.CutSuffix(name, "*")
	if !many {
		return makers
	}
	for e := range b.catalog.below(dir, "") {
		for _, id := range e.makers {
			if m, ok := b.job(id); ok && id != k.ID && id != last && !m.State().Terminal() && m.Created.Compare(k.Created) < 0 && len(makers) < maxMakers {
				makers = append(makers, id)
			}
		}
	}
	return makers
}

// maxMakers bounds how many ways are followed from one job when a cycle is looked for.
const maxMakers = 256

// maxDeployBytes bounds a deployment's description with the bytes that travel inside it, so that it fits into a frame.
const maxDeployBytes = 192 << 10

// inlines returns the bytes that a job's named data stands for which travel with records: its executor can have them only from here. What finds no room
// the node has ready for whoever asks.
func (b *Broker) inlines(j job.Job) map[[32]byte][]byte {
	var inline map[[32]byte][]byte
	var lent []*job.Blob
	room := maxDeployBytes - len(j.Spec.Append(nil)) - job.MaxInputBytes - job.MaxInputInline
	for _, d := range j.Spec.Data {
		in := b.named(j, d)
		for i := range in.Files {
			x := &in.Files[i].Blob
			if _, have := inline[x.Digest]; have || len(x.Inline) == 0 {
				continue
			}
			if room -= len(x.Inline); room < 0 {
				lent = append(lent, x)
				continue
			}
			if inline == nil {
				inline = map[[32]byte][]byte{}
			}
			inline[x.Digest] = x.Inline
		}
	}
	if len(lent) > 0 && b.Lend != nil {
		b.Lend(lent)
	}
	return inline
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
