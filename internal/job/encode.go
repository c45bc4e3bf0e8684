package job

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// version opens every encoding; an unknown one is refused. What came later is written behind a flag, and only if it is there: a job that has
// nothing of it is written as it always was, so that records, sums, digests and signatures of before still hold.
const version = 2

// Append appends the canonical encoding of j to b. Equal jobs have equal encodings.
func (j Job) Append(b []byte) []byte {
	b = canon.AppendUint(b, uint64(version))
	b = canon.AppendString(b, j.ID)
	b = j.Spec.Append(b)
	b = appendTime(b, j.Created)
	b = appendOwner(b, j.First)
	b = canon.AppendBool(b, j.Ended)
	b = canon.AppendBool(b, j.Cancel != nil)
	if j.Cancel != nil {
		b = canon.AppendString(b, j.Cancel.By)
		b = appendTime(b, j.Cancel.At)
	}
	return canon.AppendList(b, j.Tenures, appendTenure)
}

// Append appends the canonical encoding of s to b.
func (s *Spec) Append(b []byte) []byte {
	b = canon.AppendString(b, s.Name)
	b = canon.AppendString(b, s.Submitter)
	b = appendBlob(b, s.Module)
	b = canon.AppendList(b, s.Args, canon.AppendString[string])
	b = canon.AppendList(b, s.Env, canon.AppendString[string])
	b = appendBlob(b, s.Stdin)
	b = canon.AppendUint(b, flags(s.Streamed, s.extended()))
	b = canon.AppendList(b, s.Files, appendFile)
	b = canon.AppendList(b, s.Outputs, canon.AppendString[string])
	b = appendLimits(b, s.Limits)
	b = canon.AppendUint(appendLabels(b, s.Needs.Labels), s.Needs.Memory)
	b = canon.AppendUint(b, s.Priority)
	b = canon.AppendUint(b, s.Retries)
	b = canon.AppendDuration(b, s.QueueTimeout)
	b = canon.AppendDuration(b, s.Deadline)
	b = canon.AppendDuration(b, s.Retention)
	b = canon.AppendUint(b, s.Quorum)
	b = canon.AppendBool(b, s.Speculate)
	b = canon.AppendString(b, s.Array)
	b = canon.AppendList(b, s.After, func(b []byte, d Dependency) []byte {
		return canon.AppendUint(canon.AppendString(b, d.Job), d.OnFailure)
	})
	b = canon.AppendString(b, s.Emergency)
	if s.extended() {
		b = s.appendData(b)
		b = appendNeeds(b, s.Needs)
	}
	return b
}

// extended says whether the spec has anything of what came after its first encoding.
func (s *Spec) extended() bool {
	n := s.Needs
	return len(s.Data)+len(s.Results)+len(s.Dirs) > 0 || s.StdoutFile != "" || s.StderrFile != "" || s.Receiver != "" ||
		n.Cores > 0 || n.CPU > 0 || n.Free > 0 || n.Disk > 0 || n.Engine != "" || n.Mains
}

func (s *Spec) appendData(b []byte) []byte {
	b = canon.AppendList(b, s.Data, func(b []byte, d DataInput) []byte {
		return canon.AppendUint(canon.AppendString(canon.AppendUint(canon.AppendString(b, d.Name), d.As), d.Path), d.OnFailure)
	})
	b = canon.AppendList(b, s.Results, func(b []byte, r NamedResult) []byte {
		return canon.AppendString(canon.AppendString(b, r.Path), r.Name)
	})
	b = canon.AppendList(b, s.Dirs, canon.AppendString[string])
	for _, text := range []string{s.StdoutFile, s.StderrFile, s.Receiver} {
		b = canon.AppendString(b, text)
	}
	return b
}

func appendLabels(b []byte, labels map[string]string) []byte {
	return canon.AppendList(b, slices.Sorted(maps.Keys(labels)), func(b []byte, k string) []byte {
		return canon.AppendString(canon.AppendString(b, k), labels[k])
	})
}

// appendNeeds appends those that came after labels and memory.
func appendNeeds(b []byte, n Needs) []byte {
	b = canon.AppendUint(canon.AppendUint(b, n.Cores), n.CPU)
	b = canon.AppendUint(canon.AppendUint(b, n.Free), n.Disk)
	return canon.AppendBool(canon.AppendString(b, n.Engine), n.Mains)
}

func appendLimits(b []byte, l Limits) []byte {
	b = canon.AppendDuration(b, l.Timeout)
	b = canon.AppendDuration(b, l.CompileTimeout)
	for _, n := range []uint64{l.Memory, l.Stdout, l.Stderr, l.Module, l.Output, uint64(l.OpenFiles)} {
		b = canon.AppendUint(b, n)
	}
	return canon.AppendBool(b, l.Deterministic)
}

func appendBlob(b []byte, x Blob) []byte {
	b = append(b, x.Digest[:]...)
	b = canon.AppendUint(b, x.Size)
	return canon.AppendString(b, x.Inline)
}

func appendNamed(b []byte, f NamedFile) []byte {
	return canon.AppendBool(appendBlob(canon.AppendString(b, f.Name), f.Blob), f.Zip)
}

func appendFile(b []byte, f File) []byte { return appendBlob(canon.AppendString(b, f.Path), f.Blob) }

func appendTime(b []byte, t vclock.Hybrid) []byte {
	return canon.AppendUint(canon.AppendUint(b, uint64(t.Wall)), t.Logical)
}

