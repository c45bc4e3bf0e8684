package placement

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func idle(id string) Executor {
	return Executor{ID: id, Name: id, Slots: 2, Window: 2, Memory: 1 << 30}
}

func with(e Executor, change func(*Executor)) Executor {
	change(&e)
	return e
}

// pool returns the executors in a pool, with as many attempts as each says it has.
func pool(executors ...Executor) *Pool {
	p := &Pool{}
	for i := range executors {
		e := &executors[i]
		p.Put(e)
		for used := e.Used; used > 0; used-- {
			e.Used--
			p.Reserve(e, Claim{})
		}
	}
	return p
}

// measured is an executor that has said what its machine has.
func measured(id string, c Capacity) Executor {
	return with(idle(id), func(e *Executor) {
		e.Capacity = c
		if c.Cores == 0 {
			e.Capacity.Cores, e.Capacity.CPU = 2, 200
		}
		if c.Memory == 0 {
			e.Capacity.Memory = 8 << 30
		}
	})
}

var _ = Describe("Choosing an executor", Label("PLACE-1"), func() {
	module, input, other := [32]byte{1}, [32]byte{2}, [32]byte{3}
	having := func(id string, digests ...[32]byte) Executor {
		return with(idle(id), func(e *Executor) {
			e.Recent = &Recent{}
			for _, d := range digests {
				e.Recent.Add(MarkOf(d))
			}
		})
	}
	needs := func(all ...Bytes) Demand { return Demand{Bytes: all} }

	DescribeTable("prefers",
		func(better, worse Executor, d Demand) {
			Expect(pool(better, worse).Choose(&d).ID).To(Equal(better.ID))
			Expect(pool(worse, better).Choose(&d).ID).To(Equal(better.ID))
		},
		Entry("one that did not have the job before", idle("e2"), idle("e1"), Demand{Avoid: map[string]bool{"e1": true}}),
		Entry("one with a free slot over one with only a queue", idle("e2"), with(idle("e1"), func(e *Executor) { e.Used, e.Window = 2, 9 }), Demand{}),
		Entry("one with the labels that suit its emergency", Label("EMG-3"), with(idle("e2"), func(e *Executor) { e.Labels = map[string]string{"medical": "yes"} }),
			having("e1", module), Demand{Bytes: []Bytes{Module(module, 1)}, Prefer: map[string]string{"medical": "yes", "x": "y"}}),
		Entry("one that has an input", having("e2", input), having("e1", other), needs(Input([32]byte{7}, 9), Input(input, 5))),
		Entry("one that has more of its inputs, in bytes", having("e2", input), having("e1", other, [32]byte{4}), needs(Input(input, 3), Input(other, 1), Input([32]byte{4}, 1))),
		Entry("one that has the module", having("e2", module), idle("e1"), needs(Module(module, 0))),
		Entry("one that has the module over one with many times its bytes of inputs, as it would have to be compiled",
			having("e2", module), having("e1", input), needs(Module(module, 2), Input(input, 2*63))),
		Entry("one that has so much of its inputs that a module is compiled meanwhile", having("e2", input), having("e1", module), needs(Module(module, 2), Input(input, 2*65))),
		Entry("a socket over a battery, though it is busier", with(idle("e2"), func(e *Executor) { e.Used = 1 }), measured("e1", Capacity{Battery: true, Charge: 90}), Demand{}),
		Entry("a battery that is being charged like a socket", measured("e1", Capacity{Battery: true, Mains: true, Charge: 9}), measured("e2", Capacity{}), Demand{}),
		Entry("the less loaded", idle("e2"), with(idle("e1"), func(e *Executor) { e.Used = 1 }), Demand{}),
		Entry("the fuller battery", measured("e2", Capacity{Battery: true, Charge: 90}), measured("e1", Capacity{Battery: true, Charge: 80}), Demand{}),
		Entry("the lesser id, at last", idle("e1"), idle("e2"), Demand{}),
	)

	DescribeTable("says which constraint failed on how many",
		func(d Demand, executors []Executor, sentence string, never bool) {
			p := pool(executors...)
			Expect(p.Choose(&d)).To(BeNil())
			refusal := p.Refusal(&d)
			Expect(refusal).To(MatchError(sentence))
			Expect(refusal.Never()).To(Equal(never))
		},
		Entry("when nobody is there", Demand{}, nil, "no executor has joined this broker", true),
		Entry("when a label is missing", Demand{Labels: map[string]string{"location": "north"}}, []Executor{idle("e1"), idle("e2")},
			"no executor can take it: lacks label location=north (2 of 2)", true),
		Entry("when there is too little memory", Demand{Memory: 2 << 30}, []Executor{idle("e1")},
			"no executor can take it: less than 2048 MiB of memory a job (1 of 1)", true),
		Entry("when those who could are full", Demand{Labels: map[string]string{"a": "b"}},
			[]Executor{with(idle("e1"), func(e *Executor) { e.Used, e.Labels = 2, map[string]string{"a": "b"} }), idle("e2")},
			"waiting for a free slot: lacks label a=b (1 of 2), no free slot (1 of 2)", false),
		Entry("when it is cordoned", Demand{}, []Executor{with(idle("e1"), func(e *Executor) { e.Cordoned = true })},
			"no executor can take it: cordoned (1 of 1)", true),
		Entry("when it has too few cores", Demand{Cores: 4}, []Executor{measured("e1", Capacity{}), idle("e2")}, "no executor can take it: fewer than 4 CPU cores (2 of 2)", true),
		Entry("when others use its cores", Demand{CPU: 100}, []Executor{measured("e1", Capacity{Cores: 4, CPU: 60})},
			"no executor can take it: less than 100 of CPU capacity free (1 of 1)", true),
		Entry("when its memory is used", Demand{Free: 1 << 30}, []Executor{measured("e1", Capacity{Memory: 1 << 29})},
			"no executor can take it: less than 1024 MiB of memory free (1 of 1)", true),
		Entry("when its disk is full", Demand{Disk: 1 << 30}, []Executor{measured("e1", Capacity{Disk: 1})},
			"no executor can take it: less than 1024 MiB of disk free (1 of 1)", true),
		Entry("when it runs on its battery", Demand{Mains: true}, []Executor{measured("e1", Capacity{Battery: true, Charge: 100})},
			"no executor can take it: runs on its battery (1 of 1)", true),
		Entry("when it runs another engine", Demand{Engine: "wasmtime"}, []Executor{with(idle("e1"), func(e *Executor) { e.Engine = "wazero" })},
			"no executor can take it: does not run engine wasmtime (1 of 1)", true),
		Entry("when its party has had its say", Demand{Barred: map[string]bool{"red": true}}, []Executor{with(idle("e1"), func(e *Executor) { e.Party = "red" })},
			"no executor can take it: has a say in its result already (1 of 1)", true),
	)

	It("tells of each executor all that it lacks, and which one it would be", func() {
		d := Demand{Cores: 1, Labels: map[string]string{"a": "b"}, Mains: true}
		good := with(measured("e3", Capacity{}), func(e *Executor) { e.Labels = map[string]string{"a": "b"} })
		views := pool(idle("e1"), measured("e2", Capacity{Battery: true}), good).Look(&d)
		Expect(views).To(HaveLen(3))
		Expect(views[0].Lacks).To(Equal([]string{"fewer than 1 CPU cores", "lacks label a=b"}))
		Expect(views[1].Lacks).To(Equal([]string{"runs on its battery", "lacks label a=b"}))
		Expect(views[2].Lacks).To(BeEmpty())
		Expect(views[2].Chosen).To(BeTrue())
	})

	It("waits for memory, CPU capacity and disk that other jobs have reserved, and takes them when they are given back", func() {
		for _, d := range []Demand{{Memory: 1 << 30}, {CPU: 150}, {Disk: 1 << 30}} {
			p := pool(measured("e1", Capacity{Cores: 2, CPU: 200, Memory: 3 << 29, Disk: 3 << 29}))
			e := p.Choose(&d)
			claim := p.Claim(&d, e)
			p.Reserve(e, claim)
			Expect(p.Choose(&d)).To(BeNil())
			Expect(p.Refusal(&d).Error()).To(MatchRegexp("^waiting for a free slot: its (memory|CPU capacity|disk) is taken by other jobs"))
			Expect(p.Choose(&Demand{})).NotTo(BeNil(), "who asks for nothing")
			p.Release(e, claim)
			Expect(p.Choose(&d)).To(Equal(e))
		}
	})

	It("lets as many wait at an executor as its window says, if any of them fit at a time", func() {
		p := pool(with(measured("e1", Capacity{Memory: 2 << 30}), func(e *Executor) { e.Window = 9 }))
		d := Demand{Memory: 1 << 30}
		for range 9 {
			e := p.Choose(&d)
			Expect(e).NotTo(BeNil())
			p.Reserve(e, p.Claim(&d, e))
		}
		Expect(p.Choose(&d)).To(BeNil())
	})
})

