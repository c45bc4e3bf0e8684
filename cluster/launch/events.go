package launch

import (
	"fmt"
	"time"

	"github.com/urbancompute/ucp/config"
)

// Event is something that happened to a launch.
//
//sumtype:decl
type Event interface{ event() }

// NodeUp says that a node is up, also each time after it died.
type NodeUp struct {
	Node    config.Node
	ID      string // node id
	Address string // it listens on; empty if it only dials out
	PID     int
	Starts  int // how often it was started by this launch, from 1
}

// NodeDied says that a node ended, or did not come up again, and when it is started next.
type NodeDied struct {
	Node   config.Node
	Reason error
	Pause  time.Duration // until the next start
}

// AllUp says that every node of this machine has been up.
type AllUp struct {
	Nodes     []config.Node
	Directory Directory
}

// Ending says that the launch begins to end its nodes.
type Ending struct{}

// NodeKilled says that a node had to be killed, since it did not end when it was asked to.
type NodeKilled struct {
	Node config.Node
	PID  int
}

func (NodeUp) event()     {}
func (NodeDied) event()   {}
func (AllUp) event()      {}
func (Ending) event()     {}
func (NodeKilled) event() {}

// StartError says that a node did not come up when the launch began, which ends the launch.
type StartError struct {
	Node config.Node
	Log  string // file with what the node said
	Err  error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("node %s did not start: %v (its log: %s)", e.Node.Name, e.Err, e.Log)
}

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }
