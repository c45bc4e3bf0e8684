// Package events puts what happened in a network into causal order.
//
// An [Event] carries the stamp that its node's clock gave at the time: how many messages the node had sent by then, and what it knew of others. That
// is enough to tell, of any two events, whether one could have had to do with the other:
//
//	b1 ──e──────▶m(4)──────────────      e: b1 had sent 3 messages
//	                  ╲
//	b2 ────────────────▼──f────────      f knows of b1's 4th: it was sent after e, so e came before f
//
// [Sort] lays events into one line that no cause comes late in, [WriteShiViz] writes them for the viewer of that name (Beschastnikh, Wang, Brun
// and Ernst: Debugging Distributed Systems, 2016), and [Story] tells of one job, from its record, who decided what and what was concurrent.
//
// The package is pure: it reads no clock and starts nothing. The order rests on stamps alone; wall clocks decide only between events that are
// concurrent.
package events
