package blob

import (
	"errors"
	"fmt"
	"net/http"
)

// What callers of this package test for. The messages around them say which blob, and how much.
var (
	// ErrBadDigest is returned for a text that is not a digest.
	ErrBadDigest = errors.New("not a SHA-256 digest")
	// ErrBadRequest is returned when a peer cannot make sense of what it is asked.
	ErrBadRequest = errors.New("bad request")
	// ErrNotFound is returned for a blob that is not here.
	ErrNotFound = errors.New("blob not found")
	// ErrMismatch is returned when bytes that were put or received do not hash to the digest they came under.
	ErrMismatch = errors.New("bytes do not match their digest")
	// ErrCorrupt is returned when a blob on disk no longer hashes to its name. The file is removed.
	ErrCorrupt = errors.New("blob is damaged on disk")
	// ErrTooLarge is returned for a blob above the store's limit for one blob.
	ErrTooLarge = errors.New("blob is too large")
	// ErrFull is returned when the store's limit, or its disk, has no room for a blob.
	ErrFull = errors.New("blob store is full")
	// ErrRefused is returned when a peer does not let us do this.
	ErrRefused = errors.New("refused")
	// ErrOffset is returned for a part of an upload that does not go on where the peer is.
	ErrOffset = errors.New("an upload goes on elsewhere")
	// ErrUnreachable is returned by a relay, or a peer that was to copy, when it reaches none of those behind it.
	ErrUnreachable = errors.New("not to be reached from there")
	// ErrClosed is returned by a Transport after Close.
	ErrClosed = errors.New("blob transport is closed")
)

// StatusError is a peer's refusal. It unwraps to the error that the peer's store met, where the status tells it.
type StatusError struct {
	Status   int    // HTTP status code
	Sentence string // what the peer said, at most 512 bytes, printable

	offset int64 // how much of an upload the peer has, if it said so
}

// Error returns the peer's sentence with the status before it.
func (e *StatusError) Error() string {
	return fmt.Sprintf("peer answers %d: %s", e.Status, e.Sentence)
}

// Unwrap returns the sentinel error that the status stands for, or nil.
func (e *StatusError) Unwrap() error {
	for _, row := range statuses {
		if row.status == e.Status {
			return row.err
		}
	}
	return nil
}

// statuses pairs what a store refuses with how HTTP says it. The first row of a status is what a client reads back.
var statuses = []struct {
	err    error
	status int
}{
	{ErrBadDigest, http.StatusBadRequest},
	{ErrBadRequest, http.StatusBadRequest},
	{ErrRefused, http.StatusForbidden},
	{ErrNotFound, http.StatusNotFound},
	{ErrCorrupt, http.StatusNotFound},
	{ErrTooLarge, http.StatusRequestEntityTooLarge},
	{ErrMismatch, http.StatusUnprocessableEntity},
	{ErrFull, http.StatusInsufficientStorage},
	{ErrOffset, http.StatusConflict},
	{ErrUnreachable, http.StatusBadGateway},
}

// statusOf returns the HTTP status for err; ok is false when err is a fault of ours, not a refusal.
func statusOf(err error) (status int, ok bool) {
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return row.status, true
		}
	}
	return http.StatusInternalServerError, false
}
