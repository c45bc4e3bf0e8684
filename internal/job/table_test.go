package job

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table in docs/job-lifecycle.md anew")

const lifecycle = "../../docs/job-lifecycle.md"

// row is an event as the table shows it.
type row struct {
	name string
	ev   Event
}

func rows() []row {
	good := result(Exited, 0)
	other := result(Exited, 0)
	other.Stdout = Blob{Digest: [32]byte{7}, Size: 1}
	other.Seal()
	heir := us
	heir.H, heir.Journal = 1, "j2"
	return []row{
		{"Deployable", placedOn("e2")},
		{"Unplaceable", Unplaceable{Reason: "no slot"}},
		{"Started", Started{attempt(1)}},
		{"Declined", Declined{Attempt: attempt(1), Reason: "full", At: at(3)}},
		{"Finished, success", finished(1, "e1", good)},
		{"Finished, success, other digest", finished(1, "e1", other)},
		{"Finished, failure", finished(1, "e1", result(Exited, 3))},
		{"Finished, sandbox crashed", finished(1, "e1", result(Crashed, 0))},
		{"Finished, unknown attempt", finished(9, "e9", good)},
		{"ExecutorLost", lostE1},
		{"Reported, runs it", Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1)}}, At: at(6)}},
		{"Reported, knows nothing", Reported{Executor: "e1", Lease: 2, At: at(6)}},
		{"HandedOver", HandedOver{Heir: heir, Node: "b2", At: at(6)}},
		{"CancelAsked", CancelAsked{By: "c", At: at(7)}},
		{"RetryDue", RetryDue{}},
		{"Overdue in the queue", Overdue{Timer: QueueTimer, At: at(8)}},
		{"Overdue, deadline", Overdue{Timer: DeadlineTimer, At: at(8)}},
	}
}

// column is a state as the table shows it: the events that lead there.
type column struct {
	name   string
	events []Event
}

func columns() []column {
	return []column{
		{"queued", nil},
		{"running", []Event{placedOn("e1")}},
		{"lost, queued", []Event{placedOn("e1"), lostE1}},
		{"accepted", []Event{placedOn("e1"), finished(1, "e1", result(Exited, 0))}},
		{"failed", []Event{placedOn("e1"), finished(1, "e1", result(Exited, 3))}},
		{"cancelled", []Event{CancelAsked{By: "c", At: at(3)}}},
	}
}

// cell tells in words what an event does in a state.
func cell(j Job, ev Event) string {
	next, effects, err := j.Apply(us, ev)
	if err != nil {
		return "refused"
	}
	var words []string
	if from, to := j.stateWord(), next.stateWord(); from != to {
		words = append(words, "→ **"+to+"**")
	}
	for _, e := range effects {
		words = append(words, effectWord(e))
	}
	if len(words) == 0 && string(j.Append(nil)) != string(next.Append(nil)) {
		words = append(words, "noted")
	}
	if len(words) == 0 {
		return "–"
	}
	return strings.Join(words, ", ")
}

func (j Job) stateWord() string {
	if t := j.Tenures[0]; t.Verdict != nil && t.Verdict.Kind == Released {
		return "released"
	}
	return string(j.State())
}

func effectWord(e Effect) string {
	switch e := e.(type) {
	case Deploy:
		return "deploy"
	case Stop:
		return "stop"
	case Answer:
		if e.Accepted {
			return "answer taken"
		}
		return "reject: " + e.Why.String()
	case Requeue:
		return "requeue"
	case Arm:
		return "arm timer"
	case Finish:
		return "end"
	}
	return "?"
}

func table() string {
	var b strings.Builder
	b.WriteString("| event |")
	for _, c := range columns() {
		fmt.Fprintf(&b, " %s |", c.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns())) + "\n")
	for _, r := range rows() {
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, c := range columns() {
			j := newJob()
			for _, ev := range c.events {
				j, _, _ = j.Apply(us, ev)
			}
			fmt.Fprintf(&b, " %s |", cell(j, r.ev))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The table in the documentation is what the code does: go test ./internal/job -update writes it anew.
func TestLifecycleTableIsTrue(t *testing.T) {
	const open, end = "<!-- table -->\n", "<!-- end of table -->"
	doc, err := os.ReadFile(lifecycle)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), open)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", lifecycle)
	}
	want := before + open + table() + end + after
	if *update {
		if err := os.WriteFile(lifecycle, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Fatalf("%s does not say what the code does; go test ./internal/job -update writes the table anew", lifecycle)
	}
}
