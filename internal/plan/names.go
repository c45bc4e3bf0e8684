package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
)

// names is what the plan itself gives names to.
type names struct {
	*problems
	jobs    []*one
	locals  map[string]*Local
	ordered []*Local
	made    map[string]int // by which job
	many    []group        // results whose names are known only after the run
	known   []string       // locals and made, sorted
	arrays  []pattern
	links   int
}

// group is all names below a prefix, which one job makes.
type group struct {
	prefix string // with the slash at its end
	by     int
}

// pattern is a name that each job of an array makes with its own index.
type pattern struct {
	before, after string
	count         int
	name          string // of the array
}

// collect notes all names that the plan gives, and those that it gives twice.
func (p *problems) collect(f file, jobs []*one) *names {
	n := &names{problems: p, jobs: jobs, locals: map[string]*Local{}, made: map[string]int{}}
	for _, kv := range f.data {
		n.local("named_data", kv.at, kv.key, kv.value)
	}
	for _, o := range jobs {
		fill := o.filler(o.Index)
		for _, kv := range o.data {
			n.local("data", kv.at, fill.Replace(kv.key), fill.Replace(kv.value))
		}
	}
	for i := range jobs {
		n.makes(i)
	}
	for name := range n.locals {
		n.known = append(n.known, name)
	}
	for name := range n.made {
		n.known = append(n.known, name)
	}
	slices.Sort(n.known)
	n.known = slices.Compact(n.known)
	for _, d := range f.jobs {
		n.array(d)
	}
	return n
}

// local notes a name for a file of this machine.
func (n *names) local(what string, at Position, name, path string) {
	if err := job.ValidDataName(name); err != nil {
		n.add(at, "%s: %s", what, strings.TrimSuffix(err.Error(), ": "+job.ErrInvalid.Error()))
		return
	}
	if path == "" || strings.ContainsRune(path, 0) {
		n.add(at, "%s %.80q has no path: name a file relative to the plan", what, name)
		return
	}
	if first := n.locals[name]; first != nil {
		if first.Path != path {
			n.add(at, "%.80q is %s here and %s on line %d: one name is one file", name, path, first.Path, first.At.Line)
		}
		return
	}
	l := &Local{at, name, path}
	n.locals[name] = l
	n.ordered = append(n.ordered, l)
}

// makes notes the names that a job makes.
func (n *names) makes(i int) {
	o := n.jobs[i]
	for k, r := range o.Spec.Results {
		at := o.makes[k].at
		if first := n.locals[r.Name]; first != nil {
			n.add(at, "%.80q is made here and is the file %s on line %d: one name is one thing", r.Name, first.Path, first.At.Line)
		}
		switch first, taken := n.maker(r.Name); {
		case taken && first == i:
			n.add(at, "named_results has the name %.80q twice", r.Name)
		case taken && n.jobs[first].draft == o.draft:
			n.add(at, "all %d jobs of %s would write %.80q: put {index} into the name", o.Count, o.Base, r.Name)
		case taken:
			n.add(at, "two jobs write %.80q: %s, and %s on line %d", r.Name, o.Base, n.jobs[first].Base, n.jobs[first].At.Line)
		case strings.HasSuffix(r.Name, below):
			n.many = append(n.many, group{strings.TrimSuffix(r.Name, "*"), i})
		default:
			n.made[r.Name] = i
		}
	}
}

// maker returns the job that makes exactly that name, or all names below it.
func (n *names) maker(name string) (int, bool) {
	if by, ok := n.made[name]; ok {
		return by, true
	}
	for _, g := range n.many {
		if g.prefix+"*" == name {
			return g.by, true
		}
	}
	return 0, false
}

// array notes the names that a job of an array makes with its index.
func (n *names) array(d *draft) {
	for _, kv := range d.makes {
		name := strings.ReplaceAll(kv.value, "{count}", strconv.Itoa(d.count))
		if before, after, ok := strings.Cut(name, "{index}"); ok && d.count > 0 && !strings.Contains(after, "{index}") {
			n.arrays = append(n.arrays, pattern{before, after, d.count, d.name.s})
		}
	}
}

