package actors_test

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// loneBroker starts a broker, and an executor that hears what it is told and does nothing.
func loneBroker(g Gomega, hears actor.ReceiveFunc) (root *actor.RootContext, broker, executor *actor.PID, stop func()) {
	clock := messages.NewNodeClock(vclock.Key{Node: "b1", Incarnation: 1}, time.Now)
	system := newSystem("b1", GinkgoWriter)
	about := &actors.Node{ID: "b1", Name: "b1", Clock: clock, Now: time.Now, Log: system.Logger(), Incarnation: 1}
	props, err := actors.NewBroker(about, actors.BrokerSettings{
		Heartbeat: time.Second, LeaseTimeout: time.Hour, Reconnect: time.Second, SyncInterval: time.Second, BrokerTimeout: time.Minute, MaxQueued: 9, First: true,
	})
	g.Expect(err).NotTo(HaveOccurred())
	broker, err = system.Root.SpawnNamed(props, messages.BrokerActor)
	g.Expect(err).NotTo(HaveOccurred())
	executor, err = system.Root.SpawnNamed(actor.PropsFromFunc(hears, actors.Stamping(clock)...), messages.ExecutorActor)
	g.Expect(err).NotTo(HaveOccurred())
	return actors.RootContext(system, clock), broker, executor, func() {
		system.Root.Stop(broker)
		system.Root.Stop(executor)
	}
}

var _ = Describe("A supervisor that breaks down", Label("JOB-2"), func() {
	It("is replaced from the ledger, and its job goes on", func() {
		inVirtualTime(func(g Gomega) {
			deployed := 0
			var supervisor *actor.PID
			root, broker, executor, stop := loneBroker(g, func(ctx actor.Context) {
				if _, ok := ctx.Message().(*messages.DeployAttempt); ok {
					deployed++
					supervisor = ctx.Sender()
				}
			})
			defer stop()
			root.RequestWithCustomSender(broker, &messages.RegisterExecutor{Name: "e", Lease: 1, Capabilities: &messages.Capabilities{Slots: 1, Window: 1, Memory: 1}}, executor)
			id := job.ID("01J0000000000000-b1")
			spec := &job.Spec{Module: job.Blob{Digest: [32]byte{1}}, Retention: time.Hour}
			root.RequestWithCustomSender(broker, actors.Submission(id, spec), executor)
			pass(time.Second)
			g.Expect(deployed).To(Equal(1))

			root.Send(supervisor, actors.Told(job.Finished{Signed: true})) // a result that is nil: only a bug could send it
			pass(time.Second)
			res, err := root.RequestFuture(broker, actors.CancelJob(id, "c"), time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(messages.Unstamp(res)).To(BeAssignableToTypeOf(&messages.JobChanged{}))
			pass(time.Second)
			res, err = root.RequestFuture(broker, actors.ShowJob(id), time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			j, err := job.Decode(messages.Unstamp(res).(*messages.JobChanged).GetRecord())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(j.State()).To(Equal(job.StateCancelled))
			g.Expect(deployed).To(Equal(1), "the attempt went on")
		})
	})
})

var _ = Describe("An executor that comes with a result that nobody has answered", Label("JOB-2", "PLACE-1"), func() {
	It("has its slot free: the result may be answered by another broker, and nothing more is heard of it", func() {
		inVirtualTime(func(g Gomega) {
			deployed := 0
			root, broker, executor, stop := loneBroker(g, func(ctx actor.Context) {
				if _, ok := ctx.Message().(*messages.DeployAttempt); ok {
					deployed++
				}
			})
			defer stop()
			register := func(lease uint64, finished uint32) {
				root.RequestWithCustomSender(broker, &messages.RegisterExecutor{
					Name: "e", Lease: lease, Capabilities: &messages.Capabilities{Slots: 1, Window: 1, Memory: 1},
					Running:  []*messages.AttemptName{messages.AttemptToWire(job.Name{Job: "01J0000000000000-b2", Owner: job.Ownership{Journal: "b2"}, N: 1})},
					Finished: finished,
				}, executor)
			}
			register(1, 0)
			id := job.ID("01J0000000000000-b1")
			spec := &job.Spec{Module: job.Blob{Digest: [32]byte{1}}, Retention: time.Hour}
			root.RequestWithCustomSender(broker, actors.Submission(id, spec), executor)
			pass(time.Second)
			g.Expect(deployed).To(BeZero(), "the slot is taken by what it runs")
			register(2, 1)
			pass(time.Second)
			g.Expect(deployed).To(Equal(1))
		})
	})
})
