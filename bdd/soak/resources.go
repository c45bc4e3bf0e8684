package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/cluster/lab"
)

// Reading is what a process uses.
type Reading struct {
	Goroutines, Descriptors, Threads int
	Resident, Heap                   uint64 // bytes
}

// Limits say how much more a process may use at the end than the one of the same node did at the beginning.
type Limits struct {
	Goroutines, Descriptors, Threads int
	Resident                         uint64 // bytes
	Job                              uint64 // bytes, of a broker for each job that it keeps
}

// DefaultLimits leave room for what comes and goes at rest (a connection that is kept for a while, a file of the storage engine, a thread that the
// runtime does not give back, memory that it has not yet), and none for what grows with faults or jobs: a soak of ten minutes has more than
// a hundred faults and thousands of jobs, so whatever is left behind by each of either shows.
var DefaultLimits = Limits{Goroutines: 30, Descriptors: 30, Threads: 20, Resident: 64 << 20, Job: 16 << 10}

// judge says what of the growth of a node is more than it may be.
func (l Limits) judge(node string, begin, end Reading, jobs int) (wrong []string) {
	grew := func(what string, from, to, limit int) {
		if to > from+limit {
			wrong = append(wrong, fmt.Sprintf("%s uses %d %s, %d at the beginning: %d more are let pass", node, to, what, from, limit))
		}
	}
	grew("goroutines", begin.Goroutines, end.Goroutines, l.Goroutines)
	grew("descriptors", begin.Descriptors, end.Descriptors, l.Descriptors)
	grew("threads", begin.Threads, end.Threads, l.Threads)
	if allowed := l.Resident + uint64(jobs)*l.Job; end.Resident > begin.Resident+allowed {
		wrong = append(wrong, fmt.Sprintf("%s has %s of memory, %s at the beginning: %s more are let pass", node, mib(end.Resident), mib(begin.Resident), mib(allowed)))
	}
	return wrong
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// most is the greatest of both in everything.
func (r Reading) most(s Reading) Reading {
	return Reading{
		max(r.Goroutines, s.Goroutines), max(r.Descriptors, s.Descriptors), max(r.Threads, s.Threads), max(r.Resident, s.Resident), max(r.Heap, s.Heap),
	}
}

// answerTime is how long a process may take to tell its state.
const answerTime = 20 * time.Second

// stateLine is what the line of a process has in it that tells its state.
const stateLine = `"msg":"state of the process"`

// read reads what the process of a node uses: by what it tells, and by what the kernel does.
func read(ctx context.Context, n *lab.Node) (r Reading, err error) {
	patient, enough := context.WithTimeout(ctx, answerTime)
	defer enough()
	line, err := n.Answer(patient, syscall.SIGUSR1, stateLine)
	if err != nil {
		return r, err
	}
	if err := r.told(line); err != nil {
		return r, fmt.Errorf("%s: %w", n.Name, err)
	}
	proc := fmt.Sprintf("/proc/%d/", n.Pid())
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return r, err
	}
	open, err := os.ReadDir(proc + "fd")
	r.Descriptors = len(open)
	r.Threads = int(statusOf(status, "Threads")) //nolint:gosec // a count
	r.Resident = statusOf(status, "VmRSS") << 10
	return r, err
}

// told takes what a process says of itself.
func (r *Reading) told(line string) error {
	var state struct {
		Goroutines int    `json:"goroutines"`
		Heap       uint64 `json:"heap_bytes"`
	}
	if err := json.Unmarshal([]byte(line), &state); err != nil {
		return err
	}
	r.Goroutines, r.Heap = state.Goroutines, state.Heap
	return nil
}

// statusOf is a number in /proc/PID/status, 0 if it is not there.
func statusOf(status []byte, field string) uint64 {
	found := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+)`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(found[1]), 10, 64) // digits
	return n
}

// readAll reads what all processes use, by node.
func (n *network) readAll(ctx context.Context) (map[string]Reading, error) {
	all := map[string]Reading{}
	for _, node := range n.all() {
		r, err := read(ctx, node)
		if err != nil {
			return nil, err
		}
		all[node.Name] = r
	}
	return all, nil
}

// quiet is how long processes get to come to rest before what they use counts, and between two looks.
const (
	quiet       = 90 * time.Second
	betweenLook = 3 * time.Second
)

// readAtRest reads what processes use until judge finds nothing wrong with it, or they have had their time.
func (n *network) readAtRest(ctx context.Context, judge func(map[string]Reading) []string) (all map[string]Reading, wrong []string, err error) {
	patient, enough := context.WithTimeout(ctx, quiet)
	defer enough()
	for {
		if all, err = n.readAll(ctx); err != nil {
			return nil, nil, err
		}
		if wrong = judge(all); len(wrong) == 0 || !until(patient, time.Now().Add(betweenLook)) {
			return all, wrong, nil
		}
	}
}

// calm judges that processes use what they used when it was last asked, or nearly.
func calm() func(map[string]Reading) []string {
	var last map[string]Reading
	return func(now map[string]Reading) (moved []string) {
		for node, r := range now {
			was := last[node]
			if abs(r.Goroutines-was.Goroutines) > 2 || abs(r.Descriptors-was.Descriptors) > 2 {
				moved = append(moved, node+" is not at rest")
			}
		}
		last = now
		return moved
	}
}

func abs(n int) int { return max(n, -n) }
