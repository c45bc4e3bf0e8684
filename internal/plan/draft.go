package plan

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/urbancompute/ucp/internal/job"
)

// draft is a job as the file has it: one that may stand for many.
type draft struct {
	at        Position
	name      text
	count     int // 0: not an array
	after     []text
	onFailure job.OnFailure

	module, stdin, receiver text
	stdout, stderr          text
	argv, dirs, results     []text
	env                     []pair // name and value
	uses                    []pair // guest path and name
	makes                   []pair // guest path and name
	data                    []pair // name and local path

	needs             job.Needs
	priority          uint8
	emergency         text
	retries           uint32
	quorum            uint8
	speculate         bool
	timeout, deadline time.Duration
}

// file is all that a plan's file says.
type file struct {
	data []pair // name and local path
	jobs []*draft
}

// maxCount bounds the jobs of a plan.
const maxCount = 10_000

// read returns what the file says.
func (p *problems) read(root *section) file {
	r := p.in("", root)
	f := file{data: r.pairs("named_data", "a section of names and paths")}
	for i, s := range r.sections("jobs") {
		f.jobs = append(f.jobs, p.draft(i, s))
	}
	if len(root.fields) == 0 {
		p.add(Position{}, "the plan is empty: give it at least one of [[jobs]] and [named_data]")
	}
	p.nameJobs(f.jobs)
	return f
}

// entry is one section of a list of sections.
type entry struct {
	at Position
	*section
}

func (r reader) sections(key string) []entry {
	f := r.given(key)
	if f == nil {
		return nil
	}
	all, ok := f.data.(*sequence)
	if !ok {
		r.wants(key, f.value, "a list of jobs, in TOML [[jobs]]")
		return nil
	}
	var list []entry
	for _, item := range all.items {
		s, ok := item.data.(*section)
		if !ok {
			r.wants(key, item, "only sections")
			continue
		}
		list = append(list, entry{item.at, s})
	}
	return list
}

// failures are the words for what becomes of a job whose predecessor failed.
var failures = map[string]job.OnFailure{"": job.FailJob, "fail": job.FailJob, "skip": job.SkipJob, "run": job.RunAnyway}

func (p *problems) draft(i int, s entry) *draft {
	r := p.in("[[jobs]]", s.section)
	d := &draft{
		at: s.at, name: r.text("name"), after: r.texts("after"), emergency: r.text("emergency"),
		priority: uint8(r.number("priority", 100)), retries: uint32(r.number("retries", 1000)), quorum: uint8(r.number("quorum", 9)), //nolint:gosec // bounded
		timeout: r.duration("timeout"), deadline: r.duration("deadline"), speculate: r.truth("speculate"),
		data: r.pairs("data", "a section of names and paths"),
	}
	if d.name.s == "" {
		d.name = text{cmp.Or(d.name.at, s.at), "job-" + strconv.Itoa(i+1)}
	}
	if f := r.given("count"); f != nil {
		if d.count = int(r.number("count", maxCount)); d.count == 0 { //nolint:gosec // bounded
			if n, ok := f.data.(int64); ok && n == 0 {
				p.add(f.value.at, "count wants at least 1")
			}
		}
	}
	onFailure, known := r.text("on_failure"), false
	if d.onFailure, known = failures[onFailure.s]; !known {
		p.add(onFailure.at, "on_failure wants fail, skip or run, not %.80q", onFailure.s)
	}
	for _, l := range r.pairs("labels", "a section of labels and values") {
		if d.needs.Labels == nil {
			d.needs.Labels = map[string]string{}
		}
		d.needs.Labels[l.key] = l.value
	}
	p.metadata(d, r)
	return d
}

func (p *problems) metadata(d *draft, job reader) {
	s := job.below("metadata", "a section")
	if s == nil {
		if job.given("metadata") == nil {
			p.add(d.at, "the job has no [jobs.metadata] that names its wasm_module")
		}
		return
	}
	r := p.in("[jobs.metadata]", s)
	d.module, d.stdin, d.receiver = r.text("wasm_module"), r.text("stdin_file"), r.text("results_receiver")
	d.argv, d.dirs, d.results = r.texts("argv"), r.texts("dirs"), r.texts("results")
	d.stdout, d.stderr = r.text("stdout_file"), r.text("stderr_file")
	d.env = r.pairs("env", "a section of names and texts")
	d.uses = r.pairs("data", "a section of paths and names")
	d.makes = r.pairs("named_results", "a section of paths and names")
	if d.module.s == "" {
		at := d.module.at
		if at == (Position{}) {
			at = job.get("metadata").at
		}
		p.add(at, "wasm_module has to name the module to run")
	}
	if c := r.below("capabilities", "a section"); c != nil {
		c := p.in("[jobs.metadata.capabilities]", c)
		d.needs.Cores, d.needs.CPU = uint32(c.number("cpu_cores", 1<<16)), uint32(c.number("free_cpu_capacity", 100<<16)) //nolint:gosec // bounded
		d.needs.Free, d.needs.Disk = c.number("free_memory", math.MaxInt64), c.number("free_disk_space", math.MaxInt64)
	}
}

// nameJobs sees to it that each job has a name that a file can have, of its own.
func (p *problems) nameJobs(jobs []*draft) {
	lines := map[string]int{}
	for _, d := range jobs {
		if why := badJobName(d.name.s); why != "" {
			p.add(d.name.at, "job name %.80q: %s", d.name.s, why)
		}
		if line, taken := lines[d.name.s]; taken {
			p.add(d.name.at, "job name %.80q is taken by the job on line %d", d.name.s, line)
			continue
		}
		lines[d.name.s] = d.at.Line
	}
}

// maxJobName leaves room for an index and an ending in the name of a file.
const maxJobName = 200

// badJobName says why a job cannot be called name: results are put into files called so.
func badJobName(name string) string {
	switch {
	case len(name) > maxJobName:
		return "it has more than " + strconv.Itoa(maxJobName) + " bytes"
	case strings.ContainsAny(name, `/\:`):
		return `/, \ and : are not allowed in it`
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "control characters are not allowed in it"
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "-"):
		return "it must not begin with . or -"
	}
	return ""
}
