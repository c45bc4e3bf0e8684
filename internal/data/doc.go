// Package data is what a network knows of named data: bytes that somebody put under a name, and those that a job makes under one.
//
// # The model
//
// Each put, and each removal, is a [Record] of its own with an id made by its client, so that a put that is sent again is one put. A record
// is immutable but for one thing: Gone says that a later record of its name has replaced it. Who writes a record marks all earlier ones that it
// knows of that name; so a name has several live records only if they were written without knowledge of each other.
//
//	put A ──▶ put B            B is the value, A is gone
//	put A ─┬▶ put B at b1 ─┐   B and C are live: the later by hybrid time is the value, the other a sibling
//	       └▶ put C at b2 ─┴▶  put D at either: D is the value, B and C are gone
//
// A job whose spec has named results is a [Maker]. Its results are read through its record as long as that is kept; what the name stands
// for then is written as a record, with the time at which it was made.
//
// [Known.Stand] says what a name stands for, and [Need] what a job gets that needs it. Both are functions of what is known, so brokers that know
// the same say the same.
//
// The package is pure: no clock, no I/O.
package data
