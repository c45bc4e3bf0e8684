package actors_test

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

type (
	ping  struct{ n int }
	pong  struct{ n int }
	relay struct{ to *actor.PID }
)

// place is a node as far as stamps go: a clock, a system, a way in from outside.
type place struct {
	system *actor.ActorSystem
	clock  *messages.NodeClock
	root   *actor.RootContext
}

func newPlace(name string, incarnation uint64) *place {
	return onSystem(newSystem(name, GinkgoWriter), name, incarnation)
}

// onSystem is a second node in one actor system, which delivers between the two without a link.
func onSystem(system *actor.ActorSystem, name string, incarnation uint64) *place {
	clock := messages.NewNodeClock(vclock.Key{Node: name, Incarnation: incarnation}, time.Now)
	return &place{system, clock, actors.RootContext(system, clock)}
}

func (p *place) spawn(receive actor.ReceiveFunc) *actor.PID {
	return p.root.Spawn(actor.PropsFromFunc(receive, actors.Stamping(p.clock)...))
}

// tap spawns an actor without the middleware, which sees messages as they travel.
func (p *place) tap(into *[]any) *actor.PID {
	return p.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case actor.SystemMessage, actor.AutoReceiveMessage:
		default:
			*into = append(*into, ctx.Message())
		}
	}))
}

func (p *place) now() string { return p.clock.Now().String() }

// answer replies pong to ping, and passes ping on if it was told to.
func answer(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *ping:
		ctx.Respond(&pong{m.n})
	case *relay:
		ctx.Forward(m.to)
	}
}

// join links two systems as cluster/link does, with stamps in their encoded form: actors get them, futures do not.
func join(a, b *place) {
	connect := func(from, to *place) {
		l := &oneWay{to: to, from: from}
		from.system.ProcessRegistry.RegisterAddressResolver(func(pid *actor.PID) (actor.Process, bool) {
			return l, pid.Address == to.system.Address()
		})
	}
	connect(a, b)
	connect(b, a)
}

type oneWay struct {
	from, to *place
	encoder  messages.StampEncoder
	decoder  messages.StampDecoder
	plain    int // messages that had no stamp
}

func (l *oneWay) SendUserMessage(pid *actor.PID, message any) {
	_, content, sender := actor.UnwrapEnvelope(message)
	stamped, ok := content.(*messages.Stamped)
	if !ok {
		l.plain++
		return
	}
	stamp, _, err := l.decoder.Decode(l.encoder.Append(nil, stamped.Stamp))
	if err != nil {
		panic(err)
	}
	content = &messages.Stamped{Stamp: stamp, Message: stamped.Message}
	target := actor.NewPID(l.to.system.Address(), pid.Id)
	if process, _ := l.to.system.ProcessRegistry.GetLocal(pid.Id); !isActor(process) {
		l.to.clock.Merge(stamp)
		content = stamped.Message
	}
	if sender != nil {
		sender = actor.NewPID(sender.Address, sender.Id)
	}
	l.to.system.Root.Send(target, &actor.MessageEnvelope{Message: content, Sender: sender})
}

func isActor(process actor.Process) bool {
	_, ok := process.(*actor.ActorProcess)
	return ok
}

func (l *oneWay) SendSystemMessage(*actor.PID, any) {}
func (l *oneWay) Stop(*actor.PID)                   {}

