package link

import (
	"errors"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
)

// Two nodes that dial each other at once make two connections, and one must go.
// The node with the lower id is the arbiter of the pair: it alone decides, so
// both ends agree whatever is lost on the way. No connection carries messages
// before the verdict, so none is lost by it.
//
//	dialler                     acceptor
//	   ── hello(id) ──────────────▶
//	   ◀────────────── hello(id) ──      or a refusal: it holds a link of a later life
//	then, from whichever end is the arbiter:
//	   query(id of the link it has) ▶   only if it has one
//	   ◀ answer(alive?)
//	   verdict ▶                        accepted, duplicate, or refused
//
// A link that the peer no longer holds, or holds in an earlier life, gives way;
// one that both hold stays, and the new connection is the duplicate.
const handshakeTime = 5 * time.Second

var (
	errDuplicate = errors.New("there is a link to this node already")
	errSelf      = errors.New("this address leads back to this node, or another process uses its identity")
	errClone     = errors.New("another process with the same identity has started since: give each node its own data directory")
	errHandshake = errors.New("handshake took too long")
)

// serve runs a connection from handshake to end, and reports whether it came to
// be a link. id names the connection if we dialled.
func (l *Links) serve(c carrier, dialed bool, id uint64) (up bool, err error) {
	if c.Peer().ID == l.self.ID {
		c.Close(errSelf)
		return false, errSelf
	}
	guard := time.AfterFunc(handshakeTime, func() { c.Close(errHandshake) })
	s, err := l.greet(c, dialed, id)
	guard.Stop() // if it is too late for that, the session notices
	if err != nil {
		c.Close(nil)
		return false, err
	}
	return true, s.run()
}

// accept is serve for a connection that a peer made.
func (l *Links) accept(c carrier) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	l.running.Add(1)
	l.mu.Unlock()
	defer l.running.Done()
	_, err := l.serve(c, false, 0)
	if errors.Is(err, errMalformed) || errors.Is(err, errSelf) || errors.Is(err, errClone) || errors.Is(err, errVersion) {
		l.cfg.Log.Warn("connection refused", "peer", c.Peer().Name, "node", c.Peer().ID, "remote", c.Remote(), "err", err)
	}
	return err
}

// greet does the handshake and returns the installed session, or nil and why
// there is none.
func (l *Links) greet(c carrier, dialed bool, id uint64) (*session, error) {
	part := l.plays()
	mine := hello{version: version, id: id, advertise: l.cfg.Advertise, instance: l.instance, roles: part.roles}
	if l.cfg.Clock != nil {
		mine.incarnation = l.cfg.Clock.Self().Incarnation
	}
	theirs, err := l.exchange(c, dialed, &mine)
	if err != nil {
		return nil, err
	}
	s := newSession(l, c, mine.id, theirs, dialed)
	s.part = part.number
	if l.self.ID < s.peer.ID {
		err = l.decide(s)
	} else {
		err = l.obey(s)
	}
	if err != nil {
		l.forget(mine.id)
		return nil, err
	}
	return s, nil
}

// exchange trades hellos. The dialler speaks first, so that the acceptor knows
// the connection's id before anybody can ask for it.
func (l *Links) exchange(c carrier, dialed bool, mine *hello) (theirs hello, err error) {
	if !dialed {
		if theirs, err = recvHello(c); errors.Is(err, errVersion) {
			err = errors.Join(err, send(c, mine.encode())) // so that the other end knows too
		}
		if err != nil {
			return theirs, err
		}
		if old, _ := l.session(string(c.Peer().ID)); old != nil && theirs.incarnation < old.incarnation {
			return theirs, errors.Join(errClone, send(c, encodeVerdict(verdictRefused, errClone.Error())))
		}
		mine.id = theirs.id
	}
	if err := l.remember(mine.id); err != nil {
		return theirs, err
	}
	err = send(c, mine.encode())
	if err == nil && dialed {
		theirs, err = recvHello(c)
	}
	if err != nil {
		l.forget(mine.id)
	}
	return theirs, err
}

func recvHello(c carrier) (hello, error) {
	b, err := c.Recv()
	if err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	if _, reason, err := decodeVerdict(b); err == nil {
		return hello{}, refusedBy(c.Peer(), reason)
	}
	return decodeHello(b)
}

func refusedBy(peer identity.Peer, reason string) error {
	return fmt.Errorf("%s refused the connection: %s", peer, reason)
}

func send(c carrier, frame []byte) error {
	if err := c.Send(&frame); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}

// decide is the arbiter's part: it installs s or refuses it.
func (l *Links) decide(s *session) error {
	for {
		old, err := l.install(s)
		if err != nil {
			return err
		}
		if old == nil {
			if err := send(s.carrier, encodeVerdict(verdictAccepted, "")); err != nil {
				s.close(err) // it was installed: it ends as a session does
			}
			return nil
		}
		if err := l.compare(s, old); err != nil {
			return err
		}
		old.close(errReplaced)
		<-old.done
	}
}

// compare says whether the link of before gives way to s: nil, or why not.
func (l *Links) compare(s, old *session) error {
	switch {
	case s.incarnation < old.incarnation:
		return errors.Join(errClone, send(s.carrier, encodeVerdict(verdictRefused, errClone.Error())))
	case s.incarnation > old.incarnation:
		return nil
	}
	if err := send(s.carrier, encodeQuery(old.id)); err != nil {
		return err
	}
	b, err := s.carrier.Recv()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	alive, err := decodeAnswer(b)
	if err != nil {
		return err
	}
	if alive && l.alive(old.id) {
		return errors.Join(errDuplicate, send(s.carrier, encodeVerdict(verdictDuplicate, "")))
	}
	return nil
}

// obey is the other end's part: it answers and does what the arbiter says.
func (l *Links) obey(s *session) error {
	for {
		b, err := s.carrier.Recv()
		if err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		if r, err := control(b, controlQuery); err == nil {
			if err := send(s.carrier, encodeAnswer(l.alive(r.uvarint(maxUint64)))); err != nil {
				return err
			}
			continue
		}
		code, reason, err := decodeVerdict(b)
		switch {
		case err != nil:
			return err
		case code == verdictDuplicate:
			return errDuplicate
		case code == verdictRefused:
			return refusedBy(s.peer, reason)
		}
		return l.takeOver(s)
	}
}

// takeOver installs s in the place of whatever was there.
func (l *Links) takeOver(s *session) error {
	for {
		old, err := l.install(s)
		if old == nil || err != nil {
			return err
		}
		old.close(errReplaced)
		<-old.done
	}
}
