package cluster

import (
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/messages"
)

// laneOf says which messages overtake others on a link: those of emergencies.
func laneOf(m proto.Message) link.Lane {
	if messages.Urgent(m) {
		return link.Urgent
	}
	return link.Normal
}
