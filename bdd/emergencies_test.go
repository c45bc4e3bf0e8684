package bdd_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// The levels of an emergency, as they travel.
const (
	lowLevel = iota + 1
	mediumLevel
	highLevel
	criticalLevel
)

// declare has a client declare an emergency at a broker, and returns what it is told.
func declare(c *sim.Client, broker, kind string, level uint32, also ...func(*messages.DeclareEmergency)) *messages.EmergencyInfo {
	GinkgoHelper()
	m := &messages.DeclareEmergency{Id: string(c.NewID(broker)), Type: kind, Level: level, Reason: "it burns"}
	for _, change := range also {
		change(m)
	}
	answer, ok := c.Ask(broker, m).(*messages.EmergencyDeclared)
	Expect(ok).To(BeTrue())
	return answer.GetEmergency()
}

// clearAt has a client end an emergency at a broker.
func clearAt(c *sim.Client, broker, id string) {
	GinkgoHelper()
	_, ok := c.Ask(broker, &messages.ClearEmergency{Id: id, Reason: "it is out"}).(*messages.EmergencyDeclared)
	Expect(ok).To(BeTrue())
}

// emergencies is what a broker knows of them.
func emergencies(w *sim.World, broker string) *messages.EmergenciesResponse {
	GinkgoHelper()
	m, ok := w.Look(broker, &messages.EmergenciesRequest{}).(*messages.EmergenciesResponse)
	Expect(ok).To(BeTrue())
	return m
}

func levelAt(w *sim.World, broker string) uint32 {
	GinkgoHelper()
	return emergencies(w, broker).GetLevel()
}

// of is a program that belongs to an emergency.
func of(kind string, args ...string) *job.Spec {
	s := sim.Program(args...)
	s.Emergency = kind
	return s
}

// starts notes which jobs' programs begin, and when, as brokers hear it.
type starts struct {
	at map[job.ID][]time.Duration
}

func watchStarts(w *sim.World) *starts {
	s := &starts{at: map[job.ID][]time.Duration{}}
	w.OnArrival(func(a sim.Arrival) {
		if m, ok := a.Message.(*messages.AttemptStarted); ok {
			id := job.ID(m.GetAttempt().GetJob())
			s.at[id] = append(s.at[id], a.At)
		}
	})
	return s
}

// between counts those of these jobs that began within a time.
func (s *starts) between(ids []job.ID, from, to time.Duration) (n int) {
	for _, id := range ids {
		for _, at := range s.at[id] {
			if at > from && at < to {
				n++
			}
		}
	}
	return n
}

func submitAll(c *sim.Client, broker string, n int, spec func() *job.Spec) (ids []job.ID) {
	for range n {
		ids = append(ids, c.Submit(broker, spec()))
	}
	return ids
}

// acceptedOnce expects that jobs ended well, each with one result that was accepted, everywhere.
func acceptedOnce(w *sim.World, ids []job.ID, brokers ...string) {
	GinkgoHelper()
	for _, id := range ids {
		same(w, id, brokers...)
		j := seen(w, brokers[0], id)
		Expect(j.State()).To(Equal(job.StateAccepted), "job %s: %s", id, told(w, brokers[0], id).GetWaiting())
		won := 0
		for _, t := range j.Tenures {
			for _, a := range t.Attempts {
				if a.State == job.Won {
					won++
				}
			}
		}
		Expect(won).To(Equal(1), "job %s", id)
	}
}

