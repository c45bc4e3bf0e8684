package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/urbancompute/ucp/messages"
)

const (
	maxSpool    = 1 << 30  // bytes of input that one job may read from its client
	spoolMemory = 1 << 20  // of these, kept in memory; the rest goes to a file without a name
	maxChunk    = 64 << 10 // bytes of input in one message
)

// want is an attempt's question for input.
type want struct {
	*messages.ReadStdin
	reply func(*messages.StdinChunk)
}

func (w want) answer(data []byte, eof bool) {
	w.reply(&messages.StdinChunk{Attempt: w.GetAttempt(), Offset: w.GetOffset(), Data: data, Eof: eof})
}

func (w want) max() int { return int(min(max(w.GetMax(), 1), maxChunk)) }

// spool reads the user's input when it is asked for, and keeps it, so that another attempt can read it again from the start. What was
// read never changes, so it is read without the lock; only the goroutine that reads the source writes.
type spool struct {
	source io.Reader
	limit  int64
	broken func(error) // told once, without a lock held, when the input cannot be read to its end

	mu      sync.Mutex
	size    int64 // bytes read so far
	memory  []byte
	file    *os.File // what follows memory; nil if that is all
	end     error    // io.EOF, or what ended the input
	waiting []want   // for input that is not there yet, one an attempt
	reading bool
	closed  bool
}

func newSpool(source io.Reader, limit int64) *spool {
	s := &spool{source: source, limit: limit}
	if source == nil {
		s.end = io.EOF
	}
	return s
}

// ask answers w when there is input at its offset, from another goroutine. It never blocks.
func (s *spool) ask(w want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.ready(w) {
		go s.serve(w)
		return
	}
	s.enqueue(w)
	if !s.reading {
		s.reading = true
		go s.read()
	}
}

// enqueue keeps the newest question of each attempt.
func (s *spool) enqueue(w want) {
	name := messages.AttemptFromWire(w.GetAttempt())
	for i, old := range s.waiting {
		if messages.AttemptFromWire(old.GetAttempt()) == name {
			s.waiting[i] = w
			return
		}
	}
	s.waiting = append(s.waiting, w)
}

// ready says that w can be answered. The caller holds mu.
func (s *spool) ready(w want) bool { return s.end != nil || w.GetOffset() < uint64(s.size) }

// serve answers w from what was read.
func (s *spool) serve(w want) {
	s.mu.Lock()
	size, memory, file, end := s.size, s.memory, s.file, s.end
	s.mu.Unlock()
	offset := int64(min(w.GetOffset(), uint64(size)))
	data := make([]byte, min(int64(w.max()), size-offset))
	if len(data) > 0 {
		n, err := readKept(data, offset, memory, file)
		if err != nil {
			s.fail(err)
			return
		}
		data = data[:n]
	}
	last := offset+int64(len(data)) == size
	switch {
	case len(data) == 0 && end == nil, last && end != nil && !errors.Is(end, io.EOF):
		return // nothing to say, or the end of the input is not known and never will be: see fail
	default:
		w.answer(data, last && end != nil)
	}
}

// readKept reads at an offset that memory or file has bytes at.
func readKept(data []byte, offset int64, memory []byte, file *os.File) (int, error) {
	if offset < int64(len(memory)) {
		return copy(data, memory[offset:]), nil
	}
	n, err := file.ReadAt(data, offset-int64(len(memory)))
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// fail tells the owner once that the input cannot be read, unless it wants none any more.
func (s *spool) fail(err error) {
	s.mu.Lock()
	tell := s.broken
	if s.closed {
		tell = nil
	}
	s.broken = nil
	s.mu.Unlock()
	if tell != nil {
		tell(fmt.Errorf("the input could not be read to its end: %w", err))
	}
}

// read reads the source as long as someone waits for it.
func (s *spool) read() {
	buffer := make([]byte, maxChunk)
	for more := true; more; {
		n, err := s.source.Read(buffer)
		if keepErr := s.keep(buffer[:n]); keepErr != nil {
			n, err = 0, keepErr
		}
		var answerable []want
		answerable, more = s.advance(int64(n), err)
		for _, w := range answerable {
			s.serve(w)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			s.fail(err)
		}
	}
}

// keep stores data after what is there. Only read calls it, so nobody else changes memory and file.
func (s *spool) keep(data []byte) error {
	if s.size+int64(len(data)) > s.limit {
		return fmt.Errorf("more than %d bytes of input", s.limit)
	}
	if s.file == nil && len(s.memory)+len(data) <= spoolMemory {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.memory = append(s.memory, data...)
		return nil
	}
	if s.file == nil {
		if err := s.spill(); err != nil {
			return err
		}
	}
	_, err := s.file.WriteAt(data, s.size-int64(len(s.memory)))
	return err
}

// spill opens a file that is gone when it is closed, also by a crash.
func (s *spool) spill() error {
	f, err := os.CreateTemp("", "ucp-stdin-*")
	if err != nil {
		return err
	}
	err = os.Remove(f.Name())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = f
	return err
}

// advance notes what a Read brought, and returns who can be answered now and whether to read on.
func (s *spool) advance(n int64, err error) (answerable []want, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size += n
	s.end = err
	var still []want
	for _, w := range s.waiting {
		if s.ready(w) {
			answerable = append(answerable, w)
		} else {
			still = append(still, w)
		}
	}
	s.waiting = still
	s.reading = len(still) > 0 && !s.closed
	s.dispose()
	return answerable, s.reading
}

// close ends the input. A Read under way is left to itself.
func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.waiting = true, nil
	s.dispose()
}

// dispose closes the file of a closed spool once nobody writes to it. The caller holds mu.
func (s *spool) dispose() {
	if s.closed && !s.reading && s.file != nil {
		_ = s.file.Close() // its content is worth nothing any more
		s.file = nil
	}
}
