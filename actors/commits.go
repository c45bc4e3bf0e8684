package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// ErrFull says that a disk has no room for a batch.
var ErrFull = errors.New("the disk is full")

// Disk is where an actor keeps what must outlive its process, in batches of one kind.
type Disk[B any] interface {
	// Write makes a batch durable and then calls done, from any goroutine. Batches become durable in the order written, each as a whole or not at
	// all. An error that is ErrFull leaves the disk as it was: the batch may be written again. After any other error nothing is known of it.
	Write(b B, done func(error))
}

// commits is an actor's group commit: while one batch is being written, what comes in is gathered into the next. The actor passes batchWritten
// and tryAgain on to it.
type commits[B any] struct {
	*Node
	disk    Disk[B]
	next    B
	writing B
	busy    bool
	pause   Timer
}

type (
	batchWritten struct{ err error }
	tryAgain     struct{}
)

// fullPause is how long a full disk is left alone.
const fullPause = time.Second

// write begins to write what was gathered. Nothing else may be under way.
func (c *commits[B]) write(ctx actor.Context) {
	var none B
	c.busy, c.writing, c.next = true, c.next, none
	c.send(ctx)
}

func (c *commits[B]) send(ctx actor.Context) {
	root, self := RootContext(ctx.ActorSystem(), c.Clock), ctx.Self()
	c.disk.Write(c.writing, func(err error) { root.Send(self, &batchWritten{err}) })
}

// written says whether what was being written is durable. On a full disk it is not: it is tried again after a pause. A disk that fails ends the
// actor, and with it the node, for nobody can say what it still holds.
func (c *commits[B]) written(ctx actor.Context, err error) bool {
	switch {
	case errors.Is(err, ErrFull):
		root, self := RootContext(ctx.ActorSystem(), c.Clock), ctx.Self()
		c.pause = c.after(fullPause, func() { root.Send(self, &tryAgain{}) })
		return false
	case err != nil:
		panic(fmt.Sprintf("the journal cannot be written: %v", err))
	}
	var none B
	c.busy, c.writing = false, none
	return true
}

func (c *commits[B]) stop() {
	if c.pause != nil {
		c.pause.Stop()
	}
}
