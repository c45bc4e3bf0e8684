package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// Reader reads one blob from front to back and verifies it on the way: the last bytes of a damaged blob are never
// handed out, ErrCorrupt comes in their place. It is not safe for concurrent use.
type Reader struct {
	ctx    context.Context
	store  *Store
	digest Digest
	file   *os.File
	hash   hash.Hash
	size   int64
	left   int64 // bytes still to come
	err    error // what every further Read returns
}

// Open returns a reader of the blob, or ErrNotFound. Reading ends with ctx. Close the reader when done.
func (s *Store) Open(ctx context.Context, d Digest) (*Reader, error) {
	f, info, err := s.openFile(d)
	if err != nil {
		return nil, err
	}
	r := &Reader{ctx: ctx, store: s, digest: d, file: f, hash: sha256.New(), size: info.Size(), left: info.Size()}
	if r.size == 0 {
		r.err = r.verdict()
	}
	return r, nil
}

func (s *Store) openFile(d Digest) (*os.File, os.FileInfo, error) {
	f, err := s.root.Open(fileName(d))
	if err != nil {
		return nil, nil, notFound(d, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(notFound(d, err), f.Close())
	}
	return f, info, nil
}

// Size returns the length of the blob in bytes.
func (r *Reader) Size() int64 {
	return r.size
}

// Read reads the next bytes. It returns io.EOF only after the whole blob was found to be right.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err == nil && r.ctx.Err() != nil {
		r.err = context.Cause(r.ctx)
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.file.Read(p[:min(int64(len(p)), r.left)])
	r.hash.Write(p[:n]) // never fails
	r.left -= int64(n)
	switch {
	case r.left == 0:
		r.err = r.verdict()
	case errors.Is(err, io.EOF): // the file shrank
		r.err = r.condemn()
	case err != nil:
		r.err = fmt.Errorf("read blob %s: %w", r.digest.Short(), err)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return 0, r.err
	}
	return n, nil
}

// WriteTo writes the rest of the blob to w in large pieces.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	return io.CopyBuffer(onlyWriter{w}, onlyReader{r}, buf[:])
}

// onlyReader and onlyWriter keep io.CopyBuffer from finding a shorter way than its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// Close closes the file.
func (r *Reader) Close() error {
	return r.file.Close()
}

// verdict is what follows the last byte.
func (r *Reader) verdict() error {
	if Digest(r.hash.Sum(nil)) == r.digest {
		return io.EOF
	}
	return r.condemn()
}

func (r *Reader) condemn() error {
	err := r.store.condemn(r.ctx, r.digest)
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	return errors.Join(fmt.Errorf("%w: %s; read it again", ErrCorrupt, r.digest), err)
}

// Verify reads the whole blob and returns ErrCorrupt if it is damaged.
func (s *Store) Verify(ctx context.Context, d Digest) error {
	right, err := s.check(ctx, d)
	if err != nil || right {
		return err
	}
	return s.condemn(ctx, d)
}

// Path returns the absolute path of the blob's file for those who must have one, such as a sandbox that maps it. The
// file was verified by this store since it last looked different. It must not be written to, and goes away with Delete.
func (s *Store) Path(ctx context.Context, d Digest) (string, error) {
	info, err := s.root.Stat(fileName(d))
	if err != nil {
		return "", notFound(d, err)
	}
	if !s.remembered(d, stamp{info.Size(), info.ModTime()}) {
		if err := s.Verify(ctx, d); err != nil {
			return "", err
		}
	}
	return filepath.Join(s.root.Name(), filepath.FromSlash(fileName(d))), nil
}

// check hashes the file of d, and remembers one that is right.
func (s *Store) check(ctx context.Context, d Digest) (right bool, err error) {
	f, info, err := s.openFile(d)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read from
	got, err := hashOf(ctx, f)
	if err != nil {
		return false, fmt.Errorf("verify blob %s: %w", d.Short(), err)
	}
	if got != d {
		return false, nil
	}
	s.remember(d, stamp{info.Size(), info.ModTime()})
	return true, nil
}

// hashOf returns the digest of what r gives.
func hashOf(ctx context.Context, r io.Reader) (Digest, error) {
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	sum := sha256.New()
	for {
		n, err := readChunk(ctx, r, buf[:])
		sum.Write(buf[:n]) // never fails
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is a fault, not the end
			return Digest(sum.Sum(nil)), nil
		}
		if err != nil {
			return Digest{}, err
		}
	}
}

// condemn removes the file of d if a second look finds it wrong too, and says so with ErrCorrupt. It returns nil if the
// file is right after all.
func (s *Store) condemn(ctx context.Context, d Digest) error {
	return s.exclusively(ctx, d, func() error {
		right, err := s.check(ctx, d)
		if err != nil || right {
			return err
		}
		s.log.Warn("blob is damaged on disk and is removed", "blob", d.String())
		if err := s.Delete(d); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return fmt.Errorf("%w: %s was removed", ErrCorrupt, d)
	})
}
