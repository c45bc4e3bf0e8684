package placement

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Queue is the order in which jobs wait: greater priority first, then first come, first served. Jobs with equal constraints wait in one
// line, so a job that nobody can take holds up only its like. Add and Take cost O(log n) in the length of a line and O(m log m) in the number m
// of different constraints.
type Queue struct {
	lines map[string]*line
	where map[string]string // job → its line
	seq   uint64
}

// Waiting is a job in the queue.
type Waiting struct {
	ID       string
	Priority uint8
	Demand   Demand
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{lines: map[string]*line{}, where: map[string]string{}} }

// Has says whether a job waits.
func (q *Queue) Has(id string) bool {
	_, ok := q.where[id]
	return ok
}

// Len returns the number of jobs that wait.
func (q *Queue) Len() int { return len(q.where) }

// Add puts a job at the end of those of its priority. A job that already waits keeps its place.
func (q *Queue) Add(w Waiting) {
	if _, ok := q.where[w.ID]; ok {
		return
	}
	k := w.Demand.signature()
	l, ok := q.lines[k]
	if !ok {
		l = &line{}
		q.lines[k] = l
	}
	q.seq++
	q.where[w.ID] = k
	heap.Push(l, waiting{w, q.seq})
}

// Remove takes a job out, wherever it stands. It costs O(1); its place in the line is dropped when it is reached.
func (q *Queue) Remove(id string) { delete(q.where, id) }

// Take offers the first job of each line, best first, to place until place has refused each line once. A job for which place returns true
// leaves the queue.
func (q *Queue) Take(place func(Waiting) bool) {
	closed := map[string]bool{}
	for {
		k, ok := q.next(closed)
		if !ok {
			return
		}
		w := (*q.lines[k])[0].Waiting
		if !place(w) {
			closed[k] = true
			continue
		}
		heap.Pop(q.lines[k])
		delete(q.where, w.ID)
	}
}

// next returns the open line whose first job is the first of all, dropping lines and places that are empty.
func (q *Queue) next(closed map[string]bool) (string, bool) {
	best := ""
	for k, l := range q.lines {
		if closed[k] {
			continue
		}
		l.dropRemoved(q.where)
		if len(*l) == 0 {
			delete(q.lines, k)
		} else if best == "" || (*l)[0].before((*q.lines[best])[0]) {
			best = k
		}
	}
	return best, best != ""
}

// signature is equal for demands with equal constraints.
func (d Demand) signature() string {
	var b strings.Builder
	b.WriteString(strconv.FormatUint(d.Memory, 10))
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		b.WriteString("\x00" + k + "\x01" + d.Labels[k])
	}
	for _, k := range slices.Sorted(maps.Keys(d.Barred)) {
		b.WriteString("\x00\x02" + k)
	}
	return b.String()
}

type waiting struct {
	Waiting
	seq uint64
}

func (w waiting) before(o waiting) bool {
	return cmp.Or(cmp.Compare(o.Priority, w.Priority), cmp.Compare(w.seq, o.seq)) < 0
}

// line is a heap of jobs with equal constraints.
type line []waiting

func (l *line) dropRemoved(where map[string]string) {
	for len(*l) > 0 {
		if _, ok := where[(*l)[0].ID]; ok {
			return
		}
		heap.Pop(l)
	}
}

// The heap.Interface of a line.
func (l line) Len() int           { return len(l) }
func (l line) Less(i, j int) bool { return l[i].before(l[j]) }
func (l line) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push appends x.
func (l *line) Push(x any) { *l = append(*l, x.(waiting)) }

// Pop removes the last job.
func (l *line) Pop() any {
	old := *l
	w := old[len(old)-1]
	old[len(old)-1] = waiting{}
	*l = old[:len(old)-1]
	return w
}
