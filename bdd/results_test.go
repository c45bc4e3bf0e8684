package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A result that no broker has answered for", Label("LOSS-5", "JOB-2"), func() {
	// unanswered has a job of five seconds end at e1 while its owner b1 is cut off, and says what becomes of results of earlier lives.
	unanswered := func(tell func(w *sim.World, id job.ID, ends *[]string)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			id := w.Client("c1").Submit("b1", sim.Program("5s"))
			var ends []string
			w.OnNote(func(_ string, n actors.Note) {
				if n.Kind == "result of an earlier life: accepted" || n.Kind == "result of an earlier life: rejected" {
					ends = append(ends, n.Kind)
				}
			})
			w.Run(4 * time.Second)
			w.Isolate("b1")
			tell(w, id, &ends)
		})
	}

	It("outlives its executor's process and is accepted, and the job does not run again", func() {
		unanswered(func(w *sim.World, id job.ID, ends *[]string) {
			w.Run(3 * time.Second)
			Expect(w.Kept("e1")).To(Equal(1))
			w.Restart("e1")
			w.Run(5 * time.Second)
			w.Heal()
			w.Run(5 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(1))
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(*ends).To(Equal([]string{"result of an earlier life: accepted"}))
			Expect(w.Kept("e1")).To(BeZero(), "it was answered")
		})
	})

	It("is still there after many more lives, and when its owner was restarted too", func() {
		unanswered(func(w *sim.World, id job.ID, ends *[]string) {
			w.Run(3 * time.Second)
			for range 3 {
				w.Restart("e1")
				w.Run(10 * time.Second)
			}
			w.Kill("b1")
			w.Heal()
			w.Start("b1")
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	It("is lost with power that fails before its fsync, and the job runs again", func() {
		unanswered(func(w *sim.World, id job.ID, _ *[]string) {
			w.SlowDisk("e1", 10_000) // five seconds
			w.Run(3 * time.Second)
			w.LoseUnsynced("e1")
			w.Start("e1")
			w.Heal()
			w.Run(20 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(2))
		})
	})

	It("goes on in memory when the disk is full, and is written when there is room", func() {
		unanswered(func(w *sim.World, id job.ID, ends *[]string) {
			w.FullDisk("e1", true)
			w.Run(5 * time.Second)
			Expect(w.Kept("e1")).To(BeZero())
			w.FullDisk("e1", false)
			w.Run(2 * time.Second)
			Expect(w.Kept("e1")).To(Equal(1))
			w.Restart("e1")
			w.Run(5 * time.Second)
			w.Heal()
			w.Run(5 * time.Second)
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(*ends).To(HaveLen(1))
		})
	})
})

var _ = Describe("An executor whose disk is full", Label("LOSS-5"), func() {
	It("works on", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.FullDisk("e1", true)
			c := w.Client("c1")
			for range 5 {
				id := c.Submit("b1", sim.Program("1s"))
				w.Run(3 * time.Second)
				Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			}
		})
	})
})

var _ = Describe("An executor that comes back with a result of an earlier life", Label("JOB-4", "JOB-3", "LOSS-5"), func() {
	// back has e1 end a job of ten seconds that its owner does not hear of, go down, and come back when its replacement has run for so long.
	back := func(replaced time.Duration, tell func(w *sim.World, id job.ID, answers []*messages.ResultAnswered)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			id := w.Client("c1").Submit("b1", sim.Program("10s"))
			w.Run(5 * time.Second)
			w.Isolate("e1")
			w.Executor("e2", "b1")
			w.Run(7 * time.Second)
			Expect(w.Kept("e1")).To(Equal(1))
			w.PowerOff("e1")
			Expect(runs(w, "e2")).To(Equal(1), "it was lost")
			w.Heal()
			w.Run(replaced)
			var answers []*messages.ResultAnswered
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.ResultAnswered); ok && a.To == "e1" {
					answers = append(answers, m)
				}
			})
			w.Start("e1")
			w.Run(10 * time.Second)
			tell(w, id, answers)
		})
	}

	It("that is first has it accepted; the replacement is stopped, and no third attempt is started", func() {
		back(time.Second, func(w *sim.World, id job.ID, answers []*messages.ResultAnswered) {
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Current().Verdict.Attempt).To(Equal(j.Current().Attempts[0].Name))
			Expect(j.Attempted()).To(Equal(2))
			Expect(w.Stops("e2")).To(Equal(1))
			Expect(answers).NotTo(BeEmpty())
			Expect(answers[0].GetAccepted()).To(BeTrue())
		})
	})

	It("that is late has it rejected with the winner's attempt, and forgets it", func() {
		back(15*time.Second, func(w *sim.World, id job.ID, answers []*messages.ResultAnswered) {
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(2))
			Expect(j.Current().Rejected).To(HaveLen(1))
			Expect(answers).NotTo(BeEmpty())
			Expect(answers[0].GetAccepted()).To(BeFalse())
			Expect(messages.AttemptFromWire(answers[0].GetWinner())).To(Equal(j.Current().Attempts[1].Name))
			Expect(w.Kept("e1")).To(BeZero())
		})
	})
})
