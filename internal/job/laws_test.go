package job

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"
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
		deployed := 0
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
			if _, ok := ev.(Deployable); ok { // else an attempt that a crash forgot was taken back
				deployed++
			}
			if deployed > MaxAttempts {
				t.Fatalf("%d attempts", deployed)
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

// versions draws three versions of one job as brokers could hold them: prefixes of one owner's history.
func versions(t *rapid.T) []Job { return threeOf(t, history(t, newJob(), 1)) }

func threeOf(t *rapid.T, all []Job) []Job {
	return rapid.SliceOfN(rapid.SampledFrom(all), 3, 3).Draw(t, "versions")
}

// history draws what one owner makes of a job in one life.
func history(t *rapid.T, j Job, life uint64) []Job {
	all := []Job{j}
	for _, ev := range rapid.SliceOfN(events(3, 6), 1, 20).Draw(t, "events") {
		if next, _, err := j.Apply(us, ev); err == nil {
			j = next.DecidedIn(us, life)
			all = append(all, j)
		}
	}
	return all
}

// With a disk that was rolled back an owner has two histories. Versions of both still merge to the same everywhere, and what it decided first stands.
func TestMergeAfterARollBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := history(t, newJob(), 1)
		back := rapid.SampledFrom(all).Draw(t, "rolled back to")
		v := threeOf(t, append(all, history(t, back, 2)...))
		isJoin(t, v)
		merged := v[0].Merge(v[1]).Merge(v[2]).Tenures[0].Verdict
		for _, j := range v {
			if d := j.Tenures[0].Verdict; d != nil && (merged == nil || merged.Life > d.Life) {
				t.Fatalf("the verdict %+v was replaced by %+v", d, merged)
			}
		}
	})
}

func isJoin(t *rapid.T, v []Job) {
	a, b, c := v[0], v[1], v[2]
	same := func(law string, x, y Job) {
		if string(x.Append(nil)) != string(y.Append(nil)) {
			t.Fatalf("not %s:\n%+v\n%+v", law, x, y)
		}
	}
	same("idempotent", a.Merge(a), a)
	same("commutative", a.Merge(b), b.Merge(a))
	same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
}

func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := versions(t)
		isJoin(t, v)
		a, b := v[0], v[1]
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

// crowded is a job with something in every field that a record has.
func crowded() Job {
	j := newJob(retries(2), quorum(2), afterJobs(SkipJob, "01HW-b1"), func(s *Spec) {
		s.Needs.Labels = map[string]string{"a": "b"}
		s.Files = []File{{Path: "in", Blob: Blob{Digest: [32]byte{2}, Size: 2, Inline: []byte("hi")}}}
	})
	return crowd(j)
}

// furnished is crowded with everything that came after the first format.
func furnished() Job {
	j := crowded()
	s := *j.Spec
	s.Data = []DataInput{{Name: "a/*", Path: "in", OnFailure: SkipJob}, {Name: "b", As: AsStdin}}
	s.Results, s.Dirs = []NamedResult{{"out/*", "c/*"}}, []string{"out"}
	s.StdoutFile, s.StderrFile, s.Receiver = "o", "e", "laptop"
	s.Needs.Cores, s.Needs.CPU, s.Needs.Free, s.Needs.Disk, s.Needs.Engine, s.Needs.Mains = 1, 2, 3, 4, "wazero", true
	j.Spec = &s
	j.Tenures[0].Inputs = append(j.Tenures[0].Inputs, Input{Job: "01HW-b2", State: StateAccepted, Known: true, Name: "a/*", Files: []NamedFile{{"a/1", Blob{Digest: [32]byte{3}, Size: 9}, true}}})
	j.Tenures[0].Candidates[0].Result = &Result{Kind: Exited, Named: []NamedFile{{"c/1", Blob{Digest: [32]byte{4}, Size: 1, Inline: []byte("x")}, false}}}
	j.Tenures[0].Candidates[0].Result.Seal()
	return j
}

