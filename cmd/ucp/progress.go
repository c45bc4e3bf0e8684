package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barPatience is how long something may take before a bar is shown for it.
const barPatience = time.Second

// progress shows on a terminal how far something has come that takes more than a moment. Without a terminal it shows nothing. Whoever moves
// bytes writes them to it, or reads them through it.
type progress struct {
	what  string
	total int64
	to    io.Writer // nil: nobody looks
	began time.Time
	bar   *progressbar.ProgressBar // nil: not shown yet
	done  int64
}

// progressOf begins to show how far what, of total bytes, has come. Commands whose output is for programs show nothing.
func (a *app) progressOf(what string, total int64) *progress {
	p := &progress{what: what, total: total, began: time.Now()}
	if isTerminal(a.stderr) && !a.json() {
		p.to = a.stderr
	}
	return p
}

// Write counts bytes that were moved.
func (p *progress) Write(b []byte) (int, error) {
	p.move(int64(len(b)))
	return len(b), nil
}

func (p *progress) move(n int64) {
	p.done += n
	if p.to == nil || (p.bar == nil && time.Since(p.began) < barPatience) {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(p.total, progressbar.OptionSetWriter(p.to), progressbar.OptionSetDescription(plain(p.what)),
			progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionFullWidth())
	}
	_ = p.bar.Set64(min(p.done, p.total)) // what cannot be shown is not missed
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// reader returns r as what moves the bar. Whoever seeks begins anew.
func (p *progress) reader(r io.ReadSeeker) io.ReadSeeker { return &watchedReader{r, p} }

type watchedReader struct {
	io.ReadSeeker
	p *progress
}

// Read implements io.Reader.
func (w *watchedReader) Read(b []byte) (int, error) {
	n, err := w.ReadSeeker.Read(b)
	w.p.move(int64(n))
	return n, err
}

// Seek implements io.Seeker.
func (w *watchedReader) Seek(offset int64, whence int) (int64, error) {
	at, err := w.ReadSeeker.Seek(offset, whence)
	w.p.done = at
	return at, err
}
