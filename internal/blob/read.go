package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Reader reads one blob from front to back and verifies it on the way: the last bytes of a damaged blob are never
// handed out, ErrCorrupt comes in their place. It is not safe for concurrent use.
type Reader struct {
	ctx     context.Context
	digest  Digest
	body    io.ReadCloser
	hash    hash.Hash
	size    int64
	left    int64                           // bytes still to come
	err     error                           // what every further Read returns
	judge   func(ctx context.Context) error // what to do about a blob that was wrong; ErrCorrupt if it was removed
	release func()
}

func newReader(ctx context.Context, d Digest, body io.ReadCloser, size int64, judge func(context.Context) error, release func()) *Reader {
	r := &Reader{ctx: ctx, digest: d, body: body, hash: sha256.New(), size: size, left: size, judge: judge, release: release}
	if r.size == 0 {
		r.err = r.verdict()
	}
	return r
}

// Open returns a reader of the blob, or ErrNotFound. Reading ends with ctx. Close the reader when done: until then the
// blob is not evicted.
func (s *Store) Open(ctx context.Context, d Digest) (*Reader, error) {
	f, size, release, err := s.heldFile(d)
	if err != nil {
		return nil, err
	}
	return newReader(ctx, d, f, size, func(ctx context.Context) error { return s.condemn(ctx, d) }, release), nil
}

// heldFile opens the file of d, which is not evicted before release is called.
func (s *Store) heldFile(d Digest) (f *os.File, size int64, release func(), err error) {
	release, here := s.lru.hold(d)
	if !here {
		return nil, 0, nil, notFound(d, fs.ErrNotExist)
	}
	f, info, err := s.openFile(d)
	if err != nil {
		release()
		return nil, 0, nil, err
	}
	return f, info.Size(), release, nil
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

// OpenRange returns a reader of n bytes from offset on, cut short where the blob ends. A part cannot be verified by
// itself, so the whole file is, once.
func (s *Store) OpenRange(ctx context.Context, d Digest, offset, n int64) (io.ReadCloser, error) {
	if err := s.beSure(ctx, d); err != nil {
		return nil, err
	}
	f, _, release, err := s.heldFile(d)
	if err != nil {
		return nil, err
	}
	return &section{io.NewSectionReader(f, offset, n), f, release}, nil
}

// section is a part of a file that is held.
type section struct {
	io.Reader
	file    io.Closer
	release func()
}

// Close closes the file.
func (s *section) Close() error {
	s.release()
	return s.file.Close()
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
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
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

// Close lets the blob go.
func (r *Reader) Close() error {
	r.release()
	return r.body.Close()
}

// verdict is what follows the last byte.
func (r *Reader) verdict() error {
	if Digest(r.hash.Sum(nil)) == r.digest {
		return io.EOF
	}
	return r.condemn()
}

func (r *Reader) condemn() error {
	err := r.judge(r.ctx)
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
// file was verified by this store since it last looked different. It must not be written to. It stays until release is
// called, unless somebody deletes it.
func (s *Store) Path(ctx context.Context, d Digest) (path string, release func(), err error) {
	release, here := s.lru.hold(d)
	if !here {
		return "", nil, notFound(d, fs.ErrNotExist)
	}
	if err := s.beSure(ctx, d); err != nil {
		release()
		return "", nil, err
	}
	return filepath.Join(s.root.Name(), filepath.FromSlash(fileName(d))), release, nil
}

// beSure verifies the file of d, unless it looks as it did when it was verified before.
func (s *Store) beSure(ctx context.Context, d Digest) error {
	sure, err := s.sure(d)
	if sure || err != nil {
		return err
	}
	// Of many who ask for parts of one blob at the same time, one reads it.
	var right bool
	err = s.in.exclusively(ctx, d, func() error {
		if right, err = s.sure(d); right || err != nil {
			return err
		}
		right, err = s.check(ctx, d)
		return err
	})
	if err != nil || right {
		return err
	}
	return s.condemn(ctx, d)
}

func (s *Store) sure(d Digest) (bool, error) {
	info, err := s.root.Stat(fileName(d))
	if err != nil {
		return false, notFound(d, err)
	}
	return s.remembered(d, stampOf(info)), nil
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
	s.remember(d, stampOf(info))
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
	return s.in.exclusively(ctx, d, func() error {
		right, err := s.check(ctx, d)
		if err != nil || right {
			return err
		}
		s.log.Warn("blob is damaged on disk and is removed", "blob", d.String())
		if err := s.Delete(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return fmt.Errorf("%w: %s was removed", ErrCorrupt, d)
	})
}
