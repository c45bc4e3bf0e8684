package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
)

// follow makes jobs come after those that they name in after.
func (n *names) follow(f file) {
	members := map[string][]int{}
	var called []string
	for i, o := range n.jobs {
		members[o.Base] = append(members[o.Base], i)
		if o.Name != o.Base {
			members[o.Name] = append(members[o.Name], i)
		}
	}
	for _, d := range f.jobs {
		called = append(called, d.name.s)
	}
	for i, o := range n.jobs {
		for _, t := range o.draft.after {
			name := o.filler(o.Index).Replace(t.s)
			before, known := members[name]
			switch {
			case known:
				for _, k := range before {
					n.comeAfter(i, k, t.at, "after")
				}
			case isID(name):
				n.afterElsewhere(o, t, job.ID(name))
			default:
				n.add(t.at, "after: %s (a job that is not of this plan is named by its whole id)", unknown("job", name, called))
			}
		}
	}
}

// isID tells the id of a job from a name.
func isID(s string) bool {
	id := job.ID(s)
	return id.Valid() == nil && id.Time() > 0 && id.FirstAsked() != ""
}

// afterElsewhere makes a job come after one that was submitted before.
func (n *names) afterElsewhere(o *one, t text, id job.ID) {
	if slices.ContainsFunc(o.Spec.After, func(d job.Dependency) bool { return d.Job == id }) {
		n.add(t.at, "after has %s twice", id)
		return
	}
	o.Spec.After = append(o.Spec.After, job.Dependency{Job: id, OnFailure: o.OnFailure})
}

// order returns the jobs so that each comes after those it waits for, and notes every circle.
func (p *problems) order(jobs []*one) []int {
	s := sorter{problems: p, jobs: jobs, state: make([]visit, len(jobs))}
	for i := range jobs {
		s.visit(i)
	}
	return s.done
}

// visit is how far a job has been looked into.
type visit uint8

const (
	unseen visit = iota
	open         // those it waits for are being looked into
	closed
)

type sorter struct {
	*problems
	jobs  []*one
	state []visit
	path  []int // of open jobs: each waits for the next
	done  []int
	told  int
}

// maxCircles bounds the circles that are spelled out.
const maxCircles = 100

// visit looks into a job and all that it waits for, depth first. Its depth is bounded by the number of jobs.
func (s *sorter) visit(i int) {
	if s.state[i] != unseen {
		return
	}
	s.state[i] = open
	s.path = append(s.path, i)
	for _, l := range s.jobs[i].after {
		if s.state[l.to] == open {
			s.circle(l.to)
			continue
		}
		s.visit(l.to)
	}
	s.path = s.path[:len(s.path)-1]
	s.state[i] = closed
	s.done = append(s.done, i)
}

// circle spells out the circle of the path from a job on.
func (s *sorter) circle(from int) {
	if s.told++; s.told > maxCircles {
		return
	}
	round := s.path[slices.Index(s.path, from):]
	first := 0 // told from the job that stands first in the file, so that it is told once
	for k, i := range round {
		if i < round[first] {
			first = k
		}
	}
	var steps []string
	for k := range round {
		this, next := s.jobs[round[(first+k)%len(round)]], round[(first+k+1)%len(round)]
		at := slices.IndexFunc(this.after, func(l link) bool { return l.to == next })
		steps = append(steps, fmt.Sprintf("%s waits for %s (%s)", this.Base, s.jobs[next].Base, this.after[at].why))
	}
	if len(steps) > maxListed {
		steps = append(steps[:maxListed], fmt.Sprintf("and %d more", len(steps)-maxListed))
	}
	s.add(s.jobs[round[first]].At, "the jobs wait for each other in a circle: %s", strings.Join(steps, ", "))
}
