package sim

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/workbench"
)

// bench is the actors.Workbench of an executor: its programs take virtual time and do what their arguments say.
type bench struct {
	node    *Node
	life    *life
	slots   int
	labels  map[string]string
	machine placement.Capacity
	running map[job.Name]*event
	runs    int
	stops   int
	fetched uint64     // bytes
	had     [][32]byte // what its programs needed and is no part of their records, across lives: a cache on disk
}

// Program is the spec of a job that runs for as long as its first argument says; more arguments say how it ends:
//
//	exit=3    with that code
//	trap      in a trap, the same every time
//	wild      with an output that is another one in every run
//	kill      by taking its executor down
//	flaky=2   the first two runs of the whole job fail
//
// What it writes tells of the named data that it was given, and is what every name stands for that it makes.
func Program(args ...string) *job.Spec {
	return &job.Spec{
		Name: "program", Module: job.Blob{Digest: sha256.Sum256([]byte("program")), Size: 8}, Args: args, Retention: time.Hour,
	}
}

func newBench(n *Node, slots int) *bench {
	return &bench{node: n, slots: slots, labels: map[string]string{"name": n.Name}}
}

// begin forgets what the last life was running.
func (b *bench) begin(l *life) {
	b.life = l
	b.running = map[job.Name]*event{}
}

// Run implements actors.Workbench.
func (b *bench) Run(task workbench.Task, done func(*job.Result)) (stop func(string)) {
	w := b.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	b.runs++
	b.use(task.Spec)
	p := parse(task.Spec.Args)
	end := b.result(p, task)
	w.tell(b.node.Name, "runs %s for %s", short(task.Attempt), p.length)
	w.script.given(task)
	life := b.life
	if task.Spec.Emergency != "" {
		w.plan(life, 0, task.Started)
	} else if p.length > workbench.StartNotice {
		w.plan(life, workbench.StartNotice, task.Started)
	}
	e := w.plan(life, p.length, func() {
		delete(b.running, task.Attempt)
		if p.kill {
			w.Faults.add("program took its executor down")
			b.node.kill()
			w.plan(nil, time.Second, b.node.start)
			return
		}
		w.chronicle.ran(b.node, task, end)
		done(end)
	})
	b.running[task.Attempt] = e
	w.chronicle.begun(b.node, task)
	return func(reason string) { b.stop(task, life, reason, done) }
}

// use brings what a program needs into the cache.
func (b *bench) use(s *job.Spec) {
	for _, x := range s.Blobs() {
		if x.Elsewhere() && !slices.Contains(b.had, x.Digest) {
			b.had = append(b.had, x.Digest)
			b.fetched += x.Size
		}
	}
}

// recent implements what an executor says of its cache.
func (b *bench) recent(most int) [][32]byte {
	b.node.w.mu.Lock()
	defer b.node.w.mu.Unlock()
	return slices.Clone(b.had[max(0, len(b.had)-most):])
}

// stop ends a program that still runs.
func (b *bench) stop(task workbench.Task, l *life, reason string, done func(*job.Result)) {
	w := b.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := b.running[task.Attempt]
	if !ok || l.dead || e.do == nil {
		return
	}
	b.stops++
	e.do = nil
	delete(b.running, task.Attempt)
	r := &job.Result{Kind: job.Crashed, Message: reason}
	r.Seal()
	w.plan(l, time.Millisecond, func() { done(r) })
}

// program is what arguments ask for.
type program struct {
	length           time.Duration
	exit             uint32
	trap, wild, kill bool
	flaky            int
}

func parse(args []string) program {
	p := program{length: time.Second}
	for i, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch {
		case i == 0:
			p.length, _ = time.ParseDuration(a)
		case key == "exit":
			n, _ := strconv.ParseUint(value, 10, 32)
			p.exit = uint32(n)
		case key == "flaky":
			p.flaky, _ = strconv.Atoi(value)
		case key == "trap":
			p.trap = true
		case key == "wild":
			p.wild = true
		case key == "kill":
			p.kill = true
		}
	}
	return p
}

// result is how a run will end.
func (b *bench) result(p program, task workbench.Task) *job.Result {
	r := &job.Result{Kind: job.Exited, ExitCode: p.exit, Run: p.length}
	out := fmt.Sprintf("output of %s", strings.Join(task.Spec.Args, " "))
	if p.wild {
		out = fmt.Sprintf("output of run %d at %s", b.runs, b.node.Name)
	}
	out += reads(task.Inputs)
	if p.flaky > b.node.w.chronicle.runsOf(task.Attempt.Job) {
		r.ExitCode = 1
	}
	if p.trap {
		r = &job.Result{Kind: job.Trapped, Message: "the program trapped: unreachable", Trap: "wasm trap: unreachable", Run: p.length}
	}
	if limit := task.Spec.Limits.Timeout; limit > 0 && p.length > limit {
		r = &job.Result{Kind: job.TimedOut, Message: fmt.Sprintf("ran longer than its timeout of %s", limit), Run: limit}
	}
	r.Stdout = job.Blob{Digest: sha256.Sum256([]byte(out)), Size: uint64(len(out)), Inline: []byte(out)}
	if r.Success() {
		r.Named = leaves(task.Spec, r.Stdout)
	}
	r.Seal()
	return r
}

// reads tells what a program was given: its output is another one with other data.
func reads(inputs []job.Input) string {
	var b strings.Builder
	for _, in := range inputs {
		for _, f := range in.Files {
			fmt.Fprintf(&b, ", %s is %s", f.Name, f.Blob.Inline)
		}
	}
	return b.String()
}

// leaves makes the named results that a program was asked for; of a pattern there are two.
func leaves(spec *job.Spec, b job.Blob) (named []job.NamedFile) {
	for _, asked := range spec.Results {
		if below, many := strings.CutSuffix(asked.Name, "*"); many {
			named = append(named, job.NamedFile{Name: below + "1", Blob: b}, job.NamedFile{Name: below + "2", Blob: b})
			continue
		}
		named = append(named, job.NamedFile{Name: asked.Name, Blob: b})
	}
	return named
}
