package scale

import (
	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

// maxPreempted is how often one job makes room for emergencies.
const maxPreempted = 16

// put writes down that an emergency was declared, or is over, at the broker that was told so; the others hear of it in the urgent lane.
func (b *broker) put(e emergency.Emergency) {
	b.tellPeers(b.w.settings.Sync, func(p *broker) { p.emergencyMoved(e) })
	b.emergencyMoved(e)
}

func (b *broker) emergencyMoved(e emergency.Emergency) {
	b.board.Set(e)
	level := b.board.Level()
	if level == b.level {
		return
	}
	b.level = level
	b.queue.SetLevel(uint8(level))
	b.w.gauge.heard(b)
	if level >= emergency.High {
		for _, r := range sortedByJob(b.live) {
			b.makeRoom(r)
		}
	}
	b.schedule()
}

// makeRoom sets an attempt aside that may not go on: at high one whose program has not begun, at critical any.
func (b *broker) makeRoom(r *run) {
	t := r.task
	mine, ok := b.acts(t)
	if !ok || t.job.Spec.Emergency != "" || t.job.Preempted() >= maxPreempted {
		return
	}
	tenure, _ := t.job.Tenure(mine)
	for _, a := range tenure.Live() {
		if a.Name == r.name && (a.State == job.Placed || b.level == emergency.Critical) {
			b.w.gauge.preempted++
			b.apply(t, job.Preempted{Attempt: a.Name, Reason: "emergency " + fire, At: b.w.hybrid()})
		}
	}
}

// prefers returns the labels that suit a job of an emergency in force.
func (b *broker) prefers(s *job.Spec) map[string]string {
	if s.Emergency == "" || b.level == emergency.None {
		return nil
	}
	of := b.board.OfType(s.Emergency)
	if len(of) == 0 {
		return nil
	}
	return map[string]string{s.Emergency: placement.Any, placement.Any: s.Emergency, "location": of[0].Area, "area": of[0].Area}
}
