package job

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Seal fills in the result's digest.
func (r *Result) Seal() { r.Digest = sha256.Sum256(r.appendContent(nil)) }

// Hash returns the SHA-256 of the spec's canonical encoding.
func (s *Spec) Hash() [32]byte { return sha256.Sum256(s.Append(nil)) }

// Sum returns the first 8 bytes of the spec's hash: enough to tell apart the few specs that one id may be used for.
func (s *Spec) Sum() uint64 {
	h := s.Hash()
	return binary.BigEndian.Uint64(h[:8])
}

// Decode returns the job whose canonical encoding is b.
func Decode(b []byte) (Job, error) {
	r := canon.NewReader(b)
	if v := r.Byte(); v != version {
		return Job{}, fmt.Errorf("job record of format %d, this program knows %d: %w", v, version, canon.ErrMalformed)
	}
	j := Job{ID: ID(r.String())}
	spec, err := readSpec(r)
	j.Spec, j.Created, j.First, j.Ended = spec, readTime(r), readOwner(r), r.Bool()
	if r.Bool() {
		j.Cancel = &CancelRequest{By: r.String(), At: readTime(r)}
	}
	j.Tenures = canon.List(r, readTenure)
	if err := cmp.Or(r.Err(), err); err != nil {
		return Job{}, fmt.Errorf("job record: %w", err)
	}
	return j, j.valid()
}

// valid checks what the rest of the package relies on.
func (j Job) valid() error {
	if len(j.Tenures) == 0 || j.First.T != 0 || j.First.H != 0 {
		return fmt.Errorf("job %s: no owner: %w", j.ID, canon.ErrMalformed)
	}
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if i > 0 && j.Tenures[i-1].Owner.Compare(t.Owner) >= 0 {
			return fmt.Errorf("job %s: owners out of order: %w", j.ID, canon.ErrMalformed)
		}
		if v := t.Verdict; v != nil && ((v.Kind == Accepted && v.Result == nil) || (v.Kind == Released && !t.released())) {
			return fmt.Errorf("job %s: %s without what that needs: %w", j.ID, v.Kind, canon.ErrMalformed)
		}
	}
	return nil
}

// DecodeSpec returns the spec whose canonical encoding is b.
func DecodeSpec(b []byte) (*Spec, error) {
	r := canon.NewReader(b)
	s, err := readSpec(r)
	return s, cmp.Or(r.Err(), err)
}

// DecodeResult returns the result whose canonical encoding is b, after checking its digest.
func DecodeResult(b []byte) (*Result, error) {
	r := canon.NewReader(b)
	res := readResult(r)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	if sha256.Sum256(res.appendContent(nil)) != res.Digest {
		return nil, fmt.Errorf("result: its digest is not that of its content: %w", canon.ErrMalformed)
	}
	return res, nil
}

// DecodeInputs returns the inputs whose canonical encoding is b.
func DecodeInputs(b []byte) ([]Input, error) {
	r := canon.NewReader(b)
	inputs := canon.List(r, readInput)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("inputs: %w", err)
	}
	return inputs, nil
}

// DecodeName returns the attempt's name whose canonical encoding is b.
func DecodeName(b []byte) (Name, error) {
	r := canon.NewReader(b)
	n := readName(r)
	if err := r.Err(); err != nil {
		return Name{}, fmt.Errorf("name of an attempt: %w", err)
	}
	return n, nil
}

// readSpec returns an error of its own if the labels are out of order: the reader sees nothing wrong with that second encoding.
func readSpec(r *canon.Reader) (s *Spec, err error) {
	s = &Spec{Name: r.String(), Submitter: r.String(), Module: readBlob(r)}
	s.Args = canon.List(r, (*canon.Reader).String)
	s.Env = canon.List(r, (*canon.Reader).String)
	s.Stdin = readBlob(r)
	extended := false
	readFlags(r, &s.Streamed, &extended)
	s.Files = canon.List(r, readFile)
	s.Outputs = canon.List(r, (*canon.Reader).String)
	s.Limits = readLimits(r)
	s.Needs.Labels, err = readLabels(r)
	s.Needs.Memory, s.Priority, s.Retries = r.Uint64(), r.Byte(), r.Uint32()
	s.QueueTimeout, s.Deadline, s.Retention = r.Duration(), r.Duration(), r.Duration()
	s.Quorum, s.Speculate, s.Array = r.Byte(), r.Bool(), r.String()
	s.After = canon.List(r, readDependency)
	s.Emergency = r.String()
	if extended {
		s.readExtension(r)
	}
	return s, err
}

// readExtension reads what came later. An empty one would be a second encoding.
func (s *Spec) readExtension(r *canon.Reader) {
	s.Data = canon.List(r, readDataInput)
	s.Results = canon.List(r, func(r *canon.Reader) NamedResult { return NamedResult{Path: r.String(), Name: r.String()} })
	s.Dirs = canon.List(r, (*canon.Reader).String)
	s.StdoutFile, s.StderrFile, s.Receiver = r.String(), r.String(), r.String()
	readNeeds(r, &s.Needs)
	if !s.extended() {
		r.Fail("extension of a spec")
	}
}

// readNeeds reads what came after labels and memory.
func readNeeds(r *canon.Reader, n *Needs) {
	n.Cores, n.CPU, n.Free, n.Disk = r.Uint32(), r.Uint32(), r.Uint64(), r.Uint64()
	n.Engine, n.Mains = r.String(), r.Bool()
}

func readDataInput(r *canon.Reader) DataInput {
	return DataInput{Name: r.String(), As: Use(r.Byte()), Path: r.String(), OnFailure: OnFailure(r.Byte())}
}