var _ = Describe("What a machine has", Label("PLACE-1", "LOSS-1"), func() {
	base := Capacity{Cores: 4, CPU: 400, Memory: 8 << 30, Disk: 100 << 30, Battery: true, Charge: 80, Mains: true}
	DescribeTable("is worth a word when it changed noticeably",
		func(worth bool, change func(*Capacity)) {
			c := base
			change(&c)
			Expect(base.Differs(c)).To(Equal(worth))
			Expect(c.Differs(base)).To(Equal(worth))
		},
		Entry("not when it is the same", false, func(*Capacity) {}),
		Entry("not for a little of its CPU", false, func(c *Capacity) { c.CPU -= 40 }),
		Entry("for more of it", true, func(c *Capacity) { c.CPU -= 41 }),
		Entry("not for some megabytes", false, func(c *Capacity) { c.Memory -= 500 << 20 }),
		Entry("for a gigabyte", true, func(c *Capacity) { c.Memory -= 2 << 30 }),
		Entry("for its plug", true, func(c *Capacity) { c.Mains = false }),
		Entry("not for a percent of its charge", false, func(c *Capacity) { c.Charge-- }),
	)
})

var _ = Describe("What an executor had lately", Label("DATA-5"), func() {
	It("is remembered up to a bound, and the oldest forgotten first", func() {
		r := &Recent{}
		for i := range 10 * maxRecent {
			r.Add(Mark(0)) // is used all the time
			r.Add(Mark(i))
		}
		Expect(len(r.young) + len(r.old)).To(BeNumerically("<=", 2*maxRecent))
		last := 10*maxRecent - 1
		Expect([]bool{r.Has(0), r.Has(Mark(last)), r.Has(Mark(last - maxRecent + 2)), r.Has(Mark(last - 2*maxRecent))}).To(Equal([]bool{true, true, true, false}))
	})

	It("is nothing of one that nobody knows", func() { Expect((*Recent)(nil).Has(1)).To(BeFalse()) })
})

