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
	"sync"
)

// chunkBytes is what is read, hashed and written at a time.
const chunkBytes = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// landing is a blob that comes in one go, from front to back. Invariant: written <= claimed, the bytes set aside for it.
type landing struct {
	in      *intake
	name    string // of the temporary file; empty once it has another
	file    *os.File
	hash    hash.Hash
	claimed int64
	written int64
}

// receive streams r to a temporary file. Only when err is nil must the landing be discarded or published.
func (in *intake) receive(ctx context.Context, r io.Reader, size int64) (*landing, error) {
	l := &landing{in: in, hash: sha256.New()}
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
	if err := l.in.tooLarge(total); err != nil {
		return err
	}
	if total <= l.claimed {
		return nil
	}
	if err := l.in.claim(total - l.claimed); err != nil {
		return err
	}
	l.claimed = total
	return nil
}

func (l *landing) open() (err error) {
	l.name = tempDir + "/" + rand.Text()
	l.file, err = l.in.root.OpenFile(l.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
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
	l.in.budget.wrote(int64(n))
	return diskError(err)
}

// digest returns what the bytes written so far hash to.
func (l *landing) digest() Digest {
	return Digest(l.hash.Sum(nil))
}

// publish puts the landing on the shelf. Its caller works on d exclusively.
func (l *landing) publish(ctx context.Context, d Digest) error {
	f := &arrival{name: l.name, file: l.file, size: l.written}
	if err := l.in.shelf.admit(ctx, d, f); err != nil {
		return err
	}
	l.name = f.name
	l.in.budget.release(l.claimed-l.written, l.claimed-l.written)
	l.claimed = 0 // what was written is the shelf's now
	return nil
}

// discard closes the landing and leaves nothing of it but what was published.
func (l *landing) discard() {
	l.in.budget.release(l.claimed, max(0, l.claimed-l.written))
	if l.file != nil {
		_ = l.file.Close() // synced if it matters
	}
	l.in.remove(l.name)
}

// remove deletes a file below tempDir; an empty name is none.
func (in *intake) remove(name string) {
	if name == "" {
		return
	}
	if err := in.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		in.log.Warn("temporary file of a blob stays until the next start", "file", name, "err", err)
	}
}
