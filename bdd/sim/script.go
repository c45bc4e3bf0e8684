package sim

import (
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// What a spec, which tells a world line by line, can see and do beyond what a campaign needs.

// script is who looks on.
type script struct {
	notes    []func(node string, n actors.Note)
	arrivals []func(Arrival)
	runs     map[job.ID][][]job.Input
}

// given notes what a program was given.
func (s *script) given(task workbench.Task) {
	if len(task.Inputs) > 0 {
		if s.runs == nil {
			s.runs = map[job.ID][][]job.Input{}
		}
		s.runs[task.Attempt.Job] = append(s.runs[task.Attempt.Job], task.Inputs)
	}
}

// Given is the named data that the runs of a job were given, one after the other.
func (w *World) Given(id job.ID) [][]job.Input { return w.script.runs[id] }

// Arrival is a message of an actor as it reaches another node.
type Arrival struct {
	At       time.Duration
	From, To string // names of nodes
	Target   string // the actor's
	Stamp    messages.Stamp
	Message  proto.Message
}

// OnNote has look see every event in the life of a node from now on.
func (w *World) OnNote(look func(node string, n actors.Note)) {
	w.script.notes = append(w.script.notes, look)
}

// OnArrival has look see every message that reaches another node from now on, before its actor does.
func (w *World) OnArrival(look func(Arrival)) {
	w.script.arrivals = append(w.script.arrivals, look)
}

func (s *script) noted(n *Node, note actors.Note) {
	for _, look := range s.notes {
		look(n.Name, note)
	}
}

func (s *script) arrived(from, to *Node, p *parcel) {
	if len(s.arrivals) == 0 || p.kind != userKind {
		return
	}
	a := Arrival{At: from.w.now, From: from.Name, To: to.Name, Target: p.target}
	if stamped, ok := p.message.(*messages.Stamped); ok {
		a.Stamp = stamped.Stamp
	}
	a.Message, _ = messages.Unstamp(p.message).(proto.Message)
	for _, look := range s.arrivals {
		look(a)
	}
}

// ExecutorWith adds and starts an executor with so many slots and these labels, with links to these brokers.
func (w *World) ExecutorWith(name string, slots int, labels map[string]string, brokers ...string) *Node {
	return w.ExecutorOn(placement.Capacity{}, name, slots, labels, brokers...)
}

// ExecutorOn adds and starts an executor like ExecutorWith whose machine measures what it has for jobs.
func (w *World) ExecutorOn(machine placement.Capacity, name string, slots int, labels map[string]string, brokers ...string) *Node {
	n := w.addNode(name, messages.Executor)
	n.bench, n.Shelf = newBench(n, slots), newShelf(n)
	n.bench.machine = machine
	maps.Copy(n.bench.labels, labels)
	n.start()
	for _, b := range brokers {
		w.net.connect(n, w.Node(b))
	}
	return n
}

// Measure has an executor's machine measure something else from now on.
func (w *World) Measure(executor string, machine placement.Capacity) {
	n := w.Node(executor)
	n.bench.machine = machine
	if l := n.life; l != nil {
		actors.RootContext(l.system, l.clock).Send(actor.NewPID(n.ID, messages.ExecutorActor), &actors.Measured{Capacity: machine})
	}
}

// Link lays a link between two nodes that have none yet.
func (w *World) Link(a, b string) { w.net.connect(w.Node(a), w.Node(b)) }

// Journal is the name under which a broker writes, as its disk says.
func (w *World) Journal(broker string) string {
	return string(w.Node(broker).Disk.durable.meta["journal"])
}

// Clock is what a node that runs knows of all others.
func (w *World) Clock(node string) vclock.Clock { return w.Node(node).life.clock.Now().Clock() }

// Saved is a job as the disk of a broker holds it for good, and whether it does.
func (w *World) Saved(broker string, id job.ID) (job.Job, bool) {
	key := ledger.Key{Kind: ledger.Job, ID: string(id)}
	return w.chronicle.jobOf(SavedRecord{Key: key, Bytes: w.Node(broker).Disk.durable.records[key]})
}

// Remember keeps a copy of what a broker's disk holds now, for RollBack.
func (w *World) Remember(broker string) { w.Node(broker).Disk.Remember() }

// PunchHole takes a job from the disk of a broker, which must be down, though its vector goes on saying that it is there.
func (w *World) PunchHole(broker string, id job.ID) {
	delete(w.Node(broker).Disk.durable.records, ledger.Key{Kind: ledger.Job, ID: string(id)})
}

// LoseUnsynced ends a node without a sign, and with it everything that it wrote and that is not synced.
func (w *World) LoseUnsynced(node string) {
	n := w.Node(node)
	for _, d := range n.disks() {
		d.pending, d.syncing = nil, 0
	}
	n.powerOff()
}

// Kept is how many results the disk of an executor holds for good.
func (w *World) Kept(executor string) int { return len(w.Node(executor).Shelf.durable.records) }