var _ = Describe("What a job needs", Label("DATA-5"), func() {
	It("is weighed by what is worth most, each once", func() {
		var all []Bytes
		for i := range 2 * maxBytes {
			all = append(all, Input([32]byte{byte(i >> 8), byte(i)}, uint64(i)), Input([32]byte{byte(i >> 8), byte(i)}, uint64(i)))
		}
		most := Weighty(all)
		Expect(most).To(HaveLen(maxBytes))
		Expect(most[0].Worth).To(BeEquivalentTo(2*maxBytes - 1))
		Expect(most[maxBytes-1].Worth).To(BeEquivalentTo(maxBytes))
	})
})

// book is what a test reserved, to be added up anew.
type book struct {
	e *Executor
	c Claim
}

// Whatever comes and goes, no executor is given more attempts than its window, nor can what it runs at a time want more than it has; who is chosen
// meets every constraint; and a refusal means that nobody could have taken it.
func TestReservationsNeverOvercommit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Pool{}
		var held []book
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				join(t, p)
			case 1:
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(t, "given back")
					p.Release(held[i].e, held[i].c)
					held = append(held[:i], held[i+1:]...)
				}
			default:
				d := Demand{
					Memory: uint64(rapid.IntRange(0, 4).Draw(t, "memory")), CPU: uint32(rapid.IntRange(0, 3).Draw(t, "cpu") * 50),
					Disk: uint64(rapid.IntRange(0, 3).Draw(t, "disk")), Cores: uint32(rapid.IntRange(0, 3).Draw(t, "cores")),
				}
				e := p.Choose(&d)
				if e == nil {
					if v := p.Look(&d); slices.ContainsFunc(v, func(v View) bool { return len(v.Lacks) == 0 }) {
						t.Fatalf("nobody was chosen for %+v of %+v", d, v)
					}
					continue
				}
				if why := d.Lacks(e); len(why) > 0 {
					t.Fatalf("chosen, and %v", why)
				}
				c := p.Claim(&d, e)
				p.Reserve(e, c)
				held = append(held, book{e, c})
				within(t, e, held)
			}
		}
		for _, b := range held {
			p.Release(b.e, b.c)
		}
		for _, e := range p.all {
			if e.Used != 0 || e.memory.sum != 0 || e.cpu.most != 0 || len(e.disk.of) != 0 {
				t.Fatalf("all is given back, and %+v", e)
			}
		}
	})
}

