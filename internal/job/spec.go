package job

import "time"

// Spec is what a client wants done. It never changes after submission.
type Spec struct {
	Name      string // a label for people
	Submitter string // node id of the client
	Module    Blob
	Args      []string
	Env       []string // K=V
	Stdin     Blob     // zero: none, or streamed
	Streamed  bool     // the client stays and streams stdin, stdout and stderr
	Files     []File   // placed in the job directory before the start
	Outputs   []string // guest paths collected after a run
	Limits    Limits
	Needs     Needs

	Priority     uint8         // 0–100, greater first
	Retries      uint32        // program failures forgiven
	QueueTimeout time.Duration // 0: waits for ever
	Deadline     time.Duration // from submission to the end, 0: none
	Retention    time.Duration // how long a finished job is kept; 0: until its client was told

	Quorum    uint8        // executors of different parties that must agree on the result; 0 is 1
	Speculate bool         // an attempt that is slower than its like gets a backup
	Array     string       // names the jobs that are alike: those of one array
	After     []Dependency // jobs that come first
	Emergency string       // the type of emergency that the job belongs to, "" for none

	Data       []DataInput   // named data that the program gets
	Results    []NamedResult // outputs that become named data
	Dirs       []string      // made in the job directory before the start
	StdoutFile string        // where in the job directory a copy of standard output is put after the run, "" for nowhere
	StderrFile string        // the same of standard error
	Receiver   string        // the client that the results are meant for, by name; "": whoever submitted it
}

// DataInput is named data that a job needs before it runs, whoever puts it, or submits the job that makes it (JOB-10).
type DataInput struct {
	Name      string // a/b/c, or a/b/* for everything below a/b/
	As        Use
	Path      string // with AsFile: where in the job directory; what a/b/* stands for lies below it. With a slash at the end a directory is unpacked there
	OnFailure OnFailure
}

// Use says what named data is to a program.
type Use uint8

// The uses of named data.
const (
	AsFile Use = iota
	AsStdin
	AsModule
)

// NamedResult makes an output named data: it is read through the job's winner as long as the job is kept, and is put under its name after that.
type NamedResult struct {
	Path string // in the job directory; a directory is zipped; out/* takes every file in out
	Name string // a/b/c; of out/* it ends in /*
}

// Dependency makes a job wait for another.
type Dependency struct {
	Job       ID
	OnFailure OnFailure
}

// OnFailure says what becomes of a job whose predecessor did not succeed.
type OnFailure uint8

// The rules for failed predecessors.
const (
	FailJob OnFailure = iota
	SkipJob
	RunAnyway
)

// Blob names bytes by their SHA-256. Small ones may travel inline.
type Blob struct {
	Digest [32]byte
	Size   uint64
	Inline []byte
}

// IsZero says that there are no bytes named.
func (b Blob) IsZero() bool { return b.Digest == [32]byte{} }

// File puts the bytes of Blob at a path of the job directory.
type File struct {
	Path string
	Blob Blob
}

// Limits are a job's own limits; 0 means the executor's default (RUN-4). Sizes are bytes.
type Limits struct {
	Timeout, CompileTimeout time.Duration
	Memory, Stdout, Stderr  uint64
	Module, Output          uint64
	OpenFiles               uint32
	Deterministic           bool // fake clock and randomness
}

// Needs constrain where a job may run.
type Needs struct {
	Labels map[string]string
	Memory uint64 // bytes, filled from Limits when 0
	Cores  uint32 // CPU cores of the machine
	CPU    uint32 // CPU capacity that is free, 100 for each core
	Free   uint64 // memory of the machine that is free, bytes
	Disk   uint64 // disk space that is free, bytes
	Engine string // that runs modules, "" for any
	Mains  bool   // no machine that runs on its battery
}

// Result is how an attempt ended, with everything a client gets back.
type Result struct {
	Digest    [32]byte // over everything below but the durations
	Kind      ResultKind
	ExitCode  uint32
	Message   string // one sentence, for all kinds but Exited
	Trap      string // wasm stack
	Limit     string // which limit was hit
	Stdout    Blob
	Stderr    Blob
	Truncated Truncation
	Outputs   []File
	Named     []NamedFile // the named results
	Missing   []string    // outputs that were asked for and are not there, with the reason
	Compile   time.Duration
	Run       time.Duration
}

// NamedFile is a named result: the bytes that a name stands for.
type NamedFile struct {
	Name string
	Blob Blob
	Zip  bool // a directory, zipped
}

// Truncation says which streams were cut at their limit.
type Truncation struct{ Stdout, Stderr bool }

// ResultKind tells how the program ended (RUN-6).
type ResultKind uint8

// The kinds of results.
const (
	Exited ResultKind = iota + 1
	Trapped
	LimitHit
	TimedOut
	RefusedModule
	Crashed   // the worker process died: nobody's fault that we know of
	Unfetched // the executor could not get the bytes it needs
)

// Success says whether the result can be accepted: the program ran to its end and said 0.
func (r *Result) Success() bool { return r.Kind == Exited && r.ExitCode == 0 }
