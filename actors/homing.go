package actors

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/messages"
)

// homing is how an executor or a datastore finds a broker to be its home: it registers there under a lease that it numbers itself, and moves on when
// that broker is silent.
type homing struct {
	brokers   []string // node ids of the brokers in reach, in the order they came
	home      *actor.PID
	lease     uint64 // begins at the incarnation, whose random low bits leave room for those of one life
	confirmed bool   // home has accepted the lease
	timeout   time.Duration
	heard     time.Time      // when home was last heard
	pulse     detect.Accrual // of its answers to heartbeats
	strain    detect.Strain
	every     time.Duration
	ticked    time.Time
}

// Until a broker says how it wants them, heartbeats and leases are these.
const (
	firstHeartbeat = 500 * time.Millisecond
	firstTimeout   = 3 * time.Second
)

func newHoming(n *Node) homing {
	return homing{lease: n.Incarnation, every: firstHeartbeat, timeout: firstTimeout}
}

// forgive moves the home's lease on by as long as this node was held up itself, as one that was frozen is: nobody is blamed for the time
// that nobody listened. The results that it comes back with belong to its home, and are late or not there.
func (h *homing) forgive(now time.Time) {
	late := now.Sub(h.ticked) - 2*h.every
	h.strain.Ticked(late + h.every)
	if late > 0 {
		h.heard = h.heard.Add(late)
		h.pulse.Forgive(late)
	}
	h.ticked = now
}

// brokerUp remembers a broker, and says whether it is to be home: of who has none, or had this one. A broker on the own node is home whoever was
// before, so that one broker speaks for all of a node.
func (h *homing) brokerUp(own string, msg *messages.PeerUp) bool {
	if !slices.Contains(msg.Roles, messages.Broker) {
		return false
	}
	if !slices.Contains(h.brokers, msg.Node) {
		h.brokers = append(h.brokers, msg.Node)
	}
	return h.home == nil || h.home.Address == msg.Node || msg.Node == own
}

func (h *homing) brokerDown(msg *messages.PeerDown) {
	h.brokers = slices.DeleteFunc(h.brokers, func(b string) bool { return b == msg.Node })
	if h.home != nil && h.home.Address == msg.Node {
		h.confirmed = false // a new connection needs a new lease; another home is sought when the old lease is over
	}
}

// silent returns for how long home has said nothing, and whether that means that it is lost.
func (h *homing) silent(now time.Time) (time.Duration, bool) {
	silent := now.Sub(h.heard)
	lost := silent > h.timeout && h.pulse.Suspects(silent, h.strain.Allowance(), detect.Settings{Interval: h.every, Timeout: h.timeout})
	return silent, lost
}

// next returns the broker in reach that was not home for longest, or home if there is no other one.
func (h *homing) next() string {
	old := h.home.Address
	at := slices.Index(h.brokers, old)
	if at >= 0 { // in reach and silent: the last choice from now on
		h.brokers = append(slices.Delete(h.brokers, at, at+1), old)
	}
	if len(h.brokers) > 0 {
		return h.brokers[0]
	}
	return old
}

// moveTo makes a broker home, and gives it as long as a lease lasts to say something.
func (h *homing) moveTo(broker string, now time.Time) {
	h.home, h.heard, h.pulse = pid(broker, messages.BrokerActor), now, detect.Accrual{}
}

// renew numbers a new lease, for which home is to be asked.
func (h *homing) renew() {
	h.lease++
	h.confirmed = false
}

// accept takes the lease that home has confirmed, with the broker's wishes.
func (h *homing) accept(now time.Time, heartbeatMs, timeoutMs uint32) {
	h.confirmed, h.heard = true, now
	h.every, h.timeout = time.Duration(heartbeatMs)*time.Millisecond, time.Duration(timeoutMs)*time.Millisecond
}

// answered notes that home has answered a heartbeat.
func (h *homing) answered(now time.Time) {
	h.heard = now
	h.pulse.Heard(now)
}

// isHome says whether the message under way came from the home broker's node.
func (h *homing) isHome(ctx actor.Context) bool {
	return h.home != nil && ctx.Sender().Address == h.home.Address
}