var _ = Describe("A message between actors", Label("CLK-1"), func() {
	It("carries the clock of the node that sends it", func() {
		inVirtualTime(func(g Gomega) {
			var seen []any
			b1 := newPlace("b1", 1)
			tap := b1.tap(&seen)
			sender := b1.spawn(func(ctx actor.Context) {
				if m, ok := ctx.Message().(*ping); ok {
					ctx.Send(tap, &pong{m.n})
					ctx.Request(tap, &pong{m.n})
				}
			})
			b1.root.Send(sender, &ping{7})
			pass(time.Second)
			g.Expect(seen).To(HaveLen(2))
			for i, m := range seen {
				stamped, ok := m.(*messages.Stamped)
				g.Expect(ok).To(BeTrue())
				g.Expect(stamped.Message).To(Equal(&pong{7}))
				g.Expect(stamped.Stamp.String()).To(Equal(fmt.Sprintf("{b1:%d}", i+2))) // after the ping
				g.Expect(stamped.Stamp.Hybrid().Time()).To(BeTemporally("~", time.Now(), 2*time.Second))
			}
		})
	})

	It("is merged into the receiving node's clock before it is handled", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			e1 := onSystem(b1.system, "e1", 1)
			var handled []string
			receiver := e1.spawn(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*ping); ok {
					handled = append(handled, e1.now())
				}
			})
			b1.root.Send(receiver, &ping{1})
			b1.root.Send(receiver, &ping{2})
			pass(time.Second)
			g.Expect(handled).To(Equal([]string{"{b1:1}", "{b1:2}"}))
		})
	})

	It("goes across two nodes and back, each learning of the other", func() {
		inVirtualTime(func(g Gomega) {
			b1, e1 := newPlace("b1", 1), newPlace("e1", 1)
			join(b1, e1)
			there := e1.spawn(answer)
			var heard []string
			asker := b1.spawn(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *ping:
					ctx.Request(actor.NewPID("e1", there.Id), &ping{1})
				case *pong:
					heard = append(heard, b1.now())
				}
			})
			b1.root.Send(asker, &ping{1})
			pass(time.Second)
			g.Expect(heard).To(Equal([]string{"{b1:2 e1:1}"}))
			g.Expect(e1.now()).To(Equal("{b1:2 e1:1}"))
		})
	})

	It("is stamped once only, also if it comes stamped already", func() {
		inVirtualTime(func(g Gomega) {
			var seen []any
			b1 := newPlace("b1", 1)
			stamped := &messages.Stamped{Stamp: b1.clock.Tick(), Message: &ping{1}}
			b1.root.Send(b1.tap(&seen), stamped)
			pass(time.Second)
			g.Expect(seen).To(HaveLen(1))
			g.Expect(seen[0]).To(BeIdenticalTo(stamped))
		})
	})

	It("needs no stamp to be understood, since clients send none", Label("CLK-5"), func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			res, err := b1.system.Root.RequestFuture(b1.spawn(answer), &ping{3}, time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(res).To(Equal(&pong{3}))
		})
	})

	It("counts under a new key when its node has started anew", Label("CLK-4"), func() {
		inVirtualTime(func(g Gomega) {
			e1 := newPlace("e1", 1)
			receiver := e1.spawn(answer)
			onSystem(e1.system, "b1", 1).root.Send(receiver, &ping{1})
			pass(time.Second)
			onSystem(e1.system, "b1", 2).root.Send(receiver, &ping{1})
			pass(time.Second)
			g.Expect(e1.now()).To(Equal("{b1#1:1 b1#2:1}"))
		})
	})

	It("never turns a clock back, in whatever order messages arrive", Label("CLK-2"), func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			e1 := onSystem(b1.system, "e1", 1)
			var seen []vclock.Clock
			receiver := e1.spawn(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*ping); ok {
					seen = append(seen, e1.clock.Now().Clock())
				}
			})
			var late []*messages.Stamped
			for i := range 6 {
				late = append(late, &messages.Stamped{Stamp: b1.clock.Tick(), Message: &ping{i}})
			}
			for _, i := range []int{3, 1, 5, 0, 2, 4} {
				b1.root.Send(receiver, late[i])
			}
			pass(time.Second)
			g.Expect(seen).To(HaveLen(6))
			for i := 1; i < len(seen); i++ {
				g.Expect(seen[i-1].Compare(seen[i])).To(BeElementOf(vclock.Before, vclock.Equal))
			}
			g.Expect(seen[5].String()).To(Equal("{b1:6}"))
		})
	})
})

