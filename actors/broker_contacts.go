package actors

import "slices"

// contacts are the addresses at which the network's brokers can be dialled, sorted; rev counts how often they changed.
type contacts struct {
	addresses []string
	rev       uint64
}

// lookForBrokers learns from the ledger where brokers are, and tells whoever dials (DISC-1). A broker that was given up is none.
func (b *Broker) lookForBrokers() {
	var found []string
	for _, journal := range b.census.Members() {
		r, _ := b.census.Broker(journal)
		if n, ok := b.node(r.Node); ok && n.Address != "" {
			found = append(found, n.Address)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if slices.Equal(found, b.contacts.addresses) {
		return
	}
	for _, address := range found {
		if _, known := slices.BinarySearch(b.contacts.addresses, address); !known {
			b.met(address)
		}
	}
	b.contacts = contacts{found, b.contacts.rev + 1}
}

// news returns where brokers are, nothing to whom knows that already.
func (b *Broker) news(known *uint64) []string {
	if *known == b.contacts.rev {
		return nil
	}
	*known = b.contacts.rev
	return b.contacts.addresses
}
