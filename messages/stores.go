package messages

import (
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/vclock"
)

// StoresToWire returns the wire form of s.
func StoresToWire(s roster.Stores) *StoresResponse {
	m := &StoresResponse{Replicas: uint32(max(0, s.Replicas)), Paused: s.Paused} //nolint:gosec // a setting, checked where it is read
	for _, x := range s.All {
		m.Stores = append(m.Stores, &StoreInfo{
			Node: x.Node, Name: x.Name, Address: x.Address, State: string(x.State), Home: x.Home, Free: x.Free, Used: x.Used,
			SeenMs: uint64(max(0, x.At.Wall)), Reason: x.Reason,
		})
	}
	return m
}

// StoresFromWire returns what a broker told of where bytes are kept; nothing if it told nothing.
func StoresFromWire(m *StoresResponse) roster.Stores {
	s := roster.Stores{Replicas: int(m.GetReplicas()), Paused: m.GetPaused()}
	for _, x := range m.GetStores() {
		s.All = append(s.All, roster.Store{
			Node: x.GetNode(), Name: x.GetName(), Address: x.GetAddress(), Home: x.GetHome(), State: roster.Standing(x.GetState()), Reason: x.GetReason(),
			Free: x.GetFree(), Used: x.GetUsed(), At: vclock.Hybrid{Wall: int64(min(x.GetSeenMs(), 1<<48-1))},
		})
	}
	return s
}
