package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/urbancompute/ucp/config"
)

const (
	showAfter = time.Second            // what is over sooner is not worth a line
	showEvery = 100 * time.Millisecond // faster than anybody reads
)

// uploadShow shows on a terminal how far the files of a plan are: each is read once to be named by its hash, and once more if it is sent.
type uploadShow struct {
	w     io.Writer // nil: nobody looks
	total int64     // bytes of all files
	files int

	mu         sync.Mutex
	began      time.Time
	shown      time.Time
	done, read int64 // bytes of files that are done, and of the one under way
	file       int
}

func (a *app) showUpload(files localFiles) *uploadShow {
	s := &uploadShow{began: time.Now()}
	for _, f := range files {
		s.total += f.size
		s.files += max(1, len(f.files))
	}
	if isTerminal(a.stderr) && !a.json() {
		s.w = a.stderr
	}
	return s
}

func (s *uploadShow) bytes(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += n
	now := time.Now()
	if s.w == nil || now.Sub(s.began) < showAfter || now.Sub(s.shown) < showEvery {
		return
	}
	s.shown = now
	passed := min(s.done+s.read/2, s.total)
	_, _ = fmt.Fprintf(s.w, "\r\x1b[K%s file %d of %d, %s of %s", bar(int(passed>>10), int(s.total>>10), 30), s.file+1, s.files, config.Size(passed), config.Size(s.total))
}

// fileDone counts a file as read twice, also if the network had it.
func (s *uploadShow) fileDone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.read = s.done+s.read/2, 0
	s.file++
}

// end wipes the line.
func (s *uploadShow) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil && !s.shown.IsZero() {
		_, _ = fmt.Fprint(s.w, "\r\x1b[K")
	}
}

// bar draws how much of a whole is done.
func bar(done, all, width int) string {
	full := width
	if all > 0 {
		full = min(done*width/all, width)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}