// resolve looks for the names that a job uses, and says which jobs come before it.
func (n *names) resolve(i int) {
	o := n.jobs[i]
	for _, u := range o.uses {
		switch {
		case strings.HasSuffix(u.name, below):
			n.resolveMany(i, u)
		case n.locals[u.name] != nil:
			n.useLocal(o, u, n.locals[u.name])
		default:
			n.useNamed(i, u)
		}
		if o.links > maxUses {
			n.add(u.at, "%s uses over %d names", o.Base, maxUses)
			return
		}
		if n.links > maxLinks {
			n.add(u.at, "the jobs of the plan use over %d names; split the plan", maxLinks)
			return
		}
	}
}

// count notes that a job uses one name more.
func (n *names) count(o *one) {
	o.links++
	n.links++
}

func (n *names) useLocal(o *one, u use, l *Local) {
	n.count(o)
	switch u.as {
	case job.AsModule:
		o.Module = l
	case job.AsStdin:
		o.Stdin = l
	case job.AsFile:
		o.Files = append(o.Files, File{strings.TrimSuffix(u.path, "/"), l})
	}
}

// useNamed makes a name that is not local an input, and whoever makes it in this plan come first.
func (n *names) useNamed(i int, u use) {
	o := n.jobs[i]
	n.input(o, u)
	by, made := n.made[u.name]
	if made {
		n.comeAfter(i, by, u.at, fmt.Sprintf("its %.80q", u.name))
		return
	}
	for _, g := range n.many {
		if strings.HasPrefix(u.name, g.prefix) {
			n.comeAfter(i, g.by, u.at, fmt.Sprintf("its %.80q", g.prefix+"*"))
			made = true
		}
	}
	if !made {
		n.outOfRange(u)
	}
}

func (n *names) input(o *one, u use) {
	n.count(o)
	rule := o.OnFailure
	if u.as == job.AsModule && rule == job.RunAnyway {
		rule = job.FailJob // nothing runs without its module
	}
	o.Spec.Data = append(o.Spec.Data, job.DataInput{Name: u.name, As: u.as, Path: u.path, OnFailure: rule})
}

// outOfRange refuses a name that an array of the plan makes for smaller indexes only: nobody else will make it.
func (n *names) outOfRange(u use) {
	for _, a := range n.arrays {
		rest, ok := strings.CutPrefix(u.name, a.before)
		digits, end := strings.CutSuffix(rest, a.after)
		if !ok || !end {
			continue
		}
		if k, err := strconv.Atoi(digits); err == nil && k >= a.count && strconv.Itoa(k) == digits {
			n.add(u.at, "%.80q is not made: the last of %s is %s%d%s, since indexes begin at 0", u.name, a.name, a.before, a.count-1, a.after)
		}
	}
}

// resolveMany makes x/* what the plan has below x/, and if it has nothing there what the network has.
func (n *names) resolveMany(i int, u use) {
	o, prefix := n.jobs[i], strings.TrimSuffix(u.name, "*")
	found := n.below(prefix)
	whole := len(found) == 0
	for _, g := range n.many {
		if strings.HasPrefix(g.prefix, prefix) || strings.HasPrefix(prefix, g.prefix) {
			n.comeAfter(i, g.by, u.at, fmt.Sprintf("its %.80q", g.prefix+"*"))
			whole = true // which names there are is known only when they are made
		}
	}
	if whole {
		n.input(o, u)
	}
	for _, name := range found {
		single := use{u.at, name, u.as, strings.TrimSuffix(u.path, "/") + "/" + strings.TrimPrefix(name, prefix)}
		switch by, made := n.made[name]; {
		case made && whole:
			n.comeAfter(i, by, u.at, fmt.Sprintf("its %.80q", name))
		case made:
			n.useNamed(i, single)
		case !whole:
			n.useLocal(o, single, n.locals[name])
		}
		if o.links > maxUses || n.links > maxLinks || len(o.after) > maxAfter {
			return // told by resolve and order
		}
	}
}

// below returns the known names that begin with prefix.
func (n *names) below(prefix string) []string {
	from, _ := slices.BinarySearch(n.known, prefix)
	to := from
	for to < len(n.known) && strings.HasPrefix(n.known[to], prefix) {
		to++
	}
	return n.known[from:to]
}

// comeAfter makes job i wait for another.
func (n *names) comeAfter(i, other int, at Position, why string) {
	o := n.jobs[i]
	if slices.ContainsFunc(o.after, func(l link) bool { return l.to == other }) || len(o.after) > maxAfter {
		return
	}
	if o.after = append(o.after, link{other, why}); len(o.after) > maxAfter {
		n.add(at, "%s waits for over %d jobs; let jobs between them gather the results of some each", o.Base, maxAfter)
	}
}
