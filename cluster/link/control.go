package link

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What a frame begins with: control, or the lane of the records in it.
const (
	frameControl = 0
	frameNormal  = 1 // + Lane
	// Added to that: the frame is a piece, and more of them follow; its confirmation is awaited.
	frameMore   = 16
	framePrompt = 32
)

// What a control frame says. kindAcks is one of them.
const (
	controlHello    = 16 + iota // who speaks, in which life; the first frame of both ends
	controlQuery                // "do you hold this connection?", of the arbiter
	controlAnswer               // "yes", "no"
	controlVerdict              // "this connection is the one", or why not
	controlBye                  // "I have said and confirmed everything": a clean end
	controlFarewell             // "so have I": the one who said bye may hang up
)

// version is that of the protocol. Ends of different versions part at once.
const version = 2

var errVersion = errors.New("peer speaks another version of the link protocol")

const (
	maxAddresses = 16
	maxAddress   = 256
	maxRoles     = 16
	maxRole      = 64
)

// hello opens a connection.
type hello struct {
	version uint64
	// id names the connection; the dialling end draws it.
	id uint64
	// incarnation is the speaker's life in vector clocks, 0 if it has no entry.
	incarnation uint64
	// advertise are the addresses at which the speaker can be dialled.
	advertise []string
	// instance tells apart the processes that share a client's identity, 0 for
	// a node of another role.
	instance uint64
	// roles are those of its certificate that the speaker plays; all of them if there are none.
	roles []string
}

func (h hello) encode() []byte {
	b := []byte{frameControl, controlHello}
	b = binary.AppendUvarint(b, h.version)
	b = binary.AppendUvarint(b, h.id)
	b = binary.AppendUvarint(b, h.incarnation)
	b = binary.AppendUvarint(b, uint64(len(h.advertise)))
	for _, a := range h.advertise {
		b = appendString(b, a)
	}
	b = binary.AppendUvarint(b, h.instance)
	b = binary.AppendUvarint(b, uint64(len(h.roles)))
	for _, r := range h.roles {
		b = appendString(b, r)
	}
	return b
}

// decodeHello leaves out what a later version may have added at the end.
func decodeHello(b []byte) (h hello, err error) {
	r, err := control(b, controlHello)
	if err != nil {
		return hello{}, err
	}
	h.version = r.uvarint(1 << 32)
	if !r.bad && h.version != version {
		return hello{}, fmt.Errorf("%w: it speaks %d, this node %d: upgrade the older one", errVersion, h.version, version)
	}
	h.id, h.incarnation = r.uvarint(maxUint64), r.uvarint(maxUint64)
	for range r.uvarint(maxAddresses) {
		h.advertise = append(h.advertise, r.string(maxAddress))
	}
	h.instance = r.uvarint(maxUint64)
	for range r.uvarint(maxRoles) {
		h.roles = append(h.roles, r.string(maxRole))
	}
	if r.bad {
		return hello{}, fmt.Errorf("%w: hello", errMalformed)
	}
	return h, nil
}

const maxUint64 = 1<<64 - 1

// control checks that b is a control frame of that kind and returns the rest.
func control(b []byte, want byte) (*reader, error) {
	if len(b) < 2 || b[0] != frameControl || b[1] != want {
		return nil, fmt.Errorf("%w: not what the handshake is waiting for", errMalformed)
	}
	return &reader{b: b[2:]}, nil
}

func encodeQuery(id uint64) []byte {
	return binary.AppendUvarint([]byte{frameControl, controlQuery}, id)
}

func encodeAnswer(alive bool) []byte {
	b := []byte{frameControl, controlAnswer, 0}
	if alive {
		b[2] = 1
	}
	return b
}

func decodeAnswer(b []byte) (alive bool, err error) {
	r, err := control(b, controlAnswer)
	if err != nil {
		return false, err
	}
	alive = r.octet() == 1
	if r.bad {
		return false, fmt.Errorf("%w: answer", errMalformed)
	}
	return alive, nil
}

// The arbiter's verdicts.
const (
	verdictAccepted  = 0
	verdictDuplicate = 1 // there is a connection already
	verdictRefused   = 2 // for the reason that follows
)

func encodeVerdict(code byte, reason string) []byte {
	return appendString([]byte{frameControl, controlVerdict, code}, clip(reason))
}

func decodeVerdict(b []byte) (code byte, reason string, err error) {
	r, err := control(b, controlVerdict)
	if err != nil {
		return 0, "", err
	}
	code, reason = r.octet(), r.string(maxReason)
	if r.bad || code > verdictRefused {
		return 0, "", fmt.Errorf("%w: verdict", errMalformed)
	}
	return code, reason, nil
}

func encodeBye(reason string) []byte {
	return appendString([]byte{frameControl, controlBye}, clip(reason))
}

// clip keeps a reason within what frames carry.
func clip(reason string) string { return reason[:min(len(reason), maxReason)] }
