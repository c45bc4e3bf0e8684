// Package journal keeps on disk what a node must not lose, a broker's records and an executor's results: a [Journal] is a directory of values by
// key, written in batches that each become durable as a whole or not at all.
//
// It knows nothing of what the values mean. Below it lies Pebble; each value carries a version and a checksum of its own beside Pebble's, and
// the directory says in a file of its own which format it has, so that an older program refuses a newer directory before it touches it.
//
// A disk is believed or it is not: after a failed write or fsync nobody can say what it holds, so every later write fails too ([ErrBroken]), and
// whoever owns the journal stops. A full disk is another matter: it is found out before anything is written ([ErrFull]).
package journal
