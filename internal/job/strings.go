package job

import "fmt"

// String returns the word that people read.
func (s AttemptState) String() string {
	return word(s, "", "placed", "running", "won", "failed", "lost", "declined", "stopped", "held", "preempted")
}

// String returns the word that people read; empty for a result that was not late.
func (l Lateness) String() string {
	return word(l, "", "late, equal digest", "late, different digest", "unknown attempt", "after the verdict", "an input was superseded")
}

// String returns the word that people read.
func (k VerdictKind) String() string {
	return word(k, "", "accepted", "failed", "cancelled", "expired", "released", "skipped")
}

// String returns the word that people read.
func (k ResultKind) String() string {
	return word(k, "", "exited", "trapped", "limit hit", "timed out", "refused", "crashed", "unfetched", "incomplete", "unfit")
}

// String returns the word that people read and plans use.
func (f OnFailure) String() string { return word(f, "fail", "skip", "run") }

// String prints the ownership as t.h@journal.
func (o Ownership) String() string { return fmt.Sprintf("%d.%d@%s", o.T, o.H, o.Journal) }

func word[T ~uint8](v T, words ...string) string {
	if int(v) < len(words) {
		return words[v]
	}
	return fmt.Sprintf("unknown (%d)", v)
}
