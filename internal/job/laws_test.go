package job

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// events draws any event, fitting or not: late, doubled and from nowhere.
func events(executor, n int) *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		e := fmt.Sprint("e", rapid.IntRange(1, executor).Draw(t, "executor"))
		a := attempt(uint32(rapid.IntRange(1, n).Draw(t, "attempt")))
		r := result(ResultKind(rapid.IntRange(1, 7).Draw(t, "kind")), uint32(rapid.IntRange(0, 1).Draw(t, "code")))
		lease := uint64(rapid.IntRange(1, 3).Draw(t, "lease"))
		return rapid.SampledFrom([]Event{
			Deployable{Executor: e, Lease: lease, Incarnation: 7, At: at(2)},
			Started{Attempt: a},
			Declined{Attempt: a, Reason: "full", At: at(3)},
			Finished{Attempt: a, Executor: e, Signed: rapid.Bool().Draw(t, "signed"), Result: r, At: at(4)},
			ExecutorLost{Executor: e, Lease: lease, Reason: "silent", At: at(5)},
			Reported{Executor: e, Lease: lease, Running: []Held{{Name: a}}, At: at(6)},
			CancelAsked{By: "c", At: at(7)},
			RetryDue{},
			Unplaceable{Reason: "full"},
			Overdue{Timer: QueueTimer, At: at(8)},
			Overdue{Timer: DeadlineTimer, At: at(8)},
		}).Draw(t, "event")
	})
}

// Whatever happens, in whatever order: one verdict, which never changes; bounded attempts; a reason whenever nothing runs; and at most one
// result is ever answered as the winner.
func TestJobKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := newJob(retries(uint32(rapid.IntRange(0, 3).Draw(t, "retries"))))
		var verdict *Verdict
		winners := map[string]bool{}
		for _, ev := range rapid.SliceOfN(events(3, 6), 1, 40).Draw(t, "events") {
			next, effects, err := j.Apply(us, ev)
			if err != nil {
				continue
			}
			j = next
			tenure := j.Current()
			if verdict != nil && !reflect.DeepEqual(tenure.Verdict, verdict) {
				t.Fatalf("verdict changed from %+v to %+v on %#v", *verdict, *tenure.Verdict, ev)
			}
			verdict = tenure.Verdict
			for _, e := range effects {
				if a, ok := e.(Answer); ok && a.Accepted && verdict != nil && verdict.Kind == Accepted && a.Attempt == verdict.Attempt {
					winners[fmt.Sprint(a.Attempt, a.Executor)] = true
				}
			}
			if len(winners) > 1 {
				t.Fatalf("two winners: %v", winners)
			}
			if len(tenure.Attempts) > MaxAttempts {
				t.Fatalf("%d attempts", len(tenure.Attempts))
			}
			if verdict == nil && len(tenure.Live()) == 0 && tenure.Waiting == "" {
				t.Fatalf("nothing runs and nobody says why, after %#v", ev)
			}
			if verdict != nil && len(tenure.Live()) > 0 {
				t.Fatalf("an attempt lives on after the verdict, after %#v", ev)
			}
		}
	})
}

// versions draws two or three versions of one job as brokers could hold them: prefixes of one owner's history.
func versions(t *rapid.T) []Job {
	var all []Job
	j := newJob()
	all = append(all, j)
	for _, ev := range rapid.SliceOfN(events(3, 6), 1, 20).Draw(t, "events") {
		if next, _, err := j.Apply(us, ev); err == nil {
			j = next
			all = append(all, j)
		}
	}
	return rapid.SliceOfN(rapid.SampledFrom(all), 3, 3).Draw(t, "versions")
}

func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := versions(t)
		a, b, c := v[0], v[1], v[2]
		same := func(law string, x, y Job) {
			if string(x.Append(nil)) != string(y.Append(nil)) {
				t.Fatalf("not %s:\n%+v\n%+v", law, x, y)
			}
		}
		same("idempotent", a.Merge(a), a)
		same("commutative", a.Merge(b), b.Merge(a))
		same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		m := a.Merge(b)
		if m.Tenures[0].Rev < max(a.Tenures[0].Rev, b.Tenures[0].Rev) {
			t.Fatalf("an update was lost: %d and %d became %d", a.Tenures[0].Rev, b.Tenures[0].Rev, m.Tenures[0].Rev)
		}
	})
}

func TestEncodingIsFaithful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, j := range versions(t) {
			b := j.Append(nil)
			back, err := Decode(b)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if string(back.Append(nil)) != string(b) {
				t.Fatalf("decoded to another job")
			}
			if _, err := Decode(b[:len(b)-1]); err == nil {
				t.Fatalf("a truncated record was read")
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(newJob().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if j, err := Decode(b); err == nil && string(j.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one job")
		}
	})
}
