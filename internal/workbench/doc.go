// Package workbench runs one attempt from its spec to its result: it fetches the bytes the job needs, its named data among them, lays out its directory, runs the
// module in the sandbox of a slot, collects what was asked for, and stores what is too large to travel inline at the job's broker.
//
// Everything an attempt leaves on disk is below the bench's directory and goes away with it; what a crash leaves there is swept when the
// bench opens. Archives are unpacked within the job's limits, and outputs are collected without following links: files, directories as the files in
// them, named results one by one or as an archive. What is not there is noted, and the rest is kept. A result only names bytes that are stored off this machine by then, or carries them (S11).
package workbench