var _ = Describe("An emergency", Label("EMG-1"), func() {
	It("that is declared at one broker is known at all others at once, with who declared it, when and where", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("warden", "b1")
			w.Run(time.Second)
			e := declare(c, "b1", "fire", criticalLevel, func(m *messages.DeclareEmergency) { m.Area, m.TtlMs = "north", 60_000 })
			Expect(e.GetLeftMs()).To(BeNumerically("~", 60_000, 100))
			w.Run(20 * time.Millisecond)
			for _, b := range []string{"b1", "b2", "b3"} {
				all := emergencies(w, b)
				Expect(all.GetLevel()).To(BeEquivalentTo(criticalLevel))
				Expect(all.GetEmergencies()).To(HaveLen(1))
				known := all.GetEmergencies()[0]
				Expect(known).To(And(
					HaveField("Type", "fire"), HaveField("Area", "north"), HaveField("Reason", "it burns"), HaveField("ByName", "warden"),
					HaveField("BrokerName", "b1"), HaveField("AtMs", e.GetAtMs()), HaveField("Over", false)))
				Expect(w.Status(b).GetEmergencyLevel()).To(BeEquivalentTo(criticalLevel))
			}
		})
	})

	It("counts by the highest of those in force, and what is cleared leaves the others", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			declare(c, "b1", "flood", lowLevel)
			high := declare(c, "b2", "fire", highLevel)
			declare(c, "b1", "medical", mediumLevel)
			w.Run(time.Second)
			Expect(levelAt(w, "b1")).To(BeEquivalentTo(highLevel))
			clearAt(c, "b1", high.GetId()[:20])
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2"} {
				Expect(levelAt(w, b)).To(BeEquivalentTo(mediumLevel))
				list := emergencies(w, b).GetEmergencies()
				Expect(list).To(HaveLen(3), "those that are over are shown for a while")
				Expect(list[0].GetType()).To(Equal("flood"), "in causal order")
				Expect(list[1]).To(And(HaveField("Type", "fire"), HaveField("Over", true), HaveField("OverBy", "c1"), HaveField("OverReason", "it is out")))
			}
		})
	})

	It("declared on both sides of a partition has the highest level everywhere after the heal, and each is cleared by itself", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b3")
			w.Run(time.Second)
			w.Split("b1", "c1")
			declare(one, "b1", "fire", mediumLevel)
			critical := declare(two, "b3", "flood", criticalLevel)
			w.Run(2 * time.Second)
			Expect(levelAt(w, "b1")).To(BeEquivalentTo(mediumLevel))
			Expect(levelAt(w, "b2")).To(BeEquivalentTo(criticalLevel))
			w.Heal()
			w.Run(5 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(levelAt(w, b)).To(BeEquivalentTo(criticalLevel))
			}
			clearAt(one, "b1", critical.GetId())
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(levelAt(w, b)).To(BeEquivalentTo(mediumLevel))
			}
		})
	})

	It("ends by itself when its time is over, also if the broker that it was declared at is gone for good", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1")
			w.Run(time.Second)
			declare(c, "b1", "fire", highLevel, func(m *messages.DeclareEmergency) { m.TtlMs = 10_000 })
			w.Run(5 * time.Second)
			w.Kill("b1")
			Expect(levelAt(w, "b2")).To(BeEquivalentTo(highLevel))
			w.Run(4 * time.Second)
			Expect(levelAt(w, "b2")).To(BeEquivalentTo(highLevel))
			w.Run(7 * time.Second)
			for _, b := range []string{"b2", "b3"} {
				Expect(levelAt(w, b)).To(BeZero())
				Expect(emergencies(w, b).GetEmergencies()[0].GetOverReason()).To(Equal("its time is over"))
			}
		})
	})

	It("is on disk when it is acknowledged, and is in force again after a power loss", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			declare(c, "b1", "fire", highLevel)
			w.PowerOff("b1")
			w.Start("b1")
			w.Run(time.Second)
			Expect(levelAt(w, "b1")).To(BeEquivalentTo(highLevel))
		})
	})

	It("declared twice under one id is one, and refused if it says something else", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			e := declare(c, "b1", "fire", highLevel)
			w.Run(time.Second)
			again := &messages.DeclareEmergency{Id: e.GetId(), Type: "fire", Level: highLevel, Reason: "it burns"}
			Expect(c.Ask("b2", again)).To(HaveField("Emergency.AtMs", e.GetAtMs()))
			Expect(emergencies(w, "b2").GetEmergencies()).To(HaveLen(1))
			other := &messages.DeclareEmergency{Id: e.GetId(), Type: "fire", Level: lowLevel}
			Expect(c.Ask("b2", other)).To(HaveField("Code", messages.Refused_CONFLICT))
		})
	})

	It("is forgotten everywhere a while after it is over, and its id is not taken again", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			e := declare(c, "b1", "fire", highLevel)
			clearAt(c, "b2", e.GetId())
			w.Run(40 * time.Second)
			for _, b := range []string{"b1", "b2"} {
				Expect(emergencies(w, b).GetEmergencies()).To(BeEmpty())
			}
			again := c.Ask("b1", &messages.DeclareEmergency{Id: e.GetId(), Type: "fire", Level: highLevel})
			Expect(again).To(HaveField("Code", messages.Refused_RENAMED))
		}, sim.With(func(s *sim.Settings) { s.Broker.KeepEmergency = 10 * time.Second }))
	})

	DescribeTable("is refused with the reason when it makes no sense", func(change func(*messages.DeclareEmergency), why string) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			m := &messages.DeclareEmergency{Id: string(c.NewID("b1")), Type: "fire", Level: highLevel}
			change(m)
			Expect(c.Ask("b1", m)).To(And(HaveField("Code", messages.Refused_INVALID), HaveField("Reason", ContainSubstring(why))))
		})
	},
		Entry("without a level", func(m *messages.DeclareEmergency) { m.Level = 0 }, "1 (low) to 4 (critical)"),
		Entry("beyond critical", func(m *messages.DeclareEmergency) { m.Level = 5 }, "1 (low) to 4 (critical)"),
		Entry("without a type", func(m *messages.DeclareEmergency) { m.Type = "" }, "small letters"),
		Entry("with control characters", func(m *messages.DeclareEmergency) { m.Reason = "a\x1b[2J" }, "on one line"),
		Entry("for years", func(m *messages.DeclareEmergency) { m.TtlMs = 1 << 60 }, "time to live"),
		Entry("with an id that is none", func(m *messages.DeclareEmergency) { m.Id = "../x" }, "letters, digits and dashes"),
	)

	It("is refused where the right is kept for operators, with who may", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			m := &messages.DeclareEmergency{Id: string(c.NewID("b1")), Type: "fire", Level: highLevel}
			Expect(c.Ask("b1", m)).To(HaveField("Reason",
				"c1 may not: at this broker, emergencies are declared and cleared by those whose certificate has the role operator"))
			Expect(c.Ask("b1", &messages.ClearEmergency{Id: m.GetId()})).To(HaveField("Reason", ContainSubstring("role operator")))
			Expect(levelAt(w, "b1")).To(BeZero())
			Expect(c.Submit("b1", of("fire", "1s"))).NotTo(BeEmpty(), "anybody may submit its jobs")
		}, sim.With(func(s *sim.Settings) { s.Gateway.Declare = "operator" }))
	})

	It("cannot be declared without bound", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			for range 256 {
				declare(c, "b1", "fire", lowLevel)
			}
			answer := c.Ask("b1", &messages.DeclareEmergency{Id: string(c.NewID("b1")), Type: "fire", Level: lowLevel})
			Expect(answer).To(And(HaveField("Code", messages.Refused_BUSY), HaveField("Reason", ContainSubstring("clear some"))))
		})
	})
})

