package blob_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// modified is a date no file of these specs has by itself.
var modified = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// counter counts the bytes that are read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// readerFunc is a reader that is a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// endless gives zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// failAfter is how long a spec waits for what another goroutine or the kernel has to do, in real time.
const failAfter = 10 * time.Second

// counting counts the requests to a handler.
type counting struct {
	http.Handler
	n atomic.Int64
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.n.Add(1)
	c.Handler.ServeHTTP(w, r)
}

// sentBytes counts the bytes of answers that a handler has got rid of.
type sentBytes struct {
	http.Handler
	n atomic.Int64
}

func (s *sentBytes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Handler.ServeHTTP(&countedAnswer{w, &s.n}, r)
}

type countedAnswer struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *countedAnswer) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}
