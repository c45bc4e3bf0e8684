package messages

// PeerUp tells an actor of this node that a link to a node came up. It never crosses a link.
type PeerUp struct {
	Node  string // node id, from its certificate
	Name  string
	Roles []string
	// Incarnation is the peer's key in vector clocks; 0 for a client, which has none.
	Incarnation uint64
}

// PeerDown tells an actor of this node that a link ended. The node may come back under another PeerUp.
type PeerDown struct {
	Node   string
	Name   string
	Reason error
	Clean  bool // the peer said goodbye, rather than fell silent
}
