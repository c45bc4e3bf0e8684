package plan

import (
	"crypto/sha256"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
)

// Parse reads a plan. The name of the file says whether it is TOML, YAML or JSON, and stands in the problems. With problems a plan
// has nothing but the files that it names: what is wrong with those can be told too.
func Parse(name string, text []byte) (Plan, []Problem) {
	p := &problems{file: name}
	root, err := parse(name, text)
	if err != nil {
		p.add(err.at, "%s", err.text)
		return Plan{}, p.list
	}
	f := p.read(root)
	jobs := p.unfold(f.jobs)
	n := p.collect(f, jobs)
	for i := range jobs {
		n.resolve(i)
	}
	n.follow(f)
	order := p.order(jobs)
	p.check(jobs)
	if len(p.list) > 0 {
		return Plan{Data: n.ordered}, p.sorted()
	}
	return Plan{Data: n.ordered, Jobs: arranged(jobs, order)}, nil
}

// check asks the rules of jobs themselves, once nothing else is wrong: they know no places.
func (p *problems) check(jobs []*one) {
	if len(p.list) > 0 {
		return
	}
	for _, o := range jobs {
		spec := o.Spec
		if o.Module != nil {
			spec.Module = job.Blob{Digest: sha256.Sum256(nil)} // which one is known later
		}
		if err := spec.Valid(); err != nil {
			p.add(o.At, "%s: %s", o.Base, strings.ReplaceAll(err.Error(), ": "+job.ErrInvalid.Error(), ""))
		}
	}
}

// arranged returns the jobs in their order, with what they wait for as places in it.
func arranged(jobs []*one, order []int) []Job {
	place := make([]int, len(jobs))
	for k, i := range order {
		place[i] = k
	}
	list := make([]Job, 0, len(jobs))
	for _, i := range order {
		j := jobs[i].Job
		for _, l := range jobs[i].after {
			j.After = append(j.After, place[l.to])
		}
		list = append(list, j)
	}
	return list
}
