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
		{"RetryDue", RetryDue{At: at(7)}},
		{"Straggling", Straggling{Attempt: attempt(1), At: at(7)}},
		{"Preempted", Preempted{Attempt: attempt(1), Reason: "fire", At: at(7)}},
		{"Reprieved", Reprieved{By: "op", At: at(7)}},
		{"Acknowledged on 1 disk", Acknowledged{Disks: 1}},
		{"Merged, nothing new", Merged{Acting: true, At: at(40)}},
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
		{"released", []Event{placedOn("e1"), lostE1, HandedOver{Heir: Ownership{H: 1, Journal: "j2"}, Node: "b2", At: at(6)}}},
	}
}

// cell tells in words what an event does in a state.
func cell(self Ownership, j Job, ev Event) string {
	next, effects, err := j.Apply(self, ev)
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
		switch {
		case e.Held:
			return "answer held"
		case e.Accepted:
			return "answer taken"
		}
		return "reject: " + e.Why.String()
	case Requeue:
		return "requeue"
	case Arm:
		return "arm timer"
	case Finish:
		return "end"
	case Forward:
		return "pass on to the heir"
	case Supersede:
		return "tell the client: superseded"
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
			fmt.Fprintf(&b, " %s |", cell(us, j, r.ev))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// finding is what an owner finds in the record after a merge.
type finding struct {
	name          string
	others, takes Job // what the authority without an attempt, and a taker that runs one, find
}

func findings() []finding {
	owner := newJob()
	running, _, _ := owner.Apply(us, placedOn("e1"))
	runs, _, _ := owner.TakeOver("j2", "b2")
	runs, _, _ = runs.Apply(taker2, placedOn("e2"))
	provisional := func(j Job) Job {
		j, _, _ = j.TakeOver("j9", "b9")
		o, _ := j.Mine("j9")
		j, _, _ = j.Apply(o, Overdue{Timer: DeadlineTimer, At: at(3)})
		return j
	}
	wish, _ := owner.AskCancel("c", at(3))
	decided, _, _ := owner.Apply(us, Overdue{Timer: DeadlineTimer, At: at(3)})
	accepted, _, _ := runs.Apply(taker2, Finished{Attempt: Name{Job: owner.ID, Owner: taker2, Incarnation: 7, N: 1}, Executor: "e2", Result: printing(1), At: at(4)})
	return []finding{
		{"nothing new", owner, runs},
		{"another owner's attempt", owner.Merge(runs), runs.Merge(running)},
		{"another owner's provisional verdict", provisional(owner), provisional(runs)},
		{"a wish to cancel", wish, runs.Merge(wish)},
		{"the authority's verdict", decided, runs.Merge(decided)},
		{"the authority's verdict, and it made another one", decided, accepted.Merge(decided)},
	}
}

func mergedTable() string {
	var b strings.Builder
	b.WriteString("| it finds | the authority | a taker that acts | a taker that stands by |\n|---|---|---|---|\n")
	for _, f := range findings() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, cell(us, f.others, acting),
			cell(taker2, f.takes, acting), cell(taker2, f.takes, Merged{At: at(40)}))
	}
	return b.String()
}

// The tables in the documentation are what the code does: go test ./internal/job -update writes them anew.
func TestLifecycleTablesAreTrue(t *testing.T) {
	doc, err := os.ReadFile(lifecycle)
	if err != nil {
		t.Fatal(err)
	}
	want := replaced(t, replaced(t, string(doc), "table", table()), "merged", mergedTable())
	if *update {
		if err := os.WriteFile(lifecycle, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Fatalf("%s does not say what the code does; go test ./internal/job -update writes the tables anew", lifecycle)
	}
}

// replaced puts a table between its marks.
func replaced(t *testing.T, doc, name, table string) string {
	open, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(doc, open)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the %s", lifecycle, name)
	}
	return before + open + table + end + after
}
