package blob

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// upload lends a caller's reader to a transport, which may hold on to a request body after it has answered, and may
// want it again if it found its connection broken.
type upload struct {
	mu      sync.Mutex
	r       io.Reader
	begun   bool
	current *uploadBody // the only one that may read; nil when none may
}

// open returns the reader as a request body. Bodies given before end, and once one has been read there is no other.
func (u *upload) open() (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.begun {
		return nil, errors.New("the body was read already")
	}
	u.current = &uploadBody{u}
	return u.current, nil
}

// detach waits for a Read under way; after it there is none.
func (u *upload) detach() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current = nil
}

// uploadBody is one request's view of an upload.
type uploadBody struct{ upload *upload }

// Read reads from the caller's reader while this is the current body.
func (b *uploadBody) Read(p []byte) (int, error) {
	u := b.upload
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current != b {
		return 0, http.ErrBodyReadAfterClose
	}
	u.begun = true
	return u.r.Read(p)
}

// Close is called by the transport, at any time and from any goroutine. The reader is its owner's to close.
func (*uploadBody) Close() error {
	return nil
}

// loan lends bytes to a transport, as often as it wants them, until they are needed for something else.
type loan struct {
	mu   sync.Mutex
	data []byte // nil once it is over
}

// open returns the bytes as a request body.
func (l *loan) open() (io.ReadCloser, error) { return &loanBody{loan: l}, nil }

// end waits for a Read under way; after it there is none.
func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = nil
}

// loanBody is one request's view of a loan.
type loanBody struct {
	loan *loan
	read int
}

// Read reads on while the loan lasts.
func (b *loanBody) Read(p []byte) (int, error) {
	b.loan.mu.Lock()
	defer b.loan.mu.Unlock()
	if b.loan.data == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.read == len(b.loan.data) {
		return 0, io.EOF
	}
	n := copy(p, b.loan.data[b.read:])
	b.read += n
	return n, nil
}

// Close is called by the transport, at any time and from any goroutine.
func (*loanBody) Close() error { return nil }