func readLabels(r *canon.Reader) (map[string]string, error) {
	pairs := canon.List(r, readPair)
	if len(pairs) == 0 {
		return nil, nil
	}
	labels := make(map[string]string, len(pairs))
	for i, kv := range pairs {
		if i > 0 && pairs[i-1][0] >= kv[0] {
			return nil, fmt.Errorf("label %.40q is out of order: %w", kv[0], canon.ErrMalformed)
		}
		labels[kv[0]] = kv[1]
	}
	return labels, nil
}

func readDependency(r *canon.Reader) Dependency {
	return Dependency{Job: ID(r.String()), OnFailure: OnFailure(r.Byte())}
}

func readPair(r *canon.Reader) [2]string { return [2]string{r.String(), r.String()} }

func readLimits(r *canon.Reader) Limits {
	l := Limits{Timeout: r.Duration(), CompileTimeout: r.Duration()}
	l.Memory, l.Stdout, l.Stderr = r.Uint64(), r.Uint64(), r.Uint64()
	l.Module, l.Output, l.OpenFiles = r.Uint64(), r.Uint64(), r.Uint32()
	l.Deterministic = r.Bool()
	return l
}

func readBlob(r *canon.Reader) (x Blob) {
	r.Fixed(x.Digest[:])
	x.Size, x.Inline = r.Uint64(), r.Bytes()
	return x
}

func readNamed(r *canon.Reader) NamedFile {
	return NamedFile{Name: r.String(), Blob: readBlob(r), Zip: r.Bool()}
}

func readFile(r *canon.Reader) File { return File{Path: r.String(), Blob: readBlob(r)} }

func readTime(r *canon.Reader) vclock.Hybrid {
	return vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
}

func readOwner(r *canon.Reader) Ownership {
	return Ownership{T: r.Uint32(), H: r.Uint32(), Journal: r.String()}
}

func readName(r *canon.Reader) Name {
	return Name{Job: ID(r.String()), Owner: readOwner(r), Incarnation: r.Uint64(), N: r.Uint32()}
}

func readTenure(r *canon.Reader) Tenure {
	t := Tenure{Owner: readOwner(r), Node: r.String(), Rev: r.Uint64(), Inherited: r.String(), Spec: readSum(r)}
	decided := false
	readFlags(r, &t.Acked, &t.Single, &t.Backoff, &t.Quarantined, &t.Superseded, &decided, &t.Doubtful)
	t.Waiting = r.String()
	t.Attempts = canon.List(r, readAttempt)
	t.Failures = r.Uint32()
	t.Inputs = canon.List(r, readInput)
	t.Candidates = canon.List(r, readCandidate)
	t.Reprieved = readTime(r)
	if decided {
		v := readVerdict(r)
		t.Verdict = &v
	}
	t.Rejected = canon.List(r, readRejection)
	return t
}

func readSum(r *canon.Reader) uint64 {
	var b [8]byte
	r.Fixed(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// readFlags is the inverse of flags. Bits without a meaning would be a second encoding.
func readFlags(r *canon.Reader, values ...*bool) {
	n := r.Uint(len(values))
	for i, v := range values {
		*v = n>>i&1 == 1
	}
}

func readAttempt(r *canon.Reader) Attempt {
	a := Attempt{Name: readName(r), Executor: r.String(), Lease: r.Uint64(), State: AttemptState(r.Byte()), Note: r.String()}
	a.Inputs = canon.List(r, readDigest)
	readFlags(r, &a.Straggles, &a.Down)
	a.Trap, a.Placed, a.Ended = r.String(), readTime(r), readTime(r)
	return a
}

func readDigest(r *canon.Reader) (d [32]byte) {
	r.Fixed(d[:])
	return d
}

func readInput(r *canon.Reader) Input {
	in := Input{Job: ID(r.String()), State: State(r.String()), Digest: readDigest(r)}
	named := false
	readFlags(r, &in.Final, &in.Known, &named)
	if named {
		if in.Name = r.String(); in.Name == "" {
			r.Fail("name of an input")
		}
		in.Files = canon.List(r, readNamed)
	}
	return in
}

func readCandidate(r *canon.Reader) Candidate {
	return Candidate{Attempt: readName(r), Executor: r.String(), Party: r.String(), Result: readResult(r), At: readTime(r)}
}

func readRejection(r *canon.Reader) Rejection {
	return Rejection{Attempt: readName(r), Executor: r.String(), Why: Lateness(r.Byte()), At: readTime(r)}
}

func readVerdict(r *canon.Reader) Verdict {
	v := Verdict{Kind: VerdictKind(r.Byte()), Attempt: readName(r), Executor: r.String()}
	if r.Bool() {
		v.Result = readResult(r)
	}
	v.Reason = r.String()
	v.Inputs, v.Adopted = canon.List(r, readDigest), readOwner(r)
	v.Heir, v.HeirNode, v.At = readOwner(r), r.String(), readTime(r)
	v.Life = r.Uint64()
	return v
}

func readResult(r *canon.Reader) *Result {
	res := &Result{}
	r.Fixed(res.Digest[:])
	kind := ResultKind(r.Byte())
	res.Kind, res.ExitCode = kind&^withNamed, r.Uint32()
	res.Message, res.Trap, res.Limit = r.String(), r.String(), r.String()
	res.Stdout, res.Stderr = readBlob(r), readBlob(r)
	res.Truncated = Truncation{Stdout: r.Bool(), Stderr: r.Bool()}
	res.Outputs = canon.List(r, readFile)
	if kind&withNamed != 0 {
		if res.Named = canon.List(r, readNamed); len(res.Named) == 0 {
			r.Fail("named results")
		}
	}
	res.Missing = canon.List(r, (*canon.Reader).String)
	res.Compile, res.Run = r.Duration(), r.Duration()
	return res
}
