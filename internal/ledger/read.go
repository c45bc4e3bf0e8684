package ledger

import "github.com/urbancompute/ucp/internal/canon"

// ReadVector takes a vector off an encoding that has others around it.
func ReadVector(r *canon.Reader) Vector { return Vector{canon.List(r, readDot)} }

// Kinds lists all kinds of records.
var Kinds = []Kind{Job, Node, Broker, Forget, Horizon, Data, Store, Emergency}
