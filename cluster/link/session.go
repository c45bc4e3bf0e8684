package link

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// Why a session ended. PeerDown's reason wraps one of these or what the
// connection said.
var (
	errBye      = errors.New("peer said goodbye")
	errClosed   = errors.New("this node is closing its links")
	errReplaced = errors.New("peer has a newer connection")
	errPart     = errors.New("this node has another part in its network from now on")
	errHungUp   = errors.New("this node hung up")
	errOverflow = errors.New("peer reads too slowly for the watches that must be told")
	errPanic    = errors.New("frame caused a panic")
)

const (
	// ackDelay is how long a confirmation waits for a frame to ride on.
	ackDelay = 50 * time.Millisecond
	// farewellTime is how long a peer that said goodbye has to hang up.
	farewellTime = 2 * time.Second
)

// session is the life of one connection to a peer: the protocol, over any
// carrier. One goroutine reads and delivers, one writes; senders only touch the
// outbox.
type session struct {
	links       *Links
	carrier     carrier
	peer        identity.Peer
	address     string // the peer's, as the actor system knows it
	id          uint64
	incarnation uint64
	advertise   []string
	dialed      bool
	part        uint64 // which part of ours the peer was told
	since       time.Time

	out      *outbox
	watches  *watches
	ackTimer *time.Timer

	// Of the reading goroutine.
	in      [lanes]decoder
	pieces  [lanes][]byte // of a frame whose end has not come
	records []record
	refused throttle
	clean   bool // the peer said goodbye

	left    atomic.Pointer[error] // why we said goodbye
	closing sync.Once
	reason  error         // set by closing
	over    chan struct{} // closed by closing
	done    chan struct{} // closed when nothing of the session is left
	count   counters
}

// addressOf returns the peer's address: its node id, and for a client, whose identity any number of processes may use at once, which of
// these it is. A claim of that is a claim about oneself.
func addressOf(peer identity.Peer, h hello) string {
	if h.instance == 0 || !isClient(peer) {
		return string(peer.ID)
	}
	return messages.ClientAddress(string(peer.ID), h.instance)
}

// isClient reports whether a node plays no role but that of a client, who may be an operator.
func isClient(p identity.Peer) bool {
	parts := len(p.Roles)
	if p.Has(identity.RoleOperator) {
		parts--
	}
	return parts == 1 && p.Has(identity.RoleClient)
}

// playing returns peer with the roles that it says it plays. It cannot play one that its certificate does not carry.
func playing(peer identity.Peer, said []string) identity.Peer {
	if len(said) > 0 {
		peer.Roles = slices.DeleteFunc(slices.Clone(peer.Roles), func(r string) bool { return !slices.Contains(said, r) })
	}
	return peer
}

func newSession(l *Links, c carrier, id uint64, theirs hello, dialed bool) *session {
	s := &session{
		links: l, carrier: c, peer: playing(c.Peer(), theirs.roles), address: addressOf(c.Peer(), theirs), id: id, incarnation: theirs.incarnation,
		advertise: theirs.advertise, dialed: dialed, since: l.cfg.Now(),
		out: newOutbox(l.cfg.Limits, l.cfg.Clock, l.cfg.Now), watches: newWatches(),
		over: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range s.in {
		s.in[i].maxFrame = l.cfg.Limits.Frame
		s.in[i].owner = vclock.Key{Node: s.address, Incarnation: theirs.incarnation}
	}
	return s
}

// run carries messages until the connection ends, and tells everybody.
func (s *session) run() error {
	// Confirmations wait for company. The timer is left alone while it runs:
	// setting it for every frame would cost more than the confirmation.
	s.ackTimer = time.AfterFunc(ackDelay, s.out.confirmNow)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		s.close(s.write())
	}()
	s.close(s.read())
	s.ackTimer.Stop()
	<-wrote
	s.end()
	return s.reason
}

// close ends the session; the first reason counts. It does not wait.
func (s *session) close(reason error) {
	s.closing.Do(func() {
		s.reason = reason
		s.links.forget(s.id)
		close(s.over)
		s.carrier.Close(reason)
	})
}

// ended reports whether the session is over. From then until its end is told it is still in the way of a new one.
func (s *session) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// end leaves nothing behind: no message without its sender told, no watcher
// without Terminated, no watch of the peer in actors here. Each is told once.
func (s *session) end() {
	if s.clean {
		s.reason = errBye // however the connection ended after that
	}
	left := s.out.drain(fmt.Errorf("node %s: %w: %w", s.peer, ErrNotConnected, s.reason))
	s.endWatches()
	for _, it := range left {
		s.returnToSender(&it)
	}
	s.links.cfg.Log.Info("peer disconnected", "peer", s.peer.Name, "node", s.address, "clean", s.clean, "err", s.reason, "undelivered", len(left))
	s.links.cfg.Events(&messages.PeerDown{Node: s.address, Name: s.peer.Name, Reason: s.reason, Clean: s.clean})
	s.links.uninstall(s)
	close(s.done)
}

// write sends what the outbox has until the session is over.
func (s *session) write() error {
	for {
		frame := s.out.take()
		if frame == nil {
			if !s.await() {
				return nil
			}
			continue
		}
		n := len(*frame)
		if err := s.carrier.Send(frame); errors.Is(err, io.EOF) {
			<-s.over // the reader learns why
			return nil
		} else if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		s.count.sent(n)
	}
}

// await returns when there may be something to send, and false when the session
// is over.
func (s *session) await() bool {
	select {
	case <-s.over:
		return false
	case <-s.out.wake:
	}
	if s.links.cfg.Coalesce > 0 {
		<-time.NewTimer(s.links.cfg.Coalesce).C
	}
	return true
}

// read handles what the peer sends. Whatever a frame does, only this session
// ends of it.
func (s *session) read() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
		if errors.Is(err, errMalformed) || errors.Is(err, errPanic) {
			s.links.total.hostile.Add(1)
			s.links.cfg.Log.Error("link ended for a frame that no honest peer sends", "peer", s.peer.Name, "node", s.address, "remote", s.carrier.Remote(), "err", err)
		}
	}()
	for {
		frame, err := s.carrier.Recv()
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		s.count.received(len(frame))
		if err := s.receive(frame); err != nil {
			return err
		}
	}
}

// receive handles one frame.
func (s *session) receive(frame []byte) (err error) {
	if len(frame) == 0 {
		return fmt.Errorf("%w: empty", errMalformed)
	}
	if frame[0] == frameControl {
		return s.control(frame)
	}
	prompt, more := frame[0]&framePrompt != 0, frame[0]&frameMore != 0
	at := Lane(frame[0]&^(framePrompt|frameMore)) - frameNormal
	if at != Normal && at != Urgent {
		return fmt.Errorf("%w: lane %d", errMalformed, at)
	}
	size := len(frame)
	if whole, err := s.whole(at, frame[1:], more); err != nil {
		return err
	} else if whole != nil {
		if err := s.receiveRecords(at, whole); err != nil {
			return err
		}
	}
	if s.out.received(at, size, prompt) {
		s.ackTimer.Reset(ackDelay)
	}
	return nil
}

// whole puts pieces together. It returns what a frame says when its last piece is there, and nil before.
func (s *session) whole(at Lane, piece []byte, more bool) ([]byte, error) {
	before := s.pieces[at]
	switch {
	case len(before)+len(piece) > s.links.cfg.Limits.maxBatch():
		return nil, fmt.Errorf("%w: pieces of more than %d bytes", errMalformed, s.links.cfg.Limits.maxBatch())
	case more && len(piece) == 0:
		return nil, fmt.Errorf("%w: empty piece", errMalformed)
	case more:
		s.pieces[at] = append(before, piece...)
		return nil, nil
	case len(before) == 0:
		return piece, nil
	}
	s.pieces[at] = nil
	return append(before, piece...), nil
}

// receiveRecords handles what a whole frame says.
func (s *session) receiveRecords(at Lane, frame []byte) (err error) {
	in := &s.in[at]
	if s.records, err = in.decode(frame, s.records[:0]); err != nil {
		return err
	}
	if clock := s.links.cfg.Clock; clock != nil {
		clock.Merge(in.stamps.Latest()) // once a batch: it is at least what each stamp in it is
	}
	for i := range s.records {
		if err := s.deliver(&s.records[i]); err != nil {
			return err
		}
	}
	clear(s.records)
	return nil
}

// control handles a control frame of a running session.
func (s *session) control(frame []byte) error {
	if len(frame) < 2 {
		return fmt.Errorf("%w: control without kind", errMalformed)
	}
	r := &reader{b: frame[2:]}
	switch frame[1] {
	case byte(kindAcks):
		acks := readAcks(r)
		if r.bad {
			return fmt.Errorf("%w: acknowledgement", errMalformed)
		}
		return s.out.confirmed(acks)
	case controlBye:
		s.peerLeaves(r.string(maxReason))
		return nil
	case controlFarewell:
		if why := s.left.Load(); why != nil {
			return *why
		}
	}
	return fmt.Errorf("%w: control of kind %d", errMalformed, frame[1])
}

// peerLeaves answers a goodbye: what was said is confirmed, nothing more is
// said, and the peer hangs up.
func (s *session) peerLeaves(why string) {
	s.clean = true
	s.links.cfg.Log.Debug("peer says goodbye", "peer", s.peer.Name, "node", s.address, "reason", why)
	s.out.finish([]byte{frameControl, controlFarewell}, fmt.Errorf("node %s: %w: %w", s.peer, ErrNotConnected, errBye))
	time.AfterFunc(farewellTime, func() { s.close(errBye) })
}

// leave says goodbye after all that was put before. The session is over when
// the peer has answered.
func (s *session) leave(reason error) {
	s.left.Store(&reason)
	s.out.finish(encodeBye(reason.Error()), fmt.Errorf("node %s: %w: %w", s.peer, ErrNotConnected, reason))
}
