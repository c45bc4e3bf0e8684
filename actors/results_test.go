package actors_test

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// slate is an executor's disk in memory. It says nothing while it is stuck.
type slate struct {
	kept   map[string][]byte
	wrote  []actors.ResultChanges
	stuck  bool
	waits  []func()
	breaks error
}

func (s *slate) Load() (map[string][]byte, error) { return maps.Clone(s.kept), nil }

func (s *slate) Write(c actors.ResultChanges, done func(error)) {
	s.wrote = append(s.wrote, c)
	finish := func() {
		maps.DeleteFunc(s.kept, func(key string, _ []byte) bool { return c.Dropped[key] })
		maps.Copy(s.kept, c.Kept)
		done(s.breaks)
	}
	if s.stuck {
		s.waits = append(s.waits, finish)
		return
	}
	finish()
}

func (s *slate) goOn() {
	s.stuck = false
	for _, finish := range s.waits {
		finish()
	}
	s.waits = nil
}

// atOnce is a workbench on which everything is done at once.
type atOnce struct{}

func (atOnce) Run(_ workbench.Task, done func(*job.Result)) func(string) {
	r := &job.Result{Kind: job.Exited, Run: time.Millisecond}
	r.Seal()
	done(r)
	return func(string) {}
}

// office is an executor and the broker of the same node, which is a probe.
type office struct {
	system     *actor.ActorSystem
	root       *actor.RootContext
	executor   *actor.PID
	broker     *actor.PID
	registered []*messages.RegisterExecutor
	finished   []*messages.AttemptFinished
	declined   []*messages.AttemptDeclined
	window     uint32
	broke      []any
	incarnated uint64
}

func openOffice(g Gomega) *office {
	o := &office{}
	clock := messages.NewNodeClock(vclock.Key{Node: "n", Incarnation: 1}, time.Now)
	o.system = newSystem("n", GinkgoWriter)
	o.root = actors.RootContext(o.system, clock)
	var err error
	o.broker, err = o.system.Root.SpawnNamed(actor.PropsFromFunc(o.hear, actors.Stamping(clock)...), messages.BrokerActor)
	g.Expect(err).NotTo(HaveOccurred())
	return o
}

// employ starts an executor of two slots, a new life each time.
func (o *office) employ(g Gomega, results actors.Results) {
	o.incarnated += 1 << 24
	clock := messages.NewNodeClock(vclock.Key{Node: "n", Incarnation: o.incarnated}, time.Now)
	about := &actors.Node{ID: "n", Name: "n", Clock: clock, Now: time.Now, Log: o.system.Logger(), Incarnation: o.incarnated}
	props, err := actors.NewExecutor(about, actors.ExecutorSettings{Slots: 2, Resend: 2 * time.Second, Workbench: atOnce{}, Results: results})
	g.Expect(err).NotTo(HaveOccurred())
	props.Configure(actor.WithGuardian(o))
	o.executor, err = o.system.Root.SpawnNamed(props, messages.ExecutorActor)
	g.Expect(err).NotTo(HaveOccurred())
	o.tell(&messages.PeerUp{Node: "n", Roles: []string{messages.Broker}})
	pass(time.Second)
}

func (o *office) dismiss(g Gomega) {
	g.Expect(o.system.Root.StopFuture(o.executor).Wait()).To(Succeed())
}

func (o *office) close(g Gomega) {
	g.Expect(o.system.Root.StopFuture(o.broker).Wait()).To(Succeed())
}

func (o *office) tell(m any) { o.root.RequestWithCustomSender(o.executor, m, o.broker) }

func (o *office) hear(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.RegisterExecutor:
		o.registered = append(o.registered, m)
		o.window = m.GetCapabilities().GetWindow()
		ctx.Request(ctx.Sender(), &messages.ExecutorRegistered{Lease: m.GetLease(), HeartbeatMs: 500, TimeoutMs: 3000})
	case *messages.Heartbeat:
		if c := m.GetCapabilities(); c != nil {
			o.window = c.GetWindow()
		}
		ctx.Request(ctx.Sender(), &messages.HeartbeatAnswered{Lease: m.GetLease(), Known: true})
	case *messages.AttemptFinished:
		o.finished = append(o.finished, m)
		o.window = m.GetWindow()
	case *messages.AttemptDeclined:
		o.declined = append(o.declined, m)
	}
}

// HandleFailure implements [actor.SupervisorStrategy].
func (o *office) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	o.broke = append(o.broke, reason)
	s.StopChildren(child)
}

// soon is when a result is written.
const soon = 21 * time.Millisecond

func nth(n int) job.Name {
	return job.Name{Job: job.ID(fmt.Sprintf("J%05d", n)), Owner: job.Ownership{Journal: "J"}, Incarnation: 1, N: 1}
}

func (o *office) deploy(n int) {
	spec := &job.Spec{Module: job.Blob{Digest: [32]byte{1}}}
	o.tell(&messages.DeployAttempt{Attempt: messages.AttemptToWire(nth(n)), Spec: spec.Append(nil), Mac: []byte("mac")})
}

func (o *office) answer(n int, held bool) {
	o.tell(&messages.ResultAnswered{Attempt: messages.AttemptToWire(nth(n)), Accepted: !held, Held: held})
}

