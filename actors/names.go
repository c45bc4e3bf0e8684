package actors

import (
	"maps"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/job"
)

// nameIndex finds jobs by the named data that they name: a/b/c, or a/b/* for all below a/b/. To ask costs as much as there are parts in a name, and
// the answer.
type nameIndex struct {
	names map[job.ID][]string
	exact map[string]idSet // by name
	many  map[string]idSet // patterns, by the directory they stand for: a/b/
	below map[string]idSet // names and patterns, by every directory above them
}

type idSet map[job.ID]struct{}

func newNameIndex() nameIndex {
	return nameIndex{names: map[job.ID][]string{}, exact: map[string]idSet{}, many: map[string]idSet{}, below: map[string]idSet{}}
}

// set notes what a job names, and forgets what it named before.
func (x nameIndex) set(id job.ID, names []string) {
	if slices.Equal(x.names[id], names) {
		return
	}
	x.remove(id)
	if len(names) == 0 {
		return
	}
	x.names[id] = names
	for _, n := range names {
		x.each(n, func(m map[string]idSet, key string) {
			if m[key] == nil {
				m[key] = idSet{}
			}
			m[key][id] = struct{}{}
		})
	}
}

func (x nameIndex) remove(id job.ID) {
	for _, n := range x.names[id] {
		x.each(n, func(m map[string]idSet, key string) {
			if delete(m[key], id); len(m[key]) == 0 {
				delete(m, key)
			}
		})
	}
	delete(x.names, id)
}

// each visits the places where a name is noted.
func (x nameIndex) each(name string, visit func(m map[string]idSet, key string)) {
	dir, many := strings.CutSuffix(name, "*")
	if many {
		visit(x.many, dir)
	} else {
		visit(x.exact, name)
	}
	for _, d := range dirsOf(name) {
		visit(x.below, d)
	}
}

// dirsOf returns the directories that a name is below, each with its slash; of a pattern its own is the last.
func dirsOf(name string) []string {
	var dirs []string
	for i := range len(name) {
		if name[i] == '/' {
			dirs = append(dirs, name[:i+1])
		}
	}
	return dirs
}

// overlapping returns the jobs that name something which a name or pattern could stand for too, in the order of their ids.
func (x nameIndex) overlapping(name string) []job.ID {
	found := idSet{}
	dir, many := strings.CutSuffix(name, "*")
	if many {
		maps.Copy(found, x.below[dir])
	} else {
		maps.Copy(found, x.exact[name])
	}
	for _, d := range dirsOf(name) {
		maps.Copy(found, x.many[d])
	}
	return slices.Sorted(maps.Keys(found))
}
