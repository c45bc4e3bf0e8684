package messages

import "google.golang.org/protobuf/proto"

// Urgent says whether a message is about an emergency, and so goes before others wherever there can be a backlog (EMG-4). What stops an attempt is
// not: it must not arrive before what deploys it.
func Urgent(m proto.Message) bool {
	switch m := m.(type) {
	case *DeclareEmergency, *EmergencyDeclared, *ClearEmergency:
		return true
	case *SlotRequest:
		return m.GetEmergency() != ""
	case *Relay:
		return m.GetAnswer().GetUrgent()
	case *ForwardResult:
		return m.GetResult().GetUrgent()
	case interface{ GetUrgent() bool }:
		return m.GetUrgent()
	}
	return false
}
