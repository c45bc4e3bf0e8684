// Package roster is what the ledger says about the members of a network: nodes, and brokers.
//
// A [Node] says who a node is, which broker is home to it, and whether it is up. A [Broker] is one journal: a broker for as long as its disk
// lasts. A node whose disk came back blank, or older than what its peers have seen of it, begins a new journal and is a new broker; the
// old one stays in the ledger until somebody writes a [Forget].
//
// A [Census] is what all these records say together: who is a member, whether a forgotten broker is fenced off by everybody, and who then
// inherits its jobs.
package roster