var _ = Describe("An executor's results", Label("LOSS-5"), func() {
	inOffice := func(tell func(g Gomega, o *office, s *slate)) {
		inVirtualTime(func(g Gomega) {
			o, s := openOffice(g), &slate{kept: map[string][]byte{}}
			o.employ(g, s)
			tell(g, o, s)
			o.dismiss(g)
			o.close(g)
		})
	}

	It("are sent at once, and written soon, many together", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			s.stuck = true
			for n := range 5 {
				o.deploy(n)
				pass(time.Millisecond)
				g.Expect(o.finished).To(HaveLen(n + 1))
			}
			pass(soon)
			g.Expect(s.wrote).To(HaveLen(1))
			s.goOn()
			pass(time.Millisecond)
			g.Expect(s.kept).To(HaveLen(5))
		})
	})

	It("cost no write if they are answered soon, or while another one is being written", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			o.deploy(0)
			pass(time.Millisecond)
			o.answer(0, false)
			pass(5 * time.Second)
			g.Expect(s.wrote).To(BeEmpty())
			s.stuck = true
			o.deploy(1)
			pass(soon)
			for n := 2; n < 20; n++ {
				o.deploy(n)
				pass(soon)
				o.answer(n, false)
			}
			pass(time.Millisecond)
			s.goOn()
			pass(5 * time.Second)
			g.Expect(s.wrote).To(HaveLen(1))
			g.Expect(s.kept).To(HaveLen(1))
			o.answer(1, false)
			pass(5 * time.Second)
			g.Expect(s.wrote).To(HaveLen(2))
			g.Expect(s.kept).To(BeEmpty())
		})
	})

	It("of an attempt that is deployed once more after its answer are dropped with the earlier ones", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			o.deploy(1)
			pass(soon)
			g.Expect(s.kept).To(HaveLen(1))
			s.stuck = true
			o.deploy(2)
			pass(soon)
			for range 2 {
				o.answer(1, false)
				o.deploy(1)
				pass(time.Millisecond)
			}
			o.answer(1, false)
			o.answer(2, false)
			pass(time.Millisecond)
			s.goOn()
			pass(5 * time.Second)
			g.Expect(s.kept).To(BeEmpty())
		})
	})

	It("that are held until others agree stay", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			o.deploy(1)
			pass(time.Millisecond)
			o.answer(1, true)
			pass(5 * time.Second)
			g.Expect(s.kept).To(HaveLen(1))
			g.Expect(len(o.finished)).To(BeNumerically(">", 2), "it is sent again")
		})
	})

	It("are reported, and sent, by the next life", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			o.deploy(1)
			o.deploy(2)
			pass(time.Millisecond)
			o.dismiss(g)
			sent := o.finished
			o.registered, o.finished = nil, nil
			o.employ(g, s)
			g.Expect(o.registered).To(HaveLen(1))
			g.Expect(messages.AttemptsFromWire(o.registered[0].GetRunning())).To(Equal([]job.Name{nth(1), nth(2)}))
			g.Expect(o.registered[0].GetMacs()).To(Equal([][]byte{[]byte("mac"), []byte("mac")}))
			g.Expect(o.finished).To(HaveLen(2))
			g.Expect(o.finished[0].GetResult()).To(Equal(sent[0].GetResult()))
			o.answer(1, false)
			o.answer(2, false)
			pass(time.Second)
			g.Expect(s.kept).To(BeEmpty())
		})
	})

	It("that nobody answers fill no disk: the executor takes no more work, and lets the oldest go after a minute", func() {
		inOffice(func(g Gomega, o *office, s *slate) {
			for n := range 1100 {
				o.deploy(n)
				pass(time.Millisecond)
			}
			pass(time.Second)
			g.Expect(s.kept).To(HaveLen(1024))
			g.Expect(o.declined).To(HaveLen(1100 - 1024))
			g.Expect(o.window).To(BeZero())
			for held := 100; held < 124; held++ {
				o.answer(held, true)
			}
			o.declined = nil
			pass(time.Minute)
			g.Expect(s.kept).To(HaveLen(768))
			g.Expect(o.declined).To(HaveLen(256))
			g.Expect(messages.AttemptFromWire(o.declined[0].GetAttempt())).To(Equal(nth(100)), "a broker holds it")
			g.Expect(messages.AttemptFromWire(o.declined[24].GetAttempt())).To(Equal(nth(0)), "the oldest of the others")
			g.Expect(o.window).NotTo(BeZero())

			o.dismiss(g)
			o.registered = nil
			o.employ(g, s)
			g.Expect(o.registered[0].GetRunning()).To(HaveLen(768))
		})
	})

	It("that cannot be kept on a failing disk end the executor", func() {
		inVirtualTime(func(g Gomega) {
			o, s := openOffice(g), &slate{kept: map[string][]byte{}, breaks: errors.New("input/output error")}
			o.employ(g, s)
			o.deploy(1)
			pass(time.Second)
			g.Expect(o.broke).To(ConsistOf("the journal cannot be written: input/output error"))
			o.close(g)
		})
	})

	DescribeTable("that cannot be read are refused", func(key string, value []byte, sentence string) {
		_, err := actors.NewExecutor(&actors.Node{Name: "n"}, actors.ExecutorSettings{Results: &slate{kept: map[string][]byte{key: value}}})
		Expect(err).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("because of their key", "?", []byte{1}, "executor n: kept result: name of an attempt"),
		Entry("because their format is newer", string(nth(1).Append(nil)), []byte{2}, "job J00001 has format 2, this program knows 1"),
		Entry("because of what they say", string(nth(1).Append(nil)), []byte{1, 9}, "executor n: kept result of job J00001"),
	)
})