func appendOwner(b []byte, o Ownership) []byte {
	return canon.AppendString(canon.AppendUint(canon.AppendUint(b, o.T), o.H), o.Journal)
}

func appendName(b []byte, n Name) []byte {
	b = canon.AppendString(b, n.Job)
	b = appendOwner(b, n.Owner)
	return canon.AppendUint(canon.AppendUint(b, n.Incarnation), n.N)
}

// Append appends the canonical encoding of n to b: what an owner's MAC of an attempt covers.
func (n Name) Append(b []byte) []byte { return appendName(b, n) }

func appendTenure(b []byte, t Tenure) []byte {
	b = appendOwner(b, t.Owner)
	b = canon.AppendString(b, t.Node)
	b = canon.AppendUint(b, t.Rev)
	b = canon.AppendString(b, t.Inherited)
	b = binary.BigEndian.AppendUint64(b, t.Spec) // a hash: a varint would be longer
	b = canon.AppendUint(b, flags(t.Acked, t.Single, t.Backoff, t.Quarantined, t.Superseded, t.Verdict != nil, t.Doubtful))
	b = canon.AppendString(b, t.Waiting)
	b = canon.AppendList(b, t.Attempts, appendAttempt)
	b = canon.AppendUint(b, t.Failures)
	b = canon.AppendList(b, t.Inputs, appendInput)
	b = canon.AppendList(b, t.Candidates, appendCandidate)
	b = appendTime(b, t.Reprieved)
	if t.Verdict != nil {
		b = appendVerdict(b, *t.Verdict)
	}
	return canon.AppendList(b, t.Rejected, appendRejection)
}

// flags packs truth values into a number, the first one lowest.
func flags(values ...bool) (n uint8) {
	for i, v := range values {
		if v {
			n |= 1 << i
		}
	}
	return n
}

func appendAttempt(b []byte, a Attempt) []byte {
	b = appendName(b, a.Name)
	b = canon.AppendString(b, a.Executor)
	b = canon.AppendUint(b, a.Lease)
	b = canon.AppendUint(b, a.State)
	b = canon.AppendString(b, a.Note)
	b = canon.AppendList(b, a.Inputs, appendDigest)
	b = canon.AppendUint(b, flags(a.Straggles, a.Down))
	b = canon.AppendString(b, a.Trap)
	return appendTime(appendTime(b, a.Placed), a.Ended)
}

func appendDigest(b []byte, d [32]byte) []byte { return append(b, d[:]...) }

func appendInput(b []byte, in Input) []byte {
	b = canon.AppendString(canon.AppendString(b, in.Job), in.State)
	b = canon.AppendUint(appendDigest(b, in.Digest), flags(in.Final, in.Known, in.Name != ""))
	if in.Name != "" {
		b = canon.AppendList(canon.AppendString(b, in.Name), in.Files, appendNamed)
	}
	return b
}

// AppendInputs appends the canonical encoding of inputs to b.
func AppendInputs(b []byte, inputs []Input) []byte { return canon.AppendList(b, inputs, appendInput) }

func appendCandidate(b []byte, c Candidate) []byte {
	b = canon.AppendString(canon.AppendString(appendName(b, c.Attempt), c.Executor), c.Party)
	return appendTime(c.Result.Append(b), c.At)
}

func appendRejection(b []byte, r Rejection) []byte {
	b = canon.AppendString(appendName(b, r.Attempt), r.Executor)
	return appendTime(canon.AppendUint(b, r.Why), r.At)
}

func appendVerdict(b []byte, v Verdict) []byte {
	b = canon.AppendUint(b, v.Kind)
	b = canon.AppendString(appendName(b, v.Attempt), v.Executor)
	b = canon.AppendBool(b, v.Result != nil)
	if v.Result != nil {
		b = v.Result.Append(b)
	}
	b = canon.AppendString(b, v.Reason)
	b = canon.AppendList(b, v.Inputs, appendDigest)
	b = appendOwner(b, v.Adopted)
	b = canon.AppendString(appendOwner(b, v.Heir), v.HeirNode)
	return canon.AppendUint(appendTime(b, v.At), v.Life)
}

// Append appends the canonical encoding of r to b, its digest and durations included.
func (r *Result) Append(b []byte) []byte {
	b = append(b, r.Digest[:]...)
	b = r.appendContent(b)
	return canon.AppendDuration(canon.AppendDuration(b, r.Compile), r.Run)
}

// appendContent appends what the digest covers: all that a client could tell two results apart by, and no timing.
func (r *Result) appendContent(b []byte) []byte {
	kind := r.Kind
	if len(r.Named) > 0 {
		kind |= withNamed
	}
	b = canon.AppendUint(b, kind)
	b = canon.AppendUint(b, r.ExitCode)
	for _, s := range []string{r.Message, r.Trap, r.Limit} {
		b = canon.AppendString(b, s)
	}
	b = appendBlob(appendBlob(b, r.Stdout), r.Stderr)
	b = canon.AppendBool(canon.AppendBool(b, r.Truncated.Stdout), r.Truncated.Stderr)
	b = canon.AppendList(b, r.Outputs, appendFile)
	if len(r.Named) > 0 {
		b = canon.AppendList(b, r.Named, appendNamed)
	}
	return canon.AppendList(b, r.Missing, canon.AppendString[string])
}

// withNamed marks the kind of a result that has named results.
const withNamed ResultKind = 1 << 7
