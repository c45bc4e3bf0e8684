package actors

import (
	"iter"
	"slices"
	"strings"

	"github.com/google/btree"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
)

// catalog finds what is known of a name of named data, and of all names below one: puts that are not gone, the jobs that make it or promised to, and the
// unfinished jobs that wait for it. Patterns such as a/b/* are names here; no name of data has a star.
type catalog struct {
	tree  *btree.BTreeG[*nameEntry]
	put   map[string]string   // record → its name
	makes map[job.ID][]string // job → names and patterns, in order
	needs map[job.ID][]string
}

// nameEntry is what is known of one name. All lists are in order.
type nameEntry struct {
	name   string
	puts   []string // ids of records
	makers []job.ID
	needed []job.ID
}

// degree of the tree: a node has about as many entries as fill a few cache lines.
const degree = 32

func newCatalog() *catalog {
	return &catalog{
		tree: btree.NewG(degree, func(a, b *nameEntry) bool { return a.name < b.name }),
		put:  map[string]string{}, makes: map[job.ID][]string{}, needs: map[job.ID][]string{},
	}
}

// get returns what is known of a name; nothing is an empty entry.
func (c *catalog) get(name string) nameEntry {
	if e, ok := c.tree.Get(&nameEntry{name: name}); ok {
		return *e
	}
	return nameEntry{name: name}
}

// below yields the entries whose names begin with prefix and come after a name, in order.
func (c *catalog) below(prefix, after string) iter.Seq[*nameEntry] {
	return func(yield func(*nameEntry) bool) {
		c.tree.AscendGreaterOrEqual(&nameEntry{name: max(prefix, after)}, func(e *nameEntry) bool {
			if !strings.HasPrefix(e.name, prefix) {
				return false
			}
			return e.name == after || yield(e)
		})
	}
}

// change alters an entry, which begins when there is something in it and ends when there is nothing left.
func (c *catalog) change(name string, alter func(*nameEntry)) {
	e, ok := c.tree.Get(&nameEntry{name: name})
	if !ok {
		e = &nameEntry{name: name}
	}
	alter(e)
	switch empty := len(e.puts)+len(e.makers)+len(e.needed) == 0; {
	case empty && ok:
		c.tree.Delete(e)
	case !empty && !ok:
		c.tree.ReplaceOrInsert(e)
	}
}

// follow notes a record, or that it is gone.
func (c *catalog) follow(r data.Record) {
	was, listed := c.put[r.ID]
	if listed && (r.Gone || was != r.Name) {
		c.drop(r.ID)
	}
	if !r.Gone && (!listed || was != r.Name) {
		c.put[r.ID] = r.Name
		c.change(r.Name, func(e *nameEntry) { e.puts = with(e.puts, r.ID) })
	}
}

// drop forgets a record.
func (c *catalog) drop(id string) {
	if name, ok := c.put[id]; ok {
		delete(c.put, id)
		c.change(name, func(e *nameEntry) { e.puts = without(e.puts, id) })
	}
}

// making notes what a job makes or promised.
func (c *catalog) making(id job.ID, keys []string) {
	relist(c.makes, id, keys, func(key string, now bool) {
		c.change(key, func(e *nameEntry) { e.makers = listed(e.makers, id, now) })
	})
}

// needing notes what a job waits for; nothing if it is over.
func (c *catalog) needing(id job.ID, keys []string) {
	relist(c.needs, id, keys, func(key string, now bool) {
		c.change(key, func(e *nameEntry) { e.needed = listed(e.needed, id, now) })
	})
}

// dropJob forgets a job.
func (c *catalog) dropJob(id job.ID) {
	c.making(id, nil)
	c.needing(id, nil)
}

// consumers returns the jobs that wait for a name, or for something that a pattern stands for.
func (c *catalog) consumers(key string) []job.ID {
	all := c.get(key).needed
	for _, p := range data.Patterns(key) {
		all = append(slices.Clip(all), c.get(p).needed...)
	}
	if below, ok := strings.CutSuffix(key, "*"); ok {
		for e := range c.below(below, "") {
			all = append(slices.Clip(all), e.needed...)
		}
	}
	return all
}

// relist tells of each key by which a job was or is listed whether it is now, where that has changed.
func relist(lists map[job.ID][]string, id job.ID, keys []string, change func(key string, now bool)) {
	was := lists[id]
	if slices.Equal(was, keys) {
		return
	}
	for _, k := range was {
		if _, still := slices.BinarySearch(keys, k); !still {
			change(k, false)
		}
	}
	for _, k := range keys {
		if _, had := slices.BinarySearch(was, k); !had {
			change(k, true)
		}
	}
	if len(keys) == 0 {
		delete(lists, id)
	} else {
		lists[id] = keys
	}
}

func listed[T ~string](list []T, id T, now bool) []T {
	if now {
		return with(list, id)
	}
	return without(list, id)
}

// with and without keep a list in order.
func with[T ~string](list []T, id T) []T {
	i, ok := slices.BinarySearch(list, id)
	if ok {
		return list
	}
	return slices.Insert(list, i, id)
}

func without[T ~string](list []T, id T) []T {
	i, ok := slices.BinarySearch(list, id)
	if !ok {
		return list
	}
	return slices.Delete(list, i, i+1)
}
