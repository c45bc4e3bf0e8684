package blob

import (
	"context"
	"io"
	"time"
)

// Backend keeps blobs: a [Store] on a disk of ours, or a [Bucket] of somebody else's object store. All methods are safe
// for concurrent use. A blob is either whole and right or not there at all.
type Backend interface {
	// Size returns the length of the blob in bytes, or ErrNotFound.
	Size(ctx context.Context, d Digest) (int64, error)
	// Open returns a reader of the blob that verifies it, or ErrNotFound.
	Open(ctx context.Context, d Digest) (*Reader, error)
	// OpenRange returns a reader of n bytes from offset on, which is cut short where the blob ends. The bytes are not
	// verified by themselves: who puts parts together verifies the whole.
	OpenRange(ctx context.Context, d Digest, offset, n int64) (io.ReadCloser, error)
	// Put keeps the bytes of r if they hash to d. One that is here already is not read, and is as young as a new one.
	Put(ctx context.Context, r io.Reader, d Digest) error
	// Add keeps the bytes of r under whatever they hash to, and returns that and their number.
	Add(ctx context.Context, r io.Reader) (Digest, int64, error)
	// Delete removes the blob; one that is not here is no error.
	Delete(ctx context.Context, d Digest) error
	// Walk calls visit for each blob, in the order of their digests, until it returns an error. Blobs that come or go
	// meanwhile may be visited or not.
	Walk(ctx context.Context, visit func(Info) error) error
	// Space says what is used and what is left.
	Space(ctx context.Context) (Space, error)
	// Close releases what the backend holds open.
	Close() error

	arrivals() *intake // the way in, for transfers that come in pieces
}

// Info is what a backend knows of a blob without reading it.
type Info struct {
	Digest Digest
	Size   int64     // bytes
	Time   time.Time // when it was last put, whether or not it was here already
}

// Space is what a backend has, in bytes.
type Space struct {
	Used  int64 // by blobs, those on their way in included; -1: nobody counted
	Limit int64 // of Used; 0: none
	Free  int64 // that can still be put before it is full; -1: not known
}
