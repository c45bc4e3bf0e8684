package soak

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urbancompute/ucp/cluster/lab"
)

// logs keeps what processes said, and what of it nobody may say. It is safe for use by several goroutines.
type logs struct {
	dir string

	mu         sync.Mutex
	lives      map[string]int
	redeployed int
	wrong      []string
}

func newLogs(dir string) (*logs, error) {
	return &logs{dir: dir, lives: map[string]int{}}, os.MkdirAll(dir, 0o700)
}

// redeployedLine is what a broker logs when it deploys a job again.
const redeployedLine = `"msg":"job redeployed"`

// take keeps what the node's process has said; the process has ended, or is about to.
func (l *logs) take(n *lab.Node) error {
	text := n.Log()
	l.mu.Lock()
	l.lives[n.Name]++
	life := l.lives[n.Name]
	l.redeployed += strings.Count(text, redeployedLine)
	for _, line := range alarming(text) {
		l.wrong = append(l.wrong, fmt.Sprintf("%s logged: %s", n.Name, line))
	}
	l.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(l.dir, n.Name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "--- process %d of %s\n%s", life, n.Name, text)
	return errors.Join(err, f.Close())
}

// alarms are what no process says that is well: what the Go runtime says of its end, and errors, which somebody must look at.
var alarms = []string{"panic:", "fatal error:", "DATA RACE", "unexpected fault address", `"level":"ERROR"`, "broke down"}

// maxAlarms bounds what is told of one process.
const maxAlarms = 5

// alarming returns the lines of a log that no process writes that is well, the first few.
func alarming(log string) (found []string) {
	for line := range strings.Lines(log) {
		for _, alarm := range alarms {
			if strings.Contains(line, alarm) && len(found) < maxAlarms {
				found = append(found, strings.TrimSpace(line))
				break
			}
		}
	}
	return found
}
