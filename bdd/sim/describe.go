package sim

import (
	"fmt"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// shortID is what tells a job from others in a trace: its number.
func shortID(id job.ID) string {
	ulid, _, _ := strings.Cut(string(id), "-")
	return ulid[max(0, len(ulid)-5):]
}

// short names an attempt: job, ownership, number.
func short(n job.Name) string {
	return fmt.Sprintf("%s/t%dh%d.%s/%d.%d", shortID(n.Job), n.Owner.T, n.Owner.H, n.Owner.Journal[:min(4, len(n.Owner.Journal))], n.Incarnation>>24, n.N)
}

func shortWire(a *messages.AttemptName) string { return short(messages.AttemptFromWire(a)) }

// tedious messages are so many that a reader does without.
func tedious(m any) bool {
	switch m.(type) {
	case *messages.Heartbeat, *messages.HeartbeatAnswered, *messages.SyncPing:
		return true
	}
	return m == nil
}

// describe tells what is on its way in a few words.
func describe(p *parcel) string {
	switch p.kind {
	case watchKind:
		return "Watch " + p.target
	case unwatchKind:
		return "Unwatch " + p.target
	case terminatedKind:
		return fmt.Sprintf("Terminated %s %s", p.sender, p.why)
	case deadLetterKind:
		return "DeadLetter " + p.sender
	case userKind:
	}
	m := messages.Unstamp(p.message)
	name := strings.TrimPrefix(fmt.Sprintf("%T", m), "*messages.")
	return strings.TrimSpace(name + " " + details(m))
}

func details(m any) string {
	switch m := m.(type) {
	case *messages.SubmitJob:
		return shortID(job.ID(m.GetJob()))
	case *messages.JobSubmitted:
		return fmt.Sprintf("%s durability %d", shortID(job.ID(m.GetJob())), m.GetDurability())
	case *messages.JobRequest:
		return fmt.Sprintf("%s watch %t", shortID(job.ID(m.GetJob())), m.GetWatch())
	case *messages.CancelJob:
		return shortID(job.ID(m.GetJob()))
	case *messages.JobChanged:
		return detailsOfJob(m)
	case *messages.Refused:
		return fmt.Sprintf("%s %s: %s", m.GetCode(), shortID(job.ID(m.GetJob())), m.GetReason())
	case *messages.RegisterExecutor:
		return fmt.Sprintf("lease %d, %d in hand", m.GetLease(), len(m.GetRunning()))
	case *messages.ExecutorRegistered:
		return fmt.Sprintf("lease %d", m.GetLease())
	case *messages.DeployAttempt:
		return shortWire(m.GetAttempt())
	case *messages.AttemptStarted:
		return shortWire(m.GetAttempt())
	case *messages.AttemptDeclined:
		return shortWire(m.GetAttempt()) + ": " + m.GetReason()
	case *messages.AttemptFinished:
		return shortWire(m.GetAttempt())
	case *messages.ResultAnswered:
		return fmt.Sprintf("%s accepted %t %s, winner %s", shortWire(m.GetAttempt()), m.GetAccepted(), m.GetWhy(), shortWire(m.GetWinner()))
	case *messages.StopAttempt:
		return shortWire(m.GetAttempt()) + ": " + m.GetReason()
	case *messages.DeclareEmergency:
		return fmt.Sprintf("%s level %d for %d ms", m.GetType(), m.GetLevel(), m.GetTtlMs())
	case *messages.SlotRequest:
		return shortID(job.ID(m.GetJob()))
	case *messages.SlotReserved:
		return shortID(job.ID(m.GetJob()))
	}
	return ""
}

func detailsOfJob(m *messages.JobChanged) string {
	j, err := job.Decode(m.GetRecord())
	if err != nil {
		return err.Error()
	}
	how := "provisional"
	if isFinal(m) {
		how = "final"
	}
	if winner(j) == nil {
		how = m.GetWaiting()
	}
	return fmt.Sprintf("%s %s %s", shortID(j.ID), j.State(), how)
}
