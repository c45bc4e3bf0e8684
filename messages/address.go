package messages

import (
	"strconv"
	"strings"
)

// instanceMark parts a client's node id from the number of its process, in addresses.
const instanceMark = "~"

// ClientAddress returns the address of one of the processes that may share a client's identity. Every other node's address is its id.
func ClientAddress(node string, instance uint64) string {
	return node + instanceMark + strconv.FormatUint(instance, 36)
}

// NodeOf returns the node id in an address.
func NodeOf(address string) string {
	node, _, _ := strings.Cut(address, instanceMark)
	return node
}
