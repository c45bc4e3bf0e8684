package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
)

// The bounds of what arrays unfold into.
const (
	maxUnfolded = 32 << 20 // bytes of texts
	maxLinks    = 200_000  // names used, all jobs together
	maxUses     = 1024     // names that one job uses
	maxAfter    = 256      // jobs that one job waits for
)

// one is a job as it will be submitted, with the names that it uses still to be looked for.
type one struct {
	Job
	*draft
	uses  []use
	after []link
	links int // names in uses, unfolded
}

// use is a name that a job uses, and as what.
type use struct {
	at   Position
	name string
	as   job.Use
	path string
}

// link says that a job comes after another, and why.
type link struct {
	to  int
	why string
}

// unfold makes each draft the jobs that it stands for, in the order of the file.
func (p *problems) unfold(drafts []*draft) []*one {
	var all []*one
	bytes := 0
	for _, d := range drafts {
		n := max(1, d.count)
		bytes += n * d.weight()
		if len(all)+n > maxCount || bytes > maxUnfolded {
			p.add(d.at, "with %s the plan unfolds into over %d jobs, or %d MiB of texts; split it", d.name.s, maxCount, maxUnfolded>>20)
			return all
		}
		for i := range n {
			all = append(all, p.one(d, i))
		}
	}
	p.distinct(all)
	return all
}

// weight is roughly what a job of d takes, in bytes.
func (d *draft) weight() int {
	n := 512
	for _, texts := range [][]text{d.argv, d.dirs, d.results} {
		for _, t := range texts {
			n += 64 + len(t.s)
		}
	}
	for _, pairs := range [][]pair{d.env, d.uses, d.makes, d.data} {
		for _, kv := range pairs {
			n += 64 + len(kv.key) + len(kv.value)
		}
	}
	return n
}

// distinct refuses two jobs of one name, which only arrays can have by now.
func (p *problems) distinct(all []*one) {
	seen := map[string]*one{}
	for _, o := range all {
		if first := seen[o.Name]; first != nil && first.Base != o.Base { // two drafts of one name were told already
			p.add(o.draft.name.at, "a job called %.80q is already made by the job on line %d", o.Name, first.At.Line)
		}
		seen[o.Name] = o
	}
}

// filler replaces {index} and {count} in the texts of an array.
type filler struct{ *strings.Replacer }

func (d *draft) filler(i int) filler {
	if d.count == 0 {
		return filler{strings.NewReplacer()}
	}
	return filler{strings.NewReplacer("{index}", strconv.Itoa(i), "{count}", strconv.Itoa(d.count))}
}

func (f filler) all(texts []text) []string {
	var list []string
	for _, t := range texts {
		list = append(list, f.Replace(t.s))
	}
	return list
}

func (p *problems) one(d *draft, i int) *one {
	fill := d.filler(i)
	o := &one{draft: d, Job: Job{At: d.at, Base: d.name.s, Name: d.name.s, Index: i, Count: d.count, OnFailure: d.onFailure}}
	if d.count > 0 {
		if o.Name = fill.Replace(d.name.s); !strings.Contains(d.name.s, "{index}") {
			o.Name += "-" + strconv.Itoa(i)
		}
	}
	o.Spec = job.Spec{
		Name: o.Name, Args: fill.all(d.argv), Needs: d.needs, Limits: job.Limits{Timeout: d.timeout},
		Priority: d.priority, Emergency: d.emergency.s, Retries: d.retries, Deadline: d.deadline, Quorum: d.quorum, Speculate: d.speculate,
		Receiver: receiver(fill.Replace(d.receiver.s)),
	}
	for _, e := range d.env {
		if e.key == "" || strings.ContainsAny(e.key, "=\x00") {
			p.add(e.at, "environment variable %.80q: a name has at least one letter, and no =", e.key)
		}
		o.Spec.Env = append(o.Spec.Env, e.key+"="+fill.Replace(e.value))
	}
	slices.Sort(o.Spec.Env)
	p.paths(o, fill)
	p.names(o, fill)
	return o
}

// receiver makes the address that REC's plans have a name.
func receiver(s string) string {
	if name, ok := strings.CutPrefix(s, "dtn://"); ok {
		return strings.TrimSuffix(name, "/")
	}
	return s
}

