package actors

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/internal/workbench"
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
	After       func(time.Duration, func()) Timer // nil: time.AfterFunc
	Random      io.Reader                         // of names and keys; nil: crypto/rand
	Notes       func(Note)                        // is told what happens in the node's life; nil: nobody
	Met         func(address string)              // is told where a broker of the network can be dialled; nil: nobody
}

// Note is an event in the life of a node, for those who follow what a network does.
type Note struct {
	Kind  string
	Job   job.ID // empty if it is about no job
	Text  string
	Stamp messages.Stamp
}

// note tells whoever listens.
func (n *Node) note(kind string, id job.ID, text string) {
	if n.Notes != nil {
		n.Notes(Note{Kind: kind, Job: id, Text: text, Stamp: n.Clock.Now()})
	}
}

// met passes on where a broker can be dialled.
func (n *Node) met(address string) {
	if n.Met != nil {
		n.Met(address)
	}
}

// random returns n random bytes.
func (n *Node) random(count int) []byte {
	from := n.Random
	if from == nil {
		from = rand.Reader
	}
	b := make([]byte, count)
	if _, err := io.ReadFull(from, b); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	return b
}

// randomName returns a name that nobody else has: 80 random bits.
func (n *Node) randomName() string { return base32.StdEncoding.EncodeToString(n.random(10)) }

// Timer is a timer that can be stopped; *time.Timer is one.
type Timer interface{ Stop() bool }

// after calls f, which only sends a message, when d has passed.
func (n *Node) after(d time.Duration, f func()) Timer {
	if n.After != nil {
		return n.After(d, f)
	}
	return time.AfterFunc(d, f)
}

// props gives p the node's stamps and the actor's own options.
func (n *Node) props(producer actor.Producer, opts ...actor.PropsOption) *actor.Props {
	return actor.PropsFromProducer(producer, append(Stamping(n.Clock), opts...)...)
}

// hybrid returns the node's hybrid time of now.
func (n *Node) hybrid() vclock.Hybrid { return n.Clock.Now().Hybrid() }

// pid names an actor of another node, or of this one.
func pid(node, name string) *actor.PID { return actor.NewPID(node, name) }

// Workbench runs attempts.
type Workbench interface {
	// Run starts a task and returns at once; it runs in the first slot that is free. Done is called exactly once, from another goroutine,
	// also after stop, which ends the task within 100 ms.
	Run(task workbench.Task, done func(*job.Result)) (stop func(reason string))
}

// returned is how a link gives back a message that it could not deliver; uncertain says that it may have arrived all the same.
type returned interface {
	Returned() (message any, reason error, uncertain bool)
}

// Sealer signs and checks sessions.
type Sealer interface {
	Seal(content []byte) ([]byte, error)
	Verify(content, seal []byte) error
}
