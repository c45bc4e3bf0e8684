package actors

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// Results is an executor's disk: finished attempts that no broker has answered for yet.
type Results interface {
	Disk[ResultChanges]
	// Load returns every result that is durable, by its key.
	Load() (map[string][]byte, error)
}

// ResultChanges are what changes on an executor's disk at once: first what is dropped, then what is kept, by their keys.
type ResultChanges struct {
	Dropped map[string]bool
	Kept    map[string][]byte
}

func (c *ResultChanges) keep(key string, result []byte) {
	if c.Kept == nil {
		c.Kept = map[string][]byte{}
	}
	c.Kept[key] = result
}

// drop takes a result back that is not on its way to the disk yet; it costs no write. One of an earlier run of the same attempt, which the disk
// may hold, is dropped all the same.
func (c *ResultChanges) drop(key string) {
	if _, gathered := c.Kept[key]; gathered {
		delete(c.Kept, key)
		return
	}
	if c.Dropped == nil {
		c.Dropped = map[string]bool{}
	}
	c.Dropped[key] = true
}

func (c *ResultChanges) empty() bool { return len(c.Kept) == 0 && len(c.Dropped) == 0 }

// shelf is the executor's side of its disk. Nothing waits for it: a result is sent before it is kept, and one that is not kept yet, or that the disk
// has no room for, is in memory.
type shelf struct {
	commits[ResultChanges]
	breath Timer // runs while the next batch is gathered
	full   bool
}

// breath is how long results are gathered before they are written: on a quiet network a broker has answered by then, and nothing is written at all;
// on a busy one an executor that shares a broker's disk does not keep it from its own fsyncs.
const breath = 20 * time.Millisecond

// breathOver says that what was gathered is to be written.
type breathOver struct{}

// keep has a finished attempt written, soon.
func (s *shelf) keep(ctx actor.Context, d *deployment) {
	if s.disk != nil {
		s.next.keep(keyOf(d.name), encodeDeployment(d))
		s.writeSoon(ctx)
	}
}

func (s *shelf) writeSoon(ctx actor.Context) {
	if s.busy || s.breath != nil || len(s.next.Kept) == 0 {
		return
	}
	root, self := RootContext(ctx.ActorSystem(), s.Clock), ctx.Self()
	s.breath = s.after(breath, func() { root.Send(self, &breathOver{}) })
}

func (s *shelf) breathOver(ctx actor.Context) {
	s.breath = nil
	if !s.busy && len(s.next.Kept) > 0 {
		s.write(ctx)
	}
}

// drop has the disk forget an attempt, along with what is kept next or at the executor's next tick: one that it still holds after a crash is sent
// again, and answered again.
func (s *shelf) drop(n job.Name) {
	if s.disk != nil {
		s.next.drop(keyOf(n))
	}
}

// flush has everything written that was gathered.
func (s *shelf) flush(ctx actor.Context) {
	if !s.busy && !s.next.empty() {
		s.write(ctx)
	}
}

func (s *shelf) stop(ctx actor.Context) {
	s.flush(ctx)
	s.commits.stop()
	if s.breath != nil {
		s.breath.Stop()
	}
}

func (e *Executor) resultsWritten(ctx actor.Context, msg *batchWritten) {
	s := &e.shelf
	full := !s.written(ctx, msg.err)
	if s.full != full {
		s.full = full
		e.log.Warn("disk", "full", full)
	}
	s.writeSoon(ctx)
}

// resultFormat is how deployments are kept. A program refuses formats that it does not know.
const resultFormat = 1

func keyOf(n job.Name) string { return string(n.Append(nil)) }

func encodeDeployment(d *deployment) []byte {
	b := canon.AppendString(canon.AppendUint(nil, uint8(resultFormat)), d.owner.GetAddress())
	return canon.AppendString(canon.AppendString(b, d.result.GetMac()), d.result.GetResult())
}

func decodeDeployment(key string, value []byte) (*deployment, error) {
	name, err := job.DecodeName([]byte(key))
	if err != nil {
		return nil, fmt.Errorf("kept result: %w", err)
	}
	r := canon.NewReader(value)
	if f := r.Byte(); f != resultFormat {
		return nil, fmt.Errorf("kept result of job %s has format %d, this program knows %d: %w", name.Job, f, resultFormat, canon.ErrMalformed)
	}
	owner, mac, result := r.String(), r.Bytes(), r.Bytes()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("kept result of job %s: %w", name.Job, err)
	}
	return &deployment{
		name: name, owner: pid(owner, messages.BrokerActor), mac: mac, earlier: true,
		result: &messages.AttemptFinished{Attempt: messages.AttemptToWire(name), Mac: mac, Result: result},
	}, nil
}

// loadResults returns what an earlier life of the executor finished and nobody answered for.
func loadResults(r Results) ([]*deployment, error) {
	if r == nil {
		return nil, nil
	}
	kept, err := r.Load()
	if err != nil {
		return nil, err
	}
	var all []*deployment
	for key, value := range kept {
		d, err := decodeDeployment(key, value)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

const (
	// maxResults bounds the results that an executor keeps unanswered: a registration names them all, in one message. With so many it takes no new
	// work.
	maxResults = 1024
	// resultPatience is how long results wait before others may take their place. Brokers that live answer sooner.
	resultPatience = time.Minute
)

// window is how many attempts this executor wants to hold: less when results pile up that nobody answers.
func (e *Executor) window() uint32 {
	return narrow(max(0, min(e.pace.Window(), maxResults-e.finished)))
}

// letGo makes room when there are too many results that nobody answers, as those for a broker that is gone for good: once a quarter of them has waited
// for long enough as many go, first those that brokers hold anyway, then the oldest. Their jobs, if anybody still knows them, run again.
func (e *Executor) letGo(ctx actor.Context) {
	enough := e.finished - maxResults*3/4
	if e.finished < maxResults {
		return
	}
	var old []*deployment
	for _, d := range e.inHand() {
		if d.result != nil && e.Now().Sub(d.since) >= resultPatience {
			old = append(old, d)
		}
	}
	if len(old) < enough {
		return
	}
	slices.SortStableFunc(old, func(a, b *deployment) int { return cmp.Or(cmp.Compare(a.worth(), b.worth()), a.since.Compare(b.since)) })
	for _, d := range old[:enough] {
		e.forget(d)
		e.tellBrokers(ctx, d, &messages.AttemptDeclined{
			Attempt: d.result.GetAttempt(), Reason: "no broker answered for its result, and its executor had no room for it any more",
		})
	}
	e.log.Warn("results let go that no broker answered for", "results", enough, "left", e.finished)
}

// worth says how much is lost with a result: little if brokers hold it.
func (d *deployment) worth() int {
	if d.held {
		return 0
	}
	return 1
}

// forget lets go of a finished attempt.
func (e *Executor) forget(d *deployment) {
	delete(e.hands, d.name)
	e.finished--
	e.shelf.drop(d.name)
}
