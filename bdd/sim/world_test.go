package sim_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A world", func() {
	var (
		w *sim.World
		c *sim.Client
	)
	BeforeEach(func() {
		w = sim.New(1, sim.Quiet(), sim.With(func(s *sim.Settings) { s.Honest = true }))
		DeferCleanup(func() {
			Expect(w.Violations()).To(BeEmpty())
			w.Close()
		})
		w.Broker("b1")
		w.Broker("b2")
		w.Executor("e1", "b1")
		w.Executor("e2", "b1")
		c = w.Client("c1")
	})

	// other is the executor that is not the job's first.
	first := func(id job.ID) (this, other string) {
		j, _ := w.Job("b1", id)
		if j.Current().Attempts[0].Executor == w.Node("e1").ID {
			return "e1", "e2"
		}
		return "e2", "e1"
	}

	It("runs a job from submission to its end", func() {
		id := c.Submit("b1", sim.Program("1s"))
		w.Run(100 * time.Millisecond)
		Expect(c.Show("b1", id).State()).To(Equal(job.StateRunning))
		w.Run(2 * time.Second)
		Expect(c.Show("b1", id).State()).To(Equal(job.StateAccepted))
		Expect(w.Runs("e1") + w.Runs("e2")).To(Equal(1))
	})

	It("lets virtual time pass as fast as it can", func() {
		c.Submit("b1", sim.Program("1h"))
		begun := time.Now()
		w.Run(10 * time.Minute)
		Expect(time.Since(begun)).To(BeNumerically("<", 10*time.Second))
		Expect(w.Now()).To(BeNumerically("~", 10*time.Minute, time.Second))
	})

	It("stops as soon as what it runs for is there", func() {
		id := c.Submit("b1", sim.Program("3s"))
		ended := func() bool { j, _ := w.Job("b1", id); return j.State().Terminal() }
		Expect(w.RunUntil(time.Minute, ended)).To(BeTrue())
		Expect(w.Now()).To(BeNumerically("<", 5*time.Second))
	})

	It("tells the peers of a killed process at once", func() {
		id := c.Submit("b1", sim.Program("10s"))
		w.Run(time.Second)
		this, other := first(id)
		w.Kill(this)
		w.Run(time.Second)
		Expect(w.Runs(other)).To(Equal(1))
	})

	It("leaves the peers of a node without power in silence", func() {
		id := c.Submit("b1", sim.Program("10s"))
		w.Run(time.Second)
		this, other := first(id)
		w.PowerOff(this)
		w.Run(2 * time.Second)
		Expect(w.Runs(other)).To(Equal(0), "within the lease nothing is known")
		w.Run(2 * time.Second)
		Expect(w.Runs(other)).To(Equal(1))
	})

	It("keeps what arrives for a paused process until it goes on", func() {
		id := c.Submit("b1", sim.Program("1s"))
		w.Run(100 * time.Millisecond)
		w.Pause("b1")
		w.Run(2 * time.Second)
		_, known := w.Job("b1", id)
		Expect(known).To(BeFalse(), "it answers nobody")
		w.Resume("b1")
		w.Run(100 * time.Millisecond)
		Expect(c.Show("b1", id).State()).To(Equal(job.StateAccepted))
	})

	It("begins a new incarnation when a node restarts", func() {
		id := c.Submit("b1", sim.Program("10s"))
		w.Run(time.Second)
		this, _ := first(id)
		w.Restart(this)
		w.Run(15 * time.Second)
		Expect(c.Show("b1", id).Current().Attempts).To(HaveLen(2))
	})

	Describe("a cut", func() {
		It("holds back what is sent, and a short one loses nothing", func() {
			w.Run(time.Second)
			w.Cut("b1", "b2")
			id := c.Submit("b1", sim.Program("1s")) // which waits for a second disk, for 1 s
			w.Run(time.Second)
			_, known := w.Job("b2", id)
			Expect(known).To(BeFalse())
			w.Heal()
			w.Run(100 * time.Millisecond)
			_, known = w.Job("b2", id)
			Expect(known).To(BeTrue())
		})

		It("in one direction lets the other one through", func() {
			w.Run(time.Second)
			w.CutOneWay("b2", "b1")
			id := c.Submit("b1", sim.Program("1s"))
			w.Run(time.Second)
			_, known := w.Job("b2", id)
			Expect(known).To(BeTrue())
		})

		It("parts one side from the other, and no client on one side reaches the other", func() {
			w.Run(time.Second)
			w.Split("b2")
			Expect(c.Ask("b2", &messages.StatusRequest{})).NotTo(BeAssignableToTypeOf(&messages.StatusResponse{}))
			Expect(c.Ask("b1", &messages.StatusRequest{})).To(BeAssignableToTypeOf(&messages.StatusResponse{}))
		})

		It("that lasts is noticed, and healed by a new connection", func() {
			w.Run(time.Second)
			w.Isolate("b2")
			w.Run(time.Minute)
			Expect(c.Ask("b2", &messages.StatusRequest{})).To(HaveField("Code", messages.Refused_UNREACHABLE))
			w.Heal()
			w.Run(5 * time.Second)
			Expect(c.Ask("b2", &messages.StatusRequest{})).To(BeAssignableToTypeOf(&messages.StatusResponse{}))
		})
	})

	It("comes to rest with every promise kept", func() {
		for range 10 {
			c.Submit("b1", sim.Program("1s", "wild"))
		}
		w.Run(20 * time.Second)
		Expect(w.Rest()).To(BeEmpty())
	})

	It("stands still when more happens within a second than anybody's work explains", func() {
		hasty := sim.New(1, sim.Quiet(), sim.With(func(s *sim.Settings) { s.MaxPace = 100 }))
		defer hasty.Close()
		hasty.Broker("b1")
		hasty.Broker("b2")
		hasty.Run(time.Hour)
		Expect(hasty.Rest()).To(ConsistOf(HaveField("Check", "S10")))
	})

	It("jumps the clock that people read, and not the one that timers run on", func() {
		id := c.Submit("b1", sim.Program("1s"))
		w.JumpClock("b1", time.Hour)
		w.Run(3 * time.Second)
		j := c.Show("b1", id)
		Expect(j.State()).To(Equal(job.StateAccepted))
		Expect(j.Current().Verdict.At.Time().Sub(j.Created.Time())).To(BeNumerically(">", 59*time.Minute))
	})
})
