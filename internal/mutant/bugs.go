package mutant

import (
	"maps"
	"slices"
)

// Bug is a mistake that somebody could make.
type Bug int

// The bugs. None is the healthy process.
const (
	None Bug = iota

	// What leaves a broker before it is on disk, or is said to be on more disks than it is.

	AckBeforeFsync
	AckTwoOnOne
	ConfirmBeforeFsync
	PushBeforeFsync
	AnswerBeforeFsync
	FinalOnOneDisk

	// What is lost in a merge or at a restart.

	LastArrivalWins
	VerdictOverwritten
	DedupeForgotten
	VectorReset
	CutStreamAdopted
	MarksWithoutFrom
	NamesReused

	// Who decides.

	TakerDecidesFinally
	TakeoverTakesAuthority
	HeirWithoutFences
	HeirBeforeFencesMet
	RolledBackGoesOn
	UnprovenCounts
	SupersededUntold
	SupersededTwice

	// What is forgotten, and what is not done.

	ForgottenComesBack
	ForgottenRunsAgain
	HorizonOfOne
	LeaseNeverExpires
	LostJobDropped
	PreemptedJobDropped
)

// bugs are the name of each bug and what it is.
var bugs = map[Bug][2]string{
	AckBeforeFsync:         {"ack-before-fsync", "a job is acknowledged before it is on disk"},
	AckTwoOnOne:            {"ack-two-on-one", "a job on one disk is acknowledged as being on two"},
	ConfirmBeforeFsync:     {"confirm-before-fsync", "a broker confirms what a peer sent before it is on disk"},
	PushBeforeFsync:        {"push-before-fsync", "a broker pushes its writes to peers before they are on disk"},
	AnswerBeforeFsync:      {"answer-before-fsync", "an executor is told that its result is accepted before the verdict is on disk"},
	FinalOnOneDisk:         {"final-on-one-disk", "a verdict is called final while it is on the disk of its owner alone"},
	LastArrivalWins:        {"last-arrival-wins", "of two versions of a tenure the one that came last is kept"},
	VerdictOverwritten:     {"verdict-overwritten", "a later result replaces the one that was accepted"},
	DedupeForgotten:        {"dedupe-forgotten", "a restarted owner has forgotten what it accepted, and accepts again"},
	VectorReset:            {"vector-reset", "a restarted broker begins with an empty vector"},
	CutStreamAdopted:       {"cut-stream-adopted", "the first part of a stream brings the whole vector, and what a cut takes from the rest is missing"},
	MarksWithoutFrom:       {"marks-without-from", "marks are adopted by who has not got as far as where the stream began"},
	NamesReused:            {"names-reused", "a restarted owner numbers its attempts as before"},
	TakerDecidesFinally:    {"taker-decides-finally", "the verdict of a broker that took a job over is called final"},
	TakeoverTakesAuthority: {"takeover-takes-authority", "a takeover counts like a hand-over, in the same numbers, and moves the authority"},
	HeirWithoutFences:      {"heir-without-fences", "an heir begins as soon as a broker is given up, before others have fenced it off"},
	HeirBeforeFencesMet:    {"heir-before-fences-met", "an heir begins before it holds what the fences say others hold"},
	RolledBackGoesOn:       {"rolled-back-goes-on", "a broker whose disk was rolled back goes on under its old journal"},
	UnprovenCounts:         {"unproven-counts", "a verdict is final though the disk of its owner may have lost what others know"},
	SupersededUntold:       {"superseded-untold", "nobody is told that a provisional end does not stand"},
	SupersededTwice:        {"superseded-twice", "a client is told again and again that a provisional end does not stand"},
	ForgottenComesBack:     {"forgotten-comes-back", "a broker that was away brings a forgotten job back"},
	ForgottenRunsAgain:     {"forgotten-runs-again", "a forgotten job that is submitted again is taken for a new one"},
	HorizonOfOne:           {"horizon-of-one", "what one broker knows is taken for what all know, and forgotten"},
	LeaseNeverExpires:      {"lease-never-expires", "an executor that falls silent is waited for"},
	PreemptedJobDropped:    {"preempted-job-dropped", "an attempt that made room for an emergency counts as under way, so that its job is never deployed again"},
	LostJobDropped:         {"lost-job-dropped", "an attempt that was lost counts as under way, so that its job is never deployed again"},
}

// String returns the bug's name.
func (b Bug) String() string { return bugs[b][0] }

// What says what the bug is.
func (b Bug) What() string { return bugs[b][1] }

// All returns every bug, in order.
func All() []Bug { return slices.Sorted(maps.Keys(bugs)) }

// Named returns the bug of that name, and whether there is one.
func Named(name string) (Bug, bool) {
	for b := range bugs {
		if b.String() == name {
			return b, true
		}
	}
	return None, false
}
