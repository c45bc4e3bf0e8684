package actors

import (
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// Node is what every actor of a node knows about it.
type Node struct {
	ID          string // node id
	Name        string
	Network     string
	Version     string
	Roles       []string
	Address     string // where others can dial it; empty: nowhere
	Incarnation uint64
	Clock       *messages.NodeClock
	Now         func() time.Time // monotonic
	Log         *slog.Logger
}

// props gives p the node's stamps and the actor's own options.
func (n *Node) props(producer actor.Producer, opts ...actor.PropsOption) *actor.Props {
	return actor.PropsFromProducer(producer, append(Stamping(n.Clock), opts...)...)
}

// hybrid returns the node's hybrid time of now.
func (n *Node) hybrid() vclock.Hybrid { return n.Clock.Now().Hybrid() }

// pid names an actor of another node, or of this one.
func pid(node, name string) *actor.PID { return actor.NewPID(node, name) }

// Workbench runs attempts: it fetches what they need, lays it out, runs the sandbox, and stores what came out.
type Workbench interface {
	// Run starts a task and returns at once. Done is called exactly once, from another goroutine, also after stop, which ends the task
	// within 100 ms. Slot numbers from 0 say whose sandbox is used; a slot runs one task at a time.
	Run(slot int, task Task, done func(*job.Result)) (stop func(reason string))
}

// Task is one attempt for a Workbench.
type Task struct {
	Attempt job.Name
	Spec    *job.Spec
	Home    string // node id of the broker that serves its blobs and takes its outputs
	Started func()
	// Stdin reads at most max bytes of the client's input at offset; nil if the job is not streamed. It blocks; io.EOF ends the input.
	Stdin func(offset uint64, maxBytes int) ([]byte, error)
	// Output is told what the program writes, as it comes; nil if the job is not streamed. Stream is 1 or 2. It does not block.
	Output func(stream uint32, offset uint64, data []byte)
}

// Sealer signs and checks sessions.
type Sealer interface {
	Seal(content []byte) ([]byte, error)
	Verify(content, seal []byte) error
}
