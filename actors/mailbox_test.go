package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/messages"
)

// reader is an actor that waits until it may read on, and notes what it reads.
type reader struct {
	hold chan struct{}
	read chan string
}

// Receive implements actor.Actor.
func (r *reader) Receive(ctx actor.Context) {
	switch m := messages.Unstamp(ctx.Message()).(type) {
	case *messages.StatusRequest:
		<-r.hold
	case *messages.JobRequest:
		r.read <- m.GetJob()
	case *messages.DeclareEmergency:
		r.read <- m.GetId()
	}
}

var _ = Describe("A mailbox with a backlog", Label("EMG-4"), func() {
	var (
		system  *actor.ActorSystem
		r       *reader
		refused chan string
	)
	BeforeEach(func() {
		system = actor.NewActorSystem()
		DeferCleanup(func() { system.Shutdown() })
		r = &reader{make(chan struct{}), make(chan string, 100)}
		refused = make(chan string, 100)
	})
	spawn := func(option actor.PropsOption) *actor.PID {
		pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return r }, option))
		system.Root.Send(pid, &messages.StatusRequest{})
		return pid
	}
	reads := func(n int) (all []string) {
		close(r.hold)
		for range n {
			all = append(all, <-r.read)
		}
		return all
	}

	It("has what is about an emergency read first, in its order, stamped or not", func(SpecContext) {
		pid := spawn(urgentFirst())
		for i := range 3 {
			system.Root.Send(pid, &messages.JobRequest{Job: fmt.Sprint("job ", i)})
		}
		system.Root.Send(pid, &messages.DeclareEmergency{Id: "fire"})
		system.Root.Send(pid, &messages.Stamped{Message: &messages.DeclareEmergency{Id: "flood"}})
		Expect(reads(5)).To(Equal([]string{"fire", "flood", "job 0", "job 1", "job 2"}))
	}, SpecTimeout(10*time.Second))

	It("has room for it when it is full, and says so to the others", func(SpecContext) {
		pid := spawn(bounded(10, func(_ *actor.PID, m any) { refused <- jobOf(m) }))
		for i := range 13 {
			system.Root.Send(pid, &messages.JobRequest{Job: fmt.Sprint("job ", i)})
		}
		system.Root.Send(pid, &messages.DeclareEmergency{Id: "fire"})
		Expect(len(refused)).To(BeNumerically(">=", 2))
		Expect(reads(1)).To(Equal([]string{"fire"}))
	}, SpecTimeout(10*time.Second))

	It("takes what is urgent for urgent within its node too", func() {
		Expect(urgent(&merge{urgent: true})).To(BeTrue())
		Expect(urgent(&merge{})).To(BeFalse())
		Expect(urgent(&declaration{})).To(BeTrue())
		Expect(urgent(&messages.Relay{Stop: &messages.StopAttempt{}})).To(BeFalse(), "it must not arrive before what it stops")
		Expect(urgent(&messages.Relay{Answer: &messages.ResultAnswered{Urgent: true}})).To(BeTrue())
	})
})