var _ = Describe("Jobs in an emergency", Label("EMG-2"), func() {
	// order has jobs wait at a broker without executors, then lets one slot have them one after the other, and returns in which order they began.
	order := func(level uint32, specs ...*job.Spec) (names []string) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			ids := map[job.ID]string{}
			for _, s := range specs {
				ids[c.Submit("b1", s)] = s.Name
			}
			if level > 0 {
				declare(c, "b1", "fire", level)
			}
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.AttemptStarted); ok {
					names = append(names, ids[job.ID(m.GetAttempt().GetJob())])
				}
			})
			w.ExecutorWith("e1", 1, nil, "b1")
			w.Run(time.Minute)
		})
		return names
	}
	named := func(name string, priority uint8, emergency string) *job.Spec {
		s := of(emergency, "1s")
		s.Name, s.Priority = name, priority
		return s
	}
	mixed := func() []*job.Spec {
		return []*job.Spec{named("urgent", 50, ""), named("normal", 10, ""), named("of the fire", 5, "fire")}
	}

	It("that belong to one are like others while none is in force", func() {
		Expect(order(0, mixed()...)).To(Equal([]string{"urgent", "normal", "of the fire"}))
	})
	It("that belong to one have a head start in their class at low", func() {
		Expect(order(lowLevel, mixed()...)).To(Equal([]string{"urgent", "of the fire", "normal"}))
	})
	It("that belong to one come first at medium", func() {
		Expect(order(mediumLevel, mixed()...)).To(Equal([]string{"of the fire", "urgent", "normal"}))
	})
	It("that belong to one are the only ones to start at high", func() {
		Expect(order(highLevel, mixed()...)).To(Equal([]string{"of the fire"}))
	})

	It("do not start at high, at any broker that knows, say why, and all finish after it is cleared, each with exactly one result", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			for i := range 3 {
				w.ExecutorWith(fmt.Sprintf("e%d", i+1), 2, nil, fmt.Sprintf("b%d", i+1))
			}
			c := w.Client("c1")
			began := watchStarts(w)
			var normal, urgent []job.ID
			for _, b := range []string{"b1", "b2", "b3"} {
				normal = append(normal, submitAll(c, b, 20, func() *job.Spec { return sim.Program("2s") })...)
			}
			w.Run(time.Second)
			e := declare(c, "b2", "fire", highLevel)
			w.Run(10 * time.Millisecond) // until everybody has heard
			since := w.Now()
			for _, b := range []string{"b1", "b2", "b3"} {
				urgent = append(urgent, submitAll(c, b, 4, func() *job.Spec { return of("fire", "1s") })...)
				normal = append(normal, submitAll(c, b, 4, func() *job.Spec { return sim.Program("1s") })...)
			}
			w.Run(20 * time.Second)
			Expect(began.between(urgent, since, w.Now())).To(Equal(len(urgent)), "those of the emergency all began")
			Expect(began.between(normal, since, w.Now())).To(BeZero(), "no other did")
			waiting := normal[len(normal)-1]
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(told(w, b, waiting).GetWaiting()).To(Equal("only emergency jobs start: emergency fire (high)"))
			}
			clearAt(c, "b3", e.GetId())
			w.Run(2 * time.Minute)
			acceptedOnce(w, append(urgent, normal...), "b1", "b2", "b3")
		})
	})

	It("that lie at an executor and have not begun are taken back at high", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 1, nil, "b1")
			c := w.Client("c1")
			began := watchStarts(w)
			for range 10 { // short ones: the executor asks for more than it runs
				c.Submit("b1", sim.Program("500us"))
			}
			w.Run(time.Second)
			ids := submitAll(c, "b1", 6, func() *job.Spec { return sim.Program("2s") })
			placed := func() (n int) {
				for _, id := range ids {
					n += len(seen(w, "b1", id).Current().Live())
				}
				return n
			}
			Expect(placed()).To(BeNumerically(">", 2), "one runs, others lie there")
			e := declare(c, "b1", "fire", highLevel)
			w.Run(10 * time.Millisecond)
			since := w.Now()
			Expect(placed()).To(BeNumerically("<=", 1), "what runs goes on")
			w.Run(10 * time.Second)
			Expect(began.between(ids, since, w.Now())).To(BeZero())
			clearAt(c, "b1", e.GetId())
			w.Run(30 * time.Second)
			acceptedOnce(w, ids, "b1")
		})
	})

	It("that run make room at critical, lose no retry, and go on in their order when it is cleared", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e1", 2, nil, "b1")
			w.ExecutorWith("e2", 2, nil, "b2")
			c := w.Client("c1")
			began := watchStarts(w)
			var normal []job.ID
			for _, b := range []string{"b1", "b2"} {
				normal = append(normal, submitAll(c, b, 6, func() *job.Spec { return sim.Program("5s") })...)
			}
			w.Run(time.Second)
			Expect(runs(w, "e1", "e2")).To(BeNumerically(">=", 4))
			first := slices.Clone(slices.DeleteFunc(slices.Clone(normal), func(id job.ID) bool { return len(began.at[id]) == 0 }))
			e := declare(c, "b1", "fire", criticalLevel)
			since := w.Now()
			urgent := submitAll(c, "b2", 4, func() *job.Spec { return of("fire", "1s") })
			w.Run(300 * time.Millisecond)
			for _, id := range urgent {
				Expect(began.at[id]).To(HaveLen(1))
				Expect(began.at[id][0]-since).To(BeNumerically("<", 200*time.Millisecond), "there was room at once")
			}
			Expect(w.Stops("e1") + w.Stops("e2")).To(BeNumerically(">=", 4))
			w.Run(10 * time.Second)
			cleared := w.Now()
			clearAt(c, "b2", e.GetId())
			w.Run(100 * time.Millisecond)
			Expect(began.between(first, cleared, w.Now())).To(BeNumerically(">=", 4), "those that ran go on first")
			w.Run(time.Minute)
			acceptedOnce(w, append(urgent, normal...), "b1", "b2")
			for _, id := range first {
				t := seen(w, "b1", id).Current()
				Expect(t.Failures).To(BeZero())
				Expect(t.Attempts).To(ContainElement(And(HaveField("State", job.SetAside), HaveField("Note", "emergency fire (critical)"))))
			}
		})
	})

	It("that began at a broker before it heard are set aside when it does", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e2", 1, nil, "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			w.Run(time.Second)
			w.Split("b1", "c1")
			declare(one, "b1", "fire", criticalLevel)
			id := two.Submit("b2", sim.Program("1h"))
			w.Run(2 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateRunning))
			w.Heal()
			w.Run(5 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateQueued))
			Expect(w.Stops("e2")).To(Equal(1))
		})
	})

	It("are not used up by emergencies that come again and again", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 1, nil, "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("10s"))
			for range 18 {
				w.Run(time.Second)
				e := declare(c, "b1", "fire", criticalLevel)
				w.Run(100 * time.Millisecond)
				clearAt(c, "b1", e.GetId())
			}
			w.Run(20 * time.Second)
			acceptedOnce(w, []job.ID{id}, "b1")
			j := seen(w, "b1", id)
			Expect(j.Preempted()).To(Equal(16), "one that made room so often is let run")
		})
	})
})

