package soak

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// diary is what happened, line by line, with the time since the faults began. It is safe for use by several goroutines.
type diary struct {
	began time.Time

	mu  sync.Mutex
	out io.Writer
	err error // the first
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	_, err := fmt.Fprintf(d.out, "%9.3fs  %s  %s\n", now.Sub(d.began).Seconds(), now.UTC().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	if d.err == nil {
		d.err = err
	}
}
