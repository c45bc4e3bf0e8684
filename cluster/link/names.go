package link

import (
	"encoding/binary"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
)

const (
	// maxID bounds the name of an actor on the wire, in bytes.
	maxID = 512
	// ringSize is how many names both ends remember, so that a repeated name
	// takes one byte.
	ringSize = 126

	nameOnce  = 0 // a literal follows
	nameEnter = 1 // a literal follows and takes the next place in the ring
	nameFirst = 2 // from here on: places in the ring
)

// nameEncoder writes the names of actors. Names that come back take one byte;
// futures, whose names never do, are not remembered.
type nameEncoder struct {
	place map[string]int
	ring  [ringSize]string
	next  int
}

func (e *nameEncoder) append(dst []byte, id string) []byte {
	if at, ok := e.place[id]; ok {
		return append(dst, byte(nameFirst+at)) //nolint:gosec // a place in the ring
	}
	if isFuture(id) {
		return appendString(append(dst, nameOnce), id)
	}
	if e.place == nil {
		e.place = make(map[string]int)
	}
	delete(e.place, e.ring[e.next])
	e.ring[e.next], e.place[id] = id, e.next
	e.next = (e.next + 1) % ringSize
	return appendString(append(dst, nameEnter), id)
}

// nameDecoder is the other end of a nameEncoder.
type nameDecoder struct {
	ring [ringSize]*name
	next int
}

func (d *nameDecoder) read(r *reader) *name {
	switch v := r.uvarint(nameFirst + ringSize - 1); v {
	case nameOnce:
		return &name{id: r.string(maxID)}
	case nameEnter:
		n := &name{id: r.string(maxID)}
		d.ring[d.next] = n
		d.next = (d.next + 1) % ringSize
		return n
	default:
		n := d.ring[v-nameFirst]
		if n == nil {
			r.fail()
		}
		return n
	}
}

// name is the name of an actor as it came over a link, with what was found out
// about it, so that the next message to or from it costs less.
type name struct {
	id string
	// local is the actor of this name here, remote the one at the peer.
	local, remote *actor.PID
	// allowed is the message type that the policy let through last.
	allowed uint32
}

// isFuture tells the futures of protoactor by their name.
func isFuture(id string) bool { return strings.HasPrefix(id, "future") }

// isReserved tells the processes of protoactor that are no actors and that no
// peer has business with; some panic when they get a message.
func isReserved(id string) bool {
	return id == "deadletter" || id == "eventstream" || strings.HasPrefix(id, "guardian")
}

// remotePID returns the PID of n at peer. Its request id is not part of n.
func (n *name) remotePID(peer string, request uint32) *actor.PID {
	if request != 0 {
		return &actor.PID{Address: peer, Id: n.id, RequestId: request}
	}
	if n.remote == nil {
		n.remote = actor.NewPID(peer, n.id)
	}
	return n.remote
}

func appendRequest(dst []byte, request uint32) []byte {
	if request == 0 {
		return dst
	}
	return binary.AppendUvarint(dst, uint64(request))
}
