package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// Put keeps the bytes of r if they hash to expect. If the blob is already here r is not read. Of concurrent puts of one
// digest one does the work; the others wait and read nothing, unless it fails. On any error, among them ErrMismatch,
// ErrTooLarge, ErrFull and those of r and ctx, nothing is left. A put ends at the next chunk after ctx is done.
func (s *Store) Put(ctx context.Context, r io.Reader, expect Digest) error {
	return s.fill(ctx, expect, func() (io.ReadCloser, int64, error) { return io.NopCloser(r), unknownSize, nil })
}

// Add keeps the bytes of r under whatever they hash to, and returns that and their number.
func (s *Store) Add(ctx context.Context, r io.Reader) (Digest, int64, error) {
	l, err := s.receive(ctx, r, unknownSize)
	if err != nil {
		return Digest{}, 0, fmt.Errorf("add blob: %w", err)
	}
	defer l.discard()
	d := l.digest()
	err = s.exclusively(ctx, d, func() error {
		if s.Has(d) {
			return s.syncDir(path.Dir(fileName(d)))
		}
		return l.publish(d)
	})
	if err != nil {
		return Digest{}, 0, fmt.Errorf("add blob %s: %w", d.Short(), err)
	}
	return d, l.written, nil
}

// PutFile keeps a copy of the file at name, and returns its digest and size in bytes.
func (s *Store) PutFile(ctx context.Context, name string) (Digest, int64, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return Digest{}, 0, err
	}
	defer func() { _ = f.Close() }() // only read from
	return s.Add(ctx, f)
}

// unknownSize says that a source does not know how much it will give.
const unknownSize = -1

// source opens the bytes that are to fill a blob. It is only called when they are needed.
type source func() (r io.ReadCloser, size int64, err error)

// fill makes sure that d is here, from src if need be.
func (s *Store) fill(ctx context.Context, d Digest, src source) error {
	err := s.exclusively(ctx, d, func() error {
		if s.Has(d) {
			// Its entry may date from a crash before the directory was synced.
			return s.syncDir(path.Dir(fileName(d)))
		}
		r, size, err := src()
		if err != nil {
			return err
		}
		return errors.Join(s.fillFrom(ctx, d, r, size), r.Close())
	})
	if err != nil {
		return fmt.Errorf("put blob %s: %w", d.Short(), err)
	}
	return nil
}

func (s *Store) fillFrom(ctx context.Context, d Digest, r io.Reader, size int64) error {
	l, err := s.receive(ctx, r, size)
	if err != nil {
		return err
	}
	defer l.discard()
	if got := l.digest(); got != d {
		return fmt.Errorf("%w: %s that hash to %s", ErrMismatch, bytesText(l.written), got)
	}
	return l.publish(d)
}