func crowd(j Job) Job {
	j, _ = j.AskCancel("c", at(3))
	t := &j.Tenures[0]
	t.Inputs = []Input{{Job: "01HW-b1", State: StateAccepted, Digest: [32]byte{1}, Final: true, Known: true}}
	t.Attempts = []Attempt{{Name: attempt(1), Executor: "e1", Lease: 1, State: Lost, Inputs: [][32]byte{{1}}, Down: true, Trap: "f", Placed: at(4), Ended: at(5)}}
	t.Candidates = []Candidate{{Attempt: attempt(1), Executor: "e1", Party: "p", Result: printing(1), At: at(5)}}
	t.Rejected = []Rejection{{Attempt: attempt(2), Executor: "e2", Why: Outdated, At: at(6)}}
	t.Verdict = &Verdict{Kind: Released, Heir: Ownership{H: 1, Journal: "j2"}, HeirNode: "b2", At: at(7), Life: 3}
	j.Tenures = append(j.Tenures,
		Tenure{Owner: Ownership{H: 1, Journal: "j3"}, Node: "b3", Inherited: "j1", Spec: j.Spec.Sum(), Quarantined: true, Doubtful: true},
		Tenure{Owner: taker2, Node: "b2", Spec: j.Spec.Sum(), Verdict: &Verdict{Kind: Accepted, Result: printing(2), Inputs: [][32]byte{{1}}, Adopted: us}})
	return j
}

func TestEveryFieldIsEncoded(t *testing.T) {
	for _, j := range []Job{crowded(), furnished()} {
		back, err := Decode(j.Append(nil))
		if err != nil || !reflect.DeepEqual(back, j) {
			t.Fatalf("%v:\n%+v\n%+v", err, back, j)
		}
	}
	inputs := furnished().Tenures[0].Inputs
	back, err := DecodeInputs(AppendInputs(nil, inputs))
	if err != nil || !reflect.DeepEqual(back, inputs) {
		t.Fatalf("%v:\n%+v\n%+v", err, back, inputs)
	}
}

// A record that was written before there was named data is read as what it was, and written as the same bytes: its sums, digests and signatures hold.
func TestRecordsOfBeforeNamedData(t *testing.T) {
	text, err := os.ReadFile("testdata/job-format-2.hex")
	if err != nil {
		t.Fatal(err)
	}
	old, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	j, err := Decode(old)
	if err != nil {
		t.Fatal(err)
	}
	if string(j.Append(nil)) != string(old) {
		t.Fatalf("written anew it differs")
	}
	if sum := crowded().Spec.Sum(); j.Tenures[2].Spec != sum || j.Spec.Sum() != sum {
		t.Fatalf("the sum of its spec was %x and is %x", j.Tenures[2].Spec, j.Spec.Sum())
	}
	r := j.Tenures[2].Verdict.Result
	if again, err := DecodeResult(r.Append(nil)); err != nil || again.Digest != r.Digest {
		t.Fatalf("the digest of its result was %x: %v", r.Digest, err)
	}
}

// Whatever bytes are read as a job: they have no second encoding, and neither a reader nor an owner breaks down over it.
func FuzzDecode(f *testing.F) {
	f.Add(newJob().Append(nil))
	f.Add(crowded().Append(nil))
	f.Add(furnished().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := Decode(b)
		if err != nil {
			return
		}
		if string(j.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one job")
		}
		_, _ = j.State(), j.Merge(newJob()).Current()
		for _, o := range j.Owners() {
			_ = j.NodeOf(o)
			for _, r := range rows() {
				_, _, _ = j.Apply(o, r.ev)
			}
		}
	})
}

func FuzzDecodeSpec(f *testing.F) {
	f.Add(crowded().Spec.Append(nil))
	f.Add(furnished().Spec.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeSpec(b); err == nil && string(s.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one spec")
		}
	})
}

func FuzzDecodeResult(f *testing.F) {
	f.Add(printing(1).Append(nil))
	f.Add(furnished().Tenures[0].Candidates[0].Result.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeResult(b); err == nil && string(r.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one result")
		}
	})
}