var _ = Describe("Actors with stamps", Label("CLK-1"), func() {
	It("see plain messages and their senders, respond and forward as ever", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			type sight struct {
				message any
				sender  *actor.PID
			}
			var end, back []sight
			look := func(into *[]sight) actor.ReceiveFunc {
				return func(ctx actor.Context) {
					switch m := ctx.Message().(type) {
					case *ping:
						*into = append(*into, sight{m, ctx.Sender()})
						ctx.Respond(&pong{m.n})
					case *pong:
						*into = append(*into, sight{m, ctx.Sender()})
					}
				}
			}
			target := b1.spawn(look(&end))
			var between any
			middle := b1.spawn(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*ping); ok {
					ctx.Forward(target)
					between = ctx.Message() // the envelope is still its own
				}
			})
			asker := b1.spawn(look(&back))
			b1.root.RequestWithCustomSender(middle, &ping{5}, asker)
			pass(time.Second)
			g.Expect(end).To(HaveLen(1))
			g.Expect(end[0].message).To(Equal(&ping{5}))
			g.Expect(end[0].sender.Equal(asker)).To(BeTrue())
			g.Expect(between).To(BeIdenticalTo(end[0].message))
			g.Expect(back).To(Equal([]sight{{message: &pong{5}}}))
			g.Expect(b1.now()).To(Equal("{b1:3}"))
		})
	})

	It("get plain answers to futures, of actors and from outside", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			server := b1.spawn(answer)
			res, err := b1.root.RequestFuture(server, &ping{4}, time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(res).To(Equal(&pong{4}))

			var later any
			asker := b1.spawn(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*ping); ok {
					f := ctx.RequestFuture(server, &ping{6}, time.Second)
					ctx.ReenterAfter(f, func(res any, _ error) { later = res })
				}
			})
			b1.root.Send(asker, &ping{})
			pass(time.Second)
			g.Expect(later).To(Equal(&pong{6}))
		})
	})

	It("get plain answers to futures from another node, and learn from them", func() {
		inVirtualTime(func(g Gomega) {
			b1, e1 := newPlace("b1", 1), newPlace("e1", 1)
			join(b1, e1)
			there := actor.NewPID("e1", e1.spawn(answer).Id)
			res, err := b1.root.RequestFuture(there, &ping{4}, time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(res).To(Equal(&pong{4}))
			g.Expect(b1.now()).To(Equal("{b1:1 e1:1}"))
		})
	})

	It("are told at once of a dead letter", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			start := time.Now()
			_, err := b1.root.RequestFuture(actor.NewPID("b1", "nobody"), &ping{}, time.Hour).Result()
			g.Expect(err).To(MatchError(actor.ErrDeadLetter))
			_, err = b1.root.RequestFuture(b1.spawn(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*ping); ok {
					ctx.Respond(&actor.DeadLetterResponse{})
				}
			}), &ping{}, time.Hour).Result()
			g.Expect(err).To(MatchError(actor.ErrDeadLetter))
			g.Expect(time.Since(start)).To(BeNumerically("<", time.Second))
		})
	})

	It("find the message of a dead letter with Unstamp", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			var lost []any
			b1.system.EventStream.Subscribe(func(ev any) {
				if dead, ok := ev.(*actor.DeadLetterEvent); ok {
					lost = append(lost, messages.Unstamp(dead.Message))
				}
			})
			b1.root.Send(actor.NewPID("b1", "nobody"), &ping{8})
			pass(time.Second)
			g.Expect(lost).To(Equal([]any{&ping{8}}))
		})
	})

	It("are watched, timed out and poisoned without stamps", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			var events []string
			mortal := b1.spawn(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					ctx.SetReceiveTimeout(time.Second)
				case *actor.ReceiveTimeout:
					events = append(events, "idle")
					ctx.Send(ctx.Self(), &actor.PoisonPill{})
				}
			})
			b1.spawn(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					ctx.Watch(mortal)
				case *actor.Terminated:
					events = append(events, "terminated")
				}
			})
			pass(time.Minute)
			g.Expect(events).To(Equal([]string{"idle", "terminated"}))
			g.Expect(b1.now()).To(Equal("{}"))
		})
	})

	It("leave alone what the engine acts on", func() {
		inVirtualTime(func(g Gomega) {
			var seen []any
			b1 := newPlace("b1", 1)
			tap := b1.tap(&seen)
			b1.root.Send(tap, &actor.DeadLetterResponse{})
			b1.root.Send(tap, &actor.ReceiveTimeout{})
			pass(time.Second)
			g.Expect(seen).To(Equal([]any{&actor.DeadLetterResponse{}, &actor.ReceiveTimeout{}}))
			res, err := b1.root.RequestFuture(tap, &actor.Touch{}, time.Second).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(res).To(BeAssignableToTypeOf(&actor.Touched{}))
		})
	})

	It("keep their message and sender over a restart", func() {
		inVirtualTime(func(g Gomega) {
			b1 := newPlace("b1", 1)
			var seen []any
			fragile := b1.spawn(func(ctx actor.Context) {
				if m, ok := ctx.Message().(*ping); ok {
					if seen = append(seen, m); m.n == 1 {
						panic("as the spec wants it")
					}
					ctx.Respond(&pong{m.n})
				}
			})
			b1.root.Send(fragile, &ping{1})
			res, err := b1.root.RequestFuture(fragile, &ping{2}, time.Minute).Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(res).To(Equal(&pong{2}))
			g.Expect(seen).To(Equal([]any{&ping{1}, &ping{2}}))
		})
	})
})
