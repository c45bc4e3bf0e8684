package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
)

// DialError says why there is no link to an address.
type DialError struct {
	Addr string
	Err  error
}

func (e *DialError) Error() string { return fmt.Sprintf("no link to %s: %s", e.Addr, e.Err) }

// Unwrap returns what the last attempt ended with.
func (e *DialError) Unwrap() error { return e.Err }

// dialer keeps a link to whoever is at an address, for ever.
type dialer struct {
	links  *Links
	addr   string
	cancel context.CancelFunc

	mu      sync.Mutex
	peer    identity.Peer // who was there last
	err     error         // why the last attempt failed
	changed chan struct{} // closed when peer or err change
}

// dialTime bounds one attempt to connect, handshake of TLS included.
const dialTime = 4 * time.Second

// Dial keeps a link to the node at addr, whichever it is, until Hangup or
// Close: it connects, and connects again whenever there is no link, with the
// pauses of Config.Backoff. Dialling an address twice is dialling it once.
func (l *Links) Dial(addr string) { l.dialer(addr) }

func (l *Links) dialer(addr string) *dialer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.dialers[addr]; d != nil {
		return d
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &dialer{links: l, addr: addr, cancel: cancel, changed: make(chan struct{})}
	if l.closed {
		cancel()
		d.err = errClosed
		return d
	}
	l.dialers[addr] = d
	l.running.Go(func() { d.run(ctx) })
	return d
}

// Hangup stops dialling addr and ends the link that led there, if this node
// made it.
func (l *Links) Hangup(addr string) {
	l.mu.Lock()
	d := l.dialers[addr]
	delete(l.dialers, addr)
	l.mu.Unlock()
	if d == nil {
		return
	}
	d.cancel()
	if s := d.session(); s != nil && s.dialed {
		s.leave(errHungUp)
		time.AfterFunc(farewellTime, func() { s.close(errHungUp) })
	}
}

// Connected returns who is at addr once there is a link, dialling it if it is
// not dialled yet. It returns at once if the node there is of another network,
// or a certificate or clock is wrong, and a *DialError with the reason of the
// last attempt when ctx ends.
func (l *Links) Connected(ctx context.Context, addr string) (identity.Peer, error) {
	d := l.dialer(addr) //nolint:contextcheck // dialling goes on when the caller has given up waiting
	for {
		l.mu.Lock()
		up := l.changed
		l.mu.Unlock()
		peer, changed, err := d.state()
		if s := d.session(); s != nil && !s.ended() {
			return s.peer, nil
		}
		if decisive(err) {
			return peer, &DialError{addr, err}
		}
		select {
		case <-up:
		case <-changed:
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("nobody has answered yet: %w", ctx.Err())
			}
			return peer, &DialError{addr, err}
		}
	}
}

func (d *dialer) state() (peer identity.Peer, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peer, d.changed, d.err
}

// decisive reports whether trying again is of no use before somebody acts.
func decisive(err error) bool {
	var (
		expired *identity.ExpiredError
		unborn  *identity.NotYetValidError
		foreign *identity.ForeignError
	)
	return errors.As(err, &expired) || errors.As(err, &unborn) || errors.As(err, &foreign) ||
		errors.Is(err, errSelf) || errors.Is(err, errClosed)
}

// session returns the link to the node that was at the address last.
func (d *dialer) session() *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return (*d.links.sessions.Load())[string(d.peer.ID)]
}

func (d *dialer) note(peer identity.Peer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if peer.ID != "" {
		d.peer = peer
	}
	d.err = err
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *dialer) run(ctx context.Context) {
	backoff, logged, failures := d.links.cfg.Backoff, "", 0
	for ctx.Err() == nil {
		began := d.links.cfg.Now()
		up, err := d.attempt(ctx)
		if up && d.links.cfg.Now().Sub(began) >= backoff.Steady {
			failures, logged = 0, ""
		}
		d.links.total.retries.Add(1)
		if text := err.Error(); !up && text != logged && ctx.Err() == nil {
			d.links.cfg.Log.Info("no link yet, dialling on", "addr", d.addr, "err", err)
			logged = text
		}
		wait := backoff.wait(failures)
		if errors.Is(err, errSelf) {
			wait = selfPause
		}
		pause(ctx, wait)
		failures++
	}
}

// selfPause is how long an address that leads back here is left alone: it may
// be another's one day.
const selfPause = time.Minute

// attempt connects and returns when there is no link any more, and whether there
// was one. If there is one already it waits for the end of that.
func (d *dialer) attempt(ctx context.Context) (up bool, err error) {
	if d.await(ctx) {
		return true, errDuplicate
	}
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	c, err := d.links.transport.dial(dialing, d.addr)
	cancel()
	if err != nil {
		d.note(identity.Peer{}, err)
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { d.abandon(c) })
	defer stop()
	d.note(c.Peer(), nil)
	if d.session() != nil {
		c.Close(nil)
		return true, errDuplicate
	}
	up, err = d.links.serve(c, true, rand.Uint64())
	if errors.Is(err, errDuplicate) {
		return true, err
	}
	d.note(c.Peer(), err)
	return up, err
}

// abandon closes a connection that is no session yet when the dialer is
// cancelled; sessions are ended by whoever cancelled.
func (d *dialer) abandon(c carrier) {
	if s := d.session(); s == nil || s.carrier != c {
		c.Close(errClosed)
	}
}

// await waits while there is a link to the node that was at the address last.
func (d *dialer) await(ctx context.Context) (waited bool) {
	s := d.session()
	if s == nil {
		return false
	}
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	return true
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
