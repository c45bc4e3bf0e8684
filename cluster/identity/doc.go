// Package identity says who a node is and proves it.
//
// # Model
//
// A network is a certificate authority: one Ed25519 key and its self-signed
// certificate. The network's identity is [NetworkID], the hash of that
// certificate; its name is only a label (SEC-6). A node is an Ed25519 key; its
// [NodeID] is a hash of the public half, so nobody can claim the id of another
// without holding its key. The CA binds the two with a certificate that lives
// 30 days and carries everything a peer wants to know:
//
//	Subject CN     the node's name, a label for people
//	URI SAN        ucp://NETWORK/NODEID?roles=broker,datastore
//	Public key     Ed25519; NODEID is its hash, verified by every peer
//	Key usage      digital signature, TLS server and client
//
// A [Trust] is what every member knows of its network: the CA certificate. It
// verifies peers and seals. An [Identity] adds a node's own key and
// certificate; it makes TLS configurations and seals.
//
// Ed25519 rather than ECDSA P-256: a TLS handshake costs the same with both
// (tens of microseconds a signature), but Ed25519 signatures need no randomness,
// so a small machine that has just booted cannot leak its key by a bad nonce,
// and the same signature serves as the seal on results.
//
// # Guarantees
//
// A private key is created in its directory with mode 0600 and is never sent,
// returned or logged. Files are replaced atomically and fsynced. A certificate
// that has expired, one that is not valid yet, one of another network, and one
// that claims a foreign id are told apart by type, and each error says what to
// do. Incarnations are fsynced before they are returned ([NextIncarnation]).
//
// Times are arguments: nothing in this package reads a clock.
package identity
