package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// What callers test for with errors.Is. The errors themselves say which job or node, and what the broker said.
var (
	// ErrStale says that the broker asked has not heard yet of everything this client has seen. Ask again soon, or another broker.
	ErrStale = errors.New("the broker is behind this session")
	// ErrNotFound says that no such job is known, or no longer.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that the question or the job cannot be granted as it stands.
	ErrInvalid = errors.New("invalid")
	// ErrConflict says that the job's id is taken by another job.
	ErrConflict = errors.New("conflict")
	// ErrBusy says that the broker had no room until the context ended.
	ErrBusy = errors.New("the broker is busy")
	// ErrUnreachable says that no broker could be reached.
	ErrUnreachable = errors.New("no broker can be reached")
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("the client is closed")
	// ErrUnfollowed says that a job has ended provisionally and is no longer followed until its end is final.
	ErrUnfollowed = errors.New("no longer followed")
	// ErrCorrupt says that bytes from the network do not hash to their digest.
	ErrCorrupt = errors.New("bytes do not match their digest")
)

// RefusedError is a broker's refusal, in its words, or the same from this client before a broker is asked.
type RefusedError struct {
	Job        string // the job that it is about, if any
	Reason     string // a sentence for people
	RetryAfter time.Duration
	code       messages.Refused_Code
	broker     string // with RENAMED: what a new id ends in
	after      uint64 // with RENAMED: what it must be later than, in Unix milliseconds
}

func refusal(m *messages.Refused) *RefusedError {
	return &RefusedError{
		Job: m.GetJob(), Reason: m.GetReason(), code: m.GetCode(),
		RetryAfter: time.Duration(m.GetRetryAfterMs()) * time.Millisecond, broker: m.GetBroker(), after: m.GetAfterMs(),
	}
}

// invalid is a refusal before a broker is asked.
func invalid(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...), code: messages.Refused_INVALID}
}

// Error returns the broker's reason.
func (e *RefusedError) Error() string {
	if e.Reason == "" {
		return e.Unwrap().Error()
	}
	return e.Reason
}

// Unwrap returns which of the errors of this package it is.
func (e *RefusedError) Unwrap() error {
	switch e.code {
	case messages.Refused_BUSY:
		return ErrBusy
	case messages.Refused_STALE:
		return ErrStale
	case messages.Refused_CONFLICT:
		return ErrConflict
	case messages.Refused_NOT_FOUND:
		return ErrNotFound
	case messages.Refused_UNREACHABLE:
		return ErrUnreachable
	case messages.Refused_INVALID, messages.Refused_RENAMED, messages.Refused_CODE_UNSPECIFIED:
	}
	return ErrInvalid
}

// The bounds of the pause before a refused question is asked again.
const (
	minRetry = 20 * time.Millisecond
	maxRetry = 10 * time.Second
)

// passing says that asking again later may help, and when.
func (e *RefusedError) passing() (after time.Duration, ok bool) {
	switch e.code {
	case messages.Refused_BUSY, messages.Refused_UNREACHABLE:
		return min(max(e.RetryAfter, minRetry), maxRetry), true
	case messages.Refused_STALE, messages.Refused_CONFLICT, messages.Refused_NOT_FOUND,
		messages.Refused_INVALID, messages.Refused_RENAMED, messages.Refused_CODE_UNSPECIFIED:
	}
	return 0, false
}

// unexpected is the answer that no broker of this version gives.
func unexpected(answer any) error {
	return fmt.Errorf("the broker answered with %T, which this version does not understand", answer)
}
