package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// A ploy is several misfortunes in a row that chance alone would bring together once in thousands of runs: each is what some rule of the system is
// there for, and without that rule breaks a promise.
type ploy struct {
	*schedule
	rng     *rand.Rand
	brokers []*Node // in random order
}

// plot draws a ploy for some seeds, beside all else that happens to them.
func (s *schedule) plot() {
	p := &ploy{schedule: s, rng: s.w.stream("ploy")}
	brokers := s.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	for _, i := range p.rng.Perm(len(brokers)) {
		p.brokers = append(p.brokers, brokers[i])
	}
	plays := []struct {
		name string
		play func(*ploy)
	}{{"broker on its own for long", (*ploy).hermit}, {"disk lost behind a partition", (*ploy).lostBehind}, {"disk rolled back behind a partition", (*ploy).rolledBehind}, {"broker fell while it deployed", (*ploy).fallsDeploying}}
	drawn, at := p.rng.IntN(len(plays)+2), 3*time.Second+time.Duration(p.rng.Int64N(int64(3*time.Second)))
	if drawn >= len(plays) || len(brokers) < 4 || !able.Journal || !able.Forget {
		return
	}
	s.w.plan(nil, at, func() {
		s.w.Faults.add(plays[drawn].name)
		plays[drawn].play(p)
	})
}

// hermit cuts a broker off from all others for longer than others wait for it. It takes over what they have decided and forgotten by then.
func (p *ploy) hermit() {
	p.burst(p.brokers[1], 6, func(s *job.Spec) { s.Retention = time.Second })
	p.w.plan(nil, 300*time.Millisecond, func() {
		p.cutFor(27*time.Second, p.brokers[:1], p.brokers[1:])
	})
}

// lostBehind parts the brokers. One decides jobs that the others take over, and then loses its disk, and is given up on the other side.
func (p *ploy) lostBehind() {
	x := p.brokers[0]
	p.burst(x, 6, nil)
	p.w.plan(nil, 700*time.Millisecond, func() { p.cutFor(14*time.Second, p.brokers[:2], p.brokers[2:]) })
	p.w.plan(nil, 11*time.Second, func() {
		x.kill()
		x.loseDisk()
		p.undoAfter(6*time.Second, x.start)
		p.op.tell(p.brokers[2], x, x.ID)
	})
}

// rolledBehind has a broker decide jobs that one other does not hear of, puts its disk back to before that, and leaves it alone with that other.
func (p *ploy) rolledBehind() {
	x, ignorant := p.brokers[0], p.brokers[1:2]
	p.burst(x, 6, nil)
	var before time.Duration
	p.w.plan(nil, 700*time.Millisecond, func() {
		x.Disk.Remember()
		before = p.w.now
		p.cutFor(5*time.Second, ignorant, append(p.brokers[2:], x))
	})
	p.w.plan(nil, 4500*time.Millisecond, func() {
		x.powerOff()
		if before > 0 && x.rollBack(before) {
			p.cutFor(12*time.Second, p.brokers[:2], p.brokers[2:])
		}
		p.undoAfter(200*time.Millisecond, x.start)
	})
}

// fallsDeploying takes power from a broker that has sent attempts to executors and not written that down, and keeps it from hearing of them for
// longer than it waits for that.
func (p *ploy) fallsDeploying() {
	x := p.brokers[0]
	x.Disk.slow = 200
	p.burst(x, 4, nil)
	p.w.plan(nil, 30*time.Millisecond, func() { p.onceDeployed(x, p.w.now+2*time.Second) })
}

func (p *ploy) onceDeployed(x *Node, until time.Duration) {
	var executors []*Node
	for _, s := range p.w.chronicle.order {
		if len(s.deployed) == 1 && s.deployed[0].broker == x && s.deployed[0].at > p.w.now-30*time.Millisecond {
			executors = append(executors, s.deployed[0].executor)
		}
	}
	if len(executors) == 0 && p.w.now < until {
		p.w.plan(nil, 5*time.Millisecond, func() { p.onceDeployed(x, until) })
		return
	}
	x.powerOff()
	x.Disk.slow = 1
	p.undoAfter(200*time.Millisecond, x.start)
	p.cutFor(10*time.Second, []*Node{x}, executors)
}

// cutFor parts two sides for so long.
func (p *ploy) cutFor(d time.Duration, one, two []*Node) {
	p.undoAfter(d, p.w.net.cut(between(one, two)))
}

// burst has a client hand in jobs that give another result in every run.
func (p *ploy) burst(at *Node, jobs int, change func(*job.Spec)) {
	for i := range jobs {
		u := &customer{c: p.w.clients[i%len(p.w.clients)], rng: p.w.stream(fmt.Sprintf("burst %d", i)), at: at}
		u.id, u.spec = u.c.NewID(at.Name), Program(fmt.Sprintf("%dms", 1000+p.rng.IntN(1500)), "wild")
		if change != nil {
			change(u.spec)
		}
		u.submit()
	}
}
