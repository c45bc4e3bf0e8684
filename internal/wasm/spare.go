package wasm

import "sync"

// Spare keeps one worker process ready for whichever of several workers needs one next: a run that comes after one that was stopped, with its process,
// need not wait until another has started, which on a busy machine takes longer than everything else. All its workers are of one kind. The zero value
// is empty; it is safe for use by several goroutines.
type Spare struct {
	mu     sync.Mutex
	ready  *process
	making bool
	closed bool
	work   sync.WaitGroup
}

// take returns the process, nil if there is none that lives.
func (s *Spare) take() *process {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	p := s.ready
	s.ready = nil
	s.mu.Unlock()
	if p != nil && p.gone() {
		p.close()
		return nil
	}
	return p
}

// refill has another process start unless there is one. It does not block.
func (s *Spare) refill(w *Worker) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != nil && s.ready.gone() {
		s.ready.close()
		s.ready = nil
	}
	if s.ready != nil || s.making || s.closed {
		return
	}
	s.making = true
	s.work.Go(func() { s.make(w) })
}

func (s *Spare) make(w *Worker) {
	p, err := startProcess(w.cfg.Exe, w.settings)
	if err != nil {
		w.cfg.Log.Debug("spare worker process did not start", "err", err) // whoever needs one tries for itself, and says why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making, s.ready = false, p
}

// Close ends the process. Its workers are closed before.
func (s *Spare) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	if p := s.take(); p != nil {
		p.kill()
		<-p.exited
		p.close()
	}
}
