package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
)

// chunkBytes is what is read, hashed and written at a time.
const chunkBytes = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// landing is a blob on its way to disk. Invariant: written <= claimed, the bytes set aside for it in the store's budget.
type landing struct {
	store   *Store
	name    string // of the temporary file; empty once it has another
	file    *os.File
	hash    hash.Hash
	claimed int64
	written int64
}

// receive streams r to a temporary file. Only when err is nil must the landing be discarded or published.
func (s *Store) receive(ctx context.Context, r io.Reader, size int64) (*landing, error) {
	l := &landing{store: s, hash: sha256.New()}
	err := l.claim(max(0, size))
	if err == nil {
		err = l.open()
	}
	if err == nil {
		err = l.copy(ctx, r)
	}
	if err == nil && size != unknownSize && l.written != size {
		err = fmt.Errorf("%d of %d bytes came: %w", l.written, size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		l.discard()
		return nil, err
	}
	return l, nil
}

// claim raises what is set aside for the landing to total bytes.
func (l *landing) claim(total int64) error {
	if limit := l.store.maxBlob; limit > 0 && total > limit {
		return fmt.Errorf("%w: the limit for one blob is %s", ErrTooLarge, bytesText(limit))
	}
	if total <= l.claimed {
		return nil
	}
	if err := l.store.budget.claim(total - l.claimed); err != nil {
		return err
	}
	l.claimed = total
	return nil
}

func (l *landing) open() (err error) {
	l.name = tempDir + "/" + rand.Text()
	l.file, err = l.store.root.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return diskError(err)
}

// copy writes r to the temporary file until r ends.
func (l *landing) copy(ctx context.Context, r io.Reader) error {
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	for {
		n, err := readChunk(ctx, r, buf[:])
		if n > 0 {
			if err := l.write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is a fault, not the end
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readChunk fills buf unless r ends or fails or ctx is done. Unlike io.ReadFull it keeps the end of r apart from an
// ErrUnexpectedEOF that r reports.
func readChunk(ctx context.Context, r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (l *landing) write(p []byte) error {
	if err := l.claim(l.written + int64(len(p))); err != nil {
		return err
	}
	l.hash.Write(p) // never fails
	n, err := l.file.Write(p)
	l.written += int64(n)
	return diskError(err)
}

// digest returns what the bytes written so far hash to.
func (l *landing) digest() Digest {
	return Digest(l.hash.Sum(nil))
}

// publish gives the landing its name, durably. Its caller works on d exclusively.
func (l *landing) publish(d Digest) error {
	s, name := l.store, fileName(d)
	if err := l.file.Sync(); err != nil {
		return diskError(err)
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if err := s.makeDir(path.Dir(name)); err != nil {
		return diskError(err)
	}
	if err := s.root.Rename(l.name, name); err != nil {
		return diskError(err)
	}
	if err := s.syncDir(path.Dir(name)); err != nil {
		return errors.Join(err, s.root.Remove(name))
	}
	l.name = ""
	s.budget.release(l.claimed - l.written)
	s.remember(d, stamp{info.Size(), info.ModTime()})
	return nil
}

// discard closes the landing and, if it was not published, leaves nothing of it.
func (l *landing) discard() {
	if l.file != nil {
		_ = l.file.Close() // synced if it matters
	}
	if l.file != nil && l.name == "" {
		return
	}
	l.store.budget.release(l.claimed)
	if l.name == "" {
		return
	}
	if err := l.store.root.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.store.log.Warn("temporary file of a blob stays until the next start", "file", l.name, "err", err)
	}
}

// makeDir makes one of the 256 directories, durably, if it is not there.
func (s *Store) makeDir(dir string) error {
	err := s.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.syncDir(".")
}

// syncDir makes the entries of a directory durable.
func (s *Store) syncDir(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