// paths fills in what the job finds and leaves in its directory.
func (p *problems) paths(o *one, fill filler) {
	d := o.draft
	for _, t := range d.dirs {
		o.Spec.Dirs = append(o.Spec.Dirs, p.guest(t.at, "dirs", fill.Replace(t.s)))
	}
	seen := map[string]bool{}
	for _, t := range d.results {
		got := p.guest(t.at, "results", fill.Replace(t.s))
		if seen[got] {
			p.add(t.at, "results has %.80q twice", t.s)
		}
		seen[got] = true
		o.Spec.Outputs = append(o.Spec.Outputs, got)
	}
	if d.stdout.s != "" {
		o.Spec.StdoutFile = p.guest(d.stdout.at, "stdout_file", fill.Replace(d.stdout.s))
	}
	if d.stderr.s != "" {
		o.Spec.StderrFile = p.guest(d.stderr.at, "stderr_file", fill.Replace(d.stderr.s))
	}
	if o.Spec.StdoutFile != "" && o.Spec.StdoutFile == o.Spec.StderrFile {
		p.add(d.stderr.at, "stdout_file and stderr_file are one file")
	}
}

const maxPath = 4096

// guest returns a path in the job's directory, which the program sees as /.
func (p *problems) guest(at Position, what, given string) string {
	clean := path.Clean(strings.TrimLeft(given, "/"))
	why := ""
	switch {
	case clean == ".":
		why = "name a file or directory in the job's directory, such as /in/data.txt"
	case clean == "..", strings.HasPrefix(clean, "../"):
		why = "it leads out of the job's directory"
	case strings.ContainsRune(given, 0):
		why = "it has a zero byte"
	case len(given) > maxPath:
		why = fmt.Sprintf("it has %d bytes, at most %d are allowed", len(given), maxPath)
	}
	if why != "" {
		p.add(at, "%s %.80q: %s", what, given, why)
	}
	return clean
}

// names fills in what the job uses and makes by name.
func (p *problems) names(o *one, fill filler) {
	d := o.draft
	if d.module.s != "" {
		o.uses = append(o.uses, use{d.module.at, p.dataName(d, d.module.at, "wasm_module", fill.Replace(d.module.s), false), job.AsModule, ""})
	}
	if d.stdin.s != "" {
		o.uses = append(o.uses, use{d.stdin.at, p.dataName(d, d.stdin.at, "stdin_file", fill.Replace(d.stdin.s), false), job.AsStdin, ""})
	}
	seen := map[string]bool{}
	for _, kv := range d.uses {
		key := fill.Replace(kv.key)
		to := p.guest(kv.at, "data", key)
		if seen[to] {
			p.add(kv.at, "data puts two things at %.80q", key)
		}
		seen[to] = true
		if strings.HasSuffix(key, "/") {
			to += "/" // a directory is unpacked there
		}
		o.uses = append(o.uses, use{kv.at, p.dataName(d, kv.at, "data", fill.Replace(kv.value), true), job.AsFile, to})
	}
	for _, kv := range d.makes {
		from := p.guest(kv.at, "named_results", fill.Replace(kv.key))
		name := p.dataName(d, kv.at, "named_results", fill.Replace(kv.value), true)
		if strings.HasSuffix(from, below) != strings.HasSuffix(name, below) {
			p.add(kv.at, "named_results %.80q = %.80q: either both end in /*, for every file of a directory, or none", kv.key, kv.value)
		}
		o.Spec.Results = append(o.Spec.Results, job.NamedResult{Path: from, Name: name})
	}
}

// below ends a name that stands for all that begin so.
const below = "/*"

// dataName checks a name of named data.
func (p *problems) dataName(d *draft, at Position, what, name string, many bool) string {
	valid := job.ValidDataName
	if many {
		valid = job.ValidDataPattern
	}
	if err := valid(name); err != nil {
		p.add(at, "%s: %s", what, strings.TrimSuffix(err.Error(), ": "+job.ErrInvalid.Error()))
	}
	if d.count == 0 && (strings.Contains(name, "{index}") || strings.Contains(name, "{count}")) {
		p.add(at, "%s %.80q: {index} and {count} need a count beside [jobs.metadata]", what, name)
	}
	return name
}
