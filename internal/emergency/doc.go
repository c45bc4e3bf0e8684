// Package emergency is what a network knows of the emergencies that were declared in it.
//
// An [Emergency] is a replicated record. What was declared never changes; it is over when somebody says so, or when the broker it was declared at,
// or another one in its place, writes down that its time is up. Of several ends the first one counts, so that all brokers agree. A [Board] is all
// that are known: the effective [Level] is the highest of those in force, so clearing one leaves the others (EMG-1).
//
// What a level means for jobs (EMG-2):
//
//	low       emergency jobs have a head start in their class
//	medium    emergency jobs come first
//	high      only emergency jobs start
//	critical  others that run make room
//
// Nothing here knows a clock: how long an emergency has been in force is counted by whoever holds the record.
package emergency
