package actors

import (
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

// waiting is a job as the queue knows it.
func (b *Broker) waiting(j job.Job) placement.Waiting {
	return placement.Waiting{
		ID: string(j.ID), Priority: j.Spec.Priority, Submitter: j.Spec.Submitter, Emergency: j.Spec.Emergency != "", Again: j.Attempted() > 0, Demand: b.demandOf(j),
	}
}

// demandOf says what a job asks of an executor. No two attempts of a job run on one executor: a backup there would be as slow (JOB-11). Of a job on
// which several parties must agree, each party has one attempt at a time, and one say (JOB-12).
func (b *Broker) demandOf(j job.Job) placement.Demand {
	d := demandOfNeeds(j.Spec.Needs)
	d.Memory = max(d.Memory, j.Spec.Limits.Memory)
	d.Bytes, d.Prefer = bytesOf(j), b.prefers(j.Spec)
	if j.Attempted() == 0 {
		return d // most that wait
	}
	d.Avoid, d.Barred = map[string]bool{}, map[string]bool{}
	mine, _ := j.Mine(b.journal)
	own, _ := j.Tenure(mine)
	for _, t := range j.Tenures {
		for _, a := range t.Attempts {
			d.Avoid[a.Executor] = true
			runs := a.State.Live() && (t.Owner == own.Owner || !own.Lists(a.Name)) // an owner that is gone says for ever that it runs
			if runs || (j.Spec.Quorum > 1 && a.State == job.Delivered) {
				d.Barred[a.Executor] = true
			}
			if j.Spec.Quorum > 1 && d.Barred[a.Executor] {
				d.Barred[b.partyOf(a.Executor)] = true
			}
		}
		for _, c := range t.Candidates {
			if j.Spec.Quorum > 1 {
				d.Barred[c.Party] = true
			}
		}
	}
	return d
}

func demandOfNeeds(n job.Needs) placement.Demand {
	return placement.Demand{Memory: n.Memory, Free: n.Free, Disk: n.Disk, Cores: n.Cores, CPU: n.CPU, Mains: n.Mains, Engine: n.Engine, Labels: n.Labels}
}

// partyOf is on whose behalf an executor says what it says, also one that is home elsewhere.
func (b *Broker) partyOf(executor string) string {
	if m, ok := b.crew.members[executor]; ok {
		return m.party()
	}
	n, _ := b.node(executor)
	if p := n.Labels[partyLabel]; p != "" {
		return p
	}
	return executor
}

// bytesOf returns what a job's program needs, as far as that is known and does not travel with its deployment.
func bytesOf(j job.Job) []placement.Bytes {
	s, named := j.Spec, j.Current().Inputs
	all := make([]placement.Bytes, 0, 1+len(s.Files))
	if s.Module.Elsewhere() {
		all = append(all, placement.Module(s.Module.Digest, s.Module.Size))
	}
	if s.Stdin.Elsewhere() {
		all = append(all, placement.Input(s.Stdin.Digest, s.Stdin.Size))
	}
	for i := range s.Files {
		if x := &s.Files[i].Blob; x.Elsewhere() {
			all = append(all, placement.Input(x.Digest, x.Size))
		}
	}
	for i, d := range s.Data {
		if i += len(s.After); i >= len(named) {
			break
		}
		for _, f := range named[i].Files {
			if d.As == job.AsModule {
				all = append(all, placement.Module(f.Blob.Digest, f.Blob.Size))
			} else {
				all = append(all, placement.Input(f.Blob.Digest, f.Blob.Size))
			}
		}
	}
	return placement.Weighty(all)
}
