package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// screen writes one output stream of a job: first what comes live, without gaps and without saying anything twice, then what the accepted
// result has besides. One goroutine uses it at a time.
type screen struct {
	name   string
	w      io.Writer
	open   opener
	notice func(string)

	written uint64    // bytes of live output
	sum     hash.Hash // of those bytes
	err     error     // of w; nothing is written after it
	done    bool
}

func newScreen(name string, w io.Writer, open opener, notice func(string)) *screen {
	if w == nil {
		w = io.Discard
	}
	return &screen{name: name, w: w, open: open, notice: notice, sum: sha256.New()}
}

// live writes what is new of data, which is at offset of the stream. After a gap nothing is written: the end fills it. Another attempt
// begins at 0 again and is silent up to where the last one came.
func (s *screen) live(offset uint64, data []byte) {
	if s.err != nil || offset > s.written || offset+uint64(len(data)) <= s.written {
		return
	}
	data = data[s.written-offset:]
	n, err := s.w.Write(data)
	s.sum.Write(data[:n])
	s.written += uint64(n)
	s.err = err
}

// complete writes what the result has and the stream lacks. It does so once.
func (s *screen) complete(ctx context.Context, truth Blob, truncated bool) error {
	if s.done || s.err != nil {
		return s.err
	}
	s.done = true
	if s.err = s.catchUp(ctx, truth); s.err == nil && truncated {
		s.notice(fmt.Sprintf("%s was cut after %d bytes, the job's limit", s.name, truth.Size))
	}
	return s.err
}

func (s *screen) catchUp(ctx context.Context, truth Blob) error {
	if s.written == truth.Size && (s.written == 0 || bytes.Equal(s.sum.Sum(nil), truth.Digest[:])) {
		return nil
	}
	rest, err := s.after(ctx, truth)
	if err != nil {
		return err
	}
	_, err = io.Copy(s.w, rest)
	return errors.Join(err, rest.Close())
}

// after returns what of the truth is still to be written: all of it if something else was written before.
func (s *screen) after(ctx context.Context, truth Blob) (io.ReadCloser, error) {
	r, err := s.open(ctx, truth)
	if err != nil || s.written == 0 {
		return r, err
	}
	prefix := sha256.New()
	_, err = io.CopyN(prefix, r, int64(s.written))
	switch {
	case err == nil && bytes.Equal(prefix.Sum(nil), s.sum.Sum(nil)):
		return r, nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, errors.Join(err, r.Close())
	}
	s.notice(fmt.Sprintf("the first %d bytes of %s came from an attempt that was not accepted and do not count: the accepted output follows them", s.written, s.name))
	return s.reopen(ctx, truth, r)
}

func (s *screen) reopen(ctx context.Context, truth Blob, used io.Closer) (io.ReadCloser, error) {
	if err := used.Close(); err != nil {
		return nil, err
	}
	return s.open(ctx, truth)
}