var _ = Describe("Executors that suit an emergency", Label("EMG-3"), func() {
	DescribeTable("are preferred", func(area string, labels map[string]string) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("a-plain", 4, map[string]string{"location": "south"}, "b1")
			w.ExecutorWith("z-suited", 4, labels, "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			before := c.Submit("b1", of("medical", "10s"))
			w.Run(time.Second)
			Expect(seen(w, "b1", before).Current().Attempts[0].Executor).To(Equal(w.Node("a-plain").ID), "without an emergency it is as any job")
			declare(c, "b1", "medical", mediumLevel, func(m *messages.DeclareEmergency) { m.Area = area })
			for range 3 {
				id := c.Submit("b1", of("medical", "1h"))
				w.Run(100 * time.Millisecond)
				Expect(seen(w, "b1", id).Current().Attempts[0].Executor).To(Equal(w.Node("z-suited").ID))
			}
		})
	},
		Entry("if a label is called as its type", "", map[string]string{"medical": "yes"}),
		Entry("if a label says its type", "", map[string]string{"equipment": "medical"}),
		Entry("if they are in its area", "north", map[string]string{"location": "north"}),
	)
})

var _ = Describe("The record of an emergency", Label("EMG-4"), func() {
	It("overtakes the ledger that is on its way to a peer", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1", "b1")
			submitAll(c, "b1", 400, func() *job.Spec { return sim.Program("1h") })
			w.Broker("b2") // and hears of all that, in some hundred parts
			bulk := 0
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.SyncDelta); ok && a.To == "b2" && !m.GetUrgent() {
					bulk++
				}
			})
			Expect(w.RunUntil(10*time.Second, func() bool { return bulk > 3 })).To(BeTrue())
			at := w.Now()
			declare(c, "b1", "fire", highLevel)
			Expect(w.RunUntil(time.Second, func() bool { return levelAt(w, "b2") == highLevel })).To(BeTrue())
			Expect(w.Now() - at).To(BeNumerically("<", 20*time.Millisecond))
			Expect(w.Status("b2").GetRecords()).To(BeNumerically("<", 300), "the rest is still on its way")
			w.Run(30 * time.Second)
			Expect(w.Status("b2").GetRecords()).To(BeNumerically(">", 400))
		}, sim.With(func(s *sim.Settings) { s.Broker.PartBytes = 1 << 10 }))
	})
})

var _ = Describe("Copies of bytes", Label("EMG-5"), func() {
	It("of other jobs wait while an emergency is high, records do not, and go on when it is cleared", func() {
		var copied atomic.Int32
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			e := declare(c, "b1", "fire", highLevel)
			w.Run(time.Second)
			ids := submitAll(c, "b1", 5, func() *job.Spec { return sim.Program("1s") })
			w.Run(time.Second)
			Expect(seen(w, "b2", ids[0]).ID).To(Equal(ids[0]), "the record is there")
			Expect(copied.Load()).To(BeZero())
			c.Submit("b1", of("fire", "1s"))
			w.Run(time.Second)
			Expect(copied.Load()).To(BeEquivalentTo(1), "those of the emergency's jobs are copied")
			clearAt(c, "b2", e.GetId())
			w.Run(time.Second)
			Expect(copied.Load()).To(BeEquivalentTo(6))
		}, sim.With(func(s *sim.Settings) { s.Broker.Bytes = func([]*job.Blob) { copied.Add(1) } }))
	})
})