func join(t *rapid.T, p *Pool) {
	e := &Executor{
		ID: fmt.Sprint("e", rapid.IntRange(0, 5).Draw(t, "id")), Slots: rapid.IntRange(1, 3).Draw(t, "slots"), Memory: uint64(rapid.IntRange(0, 4).Draw(t, "most")),
		Capacity: Capacity{
			Cores: uint32(rapid.IntRange(0, 3).Draw(t, "cores")), CPU: uint32(rapid.IntRange(0, 300).Draw(t, "cpu")),
			Memory: uint64(rapid.IntRange(0, 9).Draw(t, "all memory")), Disk: uint64(rapid.IntRange(0, 6).Draw(t, "all disk")),
		},
	}
	e.Window = e.Slots + rapid.IntRange(0, 4).Draw(t, "queue")
	if p.all[e.ID] == nil {
		p.Put(e)
	}
}

// within adds up what the greatest attempts want that may run at a time.
func within(t *rapid.T, e *Executor, held []book) {
	var memory, cpu, disk []uint64
	for _, b := range held {
		if b.e == e {
			memory, cpu, disk = append(memory, b.c.Memory), append(cpu, b.c.CPU), append(disk, b.c.Disk)
		}
	}
	if len(memory) != e.Used || e.Used > e.Window {
		t.Fatalf("%d of %d places are taken, %d are counted", len(memory), e.Window, e.Used)
	}
	if !e.Capacity.Known() {
		return
	}
	for what, amounts := range map[string][]uint64{"memory": memory, "cpu": cpu, "disk": disk} {
		total := map[string]uint64{"memory": e.Capacity.Memory, "cpu": uint64(e.Capacity.CPU), "disk": e.Capacity.Disk}[what]
		slices.Sort(amounts)
		sum := uint64(0)
		for _, n := range amounts[max(0, len(amounts)-e.Slots):] {
			sum += n
		}
		if sum > total {
			t.Fatalf("%s: %d of %d", what, sum, total)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		for _, how := range []string{"idle", "full"} {
			b.Run(fmt.Sprintf("%d executors, %s", n, how), func(b *testing.B) {
				p := &Pool{}
				for i := range n {
					e := measured(fmt.Sprint("e", i), Capacity{})
					p.Put(&e)
					if how == "full" && i > 0 { // all but one
						p.Reserve(&e, Claim{})
						p.Reserve(&e, Claim{})
					}
				}
				d := Demand{Memory: 1 << 20}
				b.ResetTimer()
				for range b.N {
					e := p.Choose(&d)
					c := p.Claim(&d, e)
					p.Reserve(e, c)
					p.Release(e, c)
				}
			})
		}
	}
}
