package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// pieceBytes is what is asked for at a time of a large blob, and what is either on disk or not when a transfer is cut.
	pieceBytes = 1 << 20
	// flightBytes bounds what is under way of one blob and not yet on disk: what is sent twice after a cut at most.
	flightBytes = 4 << 20
	// largeBytes is the size in bytes above which a blob travels in pieces.
	largeBytes = flightBytes
	// maxPieces bounds the list of pieces, and with it the size of one blob: 1 TiB.
	maxPieces = 1 << 20

	partSuffix = ".part"
	partMagic  = "ucppart1"
	footerSize = 8 + len(partMagic)
)

// partial is a large blob on its way in, of which some pieces are on disk: under its own name below tempDir, so that a
// later transfer, also of a later process, asks only for the others. The file holds the blob's bytes in their place;
// behind them one byte a piece, 1 if it is there; behind those the size and a magic word. It is not fsynced: whoever puts
// it together verifies the whole, and one that a power loss has damaged is begun anew.
//
// Its owner works on the digest exclusively; pieces may be written concurrently.
type partial struct {
	in     *intake
	digest Digest
	name   string
	file   *os.File
	size   int64
	used   time.Time

	mu     sync.Mutex
	have   []byte // by piece: 1 if it is on disk
	prefix int    // so many pieces from the start are

	hashing sync.Mutex
	hash    hash.Hash // of the first pieces
	hashed  int       // so many of them
}

// partName is new each time: one that is being dropped may still be there when the next one begins.
func partName(d Digest) string { return tempDir + "/" + d.String() + "." + rand.Text() + partSuffix }

func pieces(size int64) int { return int((size + pieceBytes - 1) / pieceBytes) }

// createPartial sets aside the room for a blob of size bytes.
func (in *intake) createPartial(d Digest, size int64) (*partial, error) {
	if size < 1 || size > maxPieces*pieceBytes {
		return nil, fmt.Errorf("%w: %d bytes cannot come in pieces", ErrTooLarge, size)
	}
	if err := in.tooLarge(size); err != nil {
		return nil, err
	}
	if err := in.claim(size); err != nil {
		return nil, err
	}
	name := partName(d)
	f, err := in.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		in.budget.release(size, size)
		return nil, diskError(err)
	}
	p := &partial{in: in, digest: d, name: name, file: f, size: size, have: make([]byte, pieces(size)), hash: sha256.New()}
	in.partials.begin(p)
	footer := append(make([]byte, len(p.have)), footerOf(size)...)
	if _, err := f.WriteAt(footer, size); err != nil {
		p.drop()
		return nil, diskError(err)
	}
	return p, nil
}

func footerOf(size int64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(size)), partMagic...)
}

// readFooter returns the size of the blob that the file is a part of, and which pieces are there.
func readFooter(r io.ReaderAt, length int64) (size int64, have []byte, err error) {
	footer := make([]byte, footerSize)
	if length < int64(footerSize) {
		return 0, nil, errors.New("too short")
	}
	if _, err := r.ReadAt(footer, length-int64(footerSize)); err != nil {
		return 0, nil, err
	}
	size = int64(binary.BigEndian.Uint64(footer)) // a negative one is refused below
	if !bytes.Equal(footer[8:], []byte(partMagic)) || size < 1 || size > maxPieces*pieceBytes {
		return 0, nil, errors.New("not a part of a blob")
	}
	have = make([]byte, pieces(size))
	if length != size+int64(len(have)+footerSize) {
		return 0, nil, errors.New("of the wrong length")
	}
	if _, err := r.ReadAt(have, size); err != nil {
		return 0, nil, err
	}
	for i, b := range have {
		if b != 1 {
			have[i] = 0
		}
	}
	return size, have, nil
}

// openPartial returns what an earlier process left of d.
func (in *intake) openPartial(d Digest, name string) (*partial, error) {
	f, err := in.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	size, have, err := readFooter(f, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("part of blob %s: %w", d.Short(), err), f.Close())
	}
	p := &partial{in: in, digest: d, name: name, file: f, size: size, have: have, hash: sha256.New(), used: info.ModTime()}
	p.advance()
	return p, nil
}

// advance moves prefix up to the first piece that is missing.
func (p *partial) advance() {
	for p.prefix < len(p.have) && p.have[p.prefix] == 1 {
		p.prefix++
	}
}

// offset returns how many bytes from the start on are on disk, without a gap.
func (p *partial) offset() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.size, int64(p.prefix)*pieceBytes)
}

// span returns where piece i begins and how long it is.
func (p *partial) span(i int) (offset, n int64) {
	offset = int64(i) * pieceBytes
	return offset, min(pieceBytes, p.size-offset)
}

// missing returns the pieces that are not on disk.
func (p *partial) missing() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing []int
	for i := p.prefix; i < len(p.have); i++ {
		if p.have[i] == 0 {
			missing = append(missing, i)
		}
	}
	return missing
}

// receive writes piece i from r, which must give all of it, and returns the checksum of what it gave. A fault of the disk
// is a *diskFault.
func (p *partial) receive(ctx context.Context, i int, r io.Reader) (uint32, error) {
	offset, n := p.span(i)
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	var check uint32
	for done := int64(0); done < n; {
		m, err := readChunk(ctx, r, buf[:min(chunkBytes, n-done)])
		if _, err := p.file.WriteAt(buf[:m], offset+done); err != nil {
			return 0, &diskFault{diskError(err)}
		}
		check = checksum(check, buf[:m])
		done += int64(m)
		if done < n && err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return check, p.got(i)
}

// diskFault is an error that is this node's own, not a peer's.
type diskFault struct{ error }

func (f *diskFault) Unwrap() error { return f.error }

// got notes that piece i is on disk.
func (p *partial) got(i int) error {
	if _, err := p.file.WriteAt([]byte{1}, p.size+int64(i)); err != nil {
		return &diskFault{diskError(err)}
	}
	offset, n := p.span(i)
	writeBack(p.file, offset, n)
	p.mu.Lock()
	p.have[i] = 1
	p.advance()
	p.mu.Unlock()
	p.in.budget.wrote(n)
	return nil
}

// catchUp hashes as far as pieces are there without a gap, unless somebody does. After a restart that is all that an
// earlier life left.
func (p *partial) catchUp(ctx context.Context) error {
	if !p.hashing.TryLock() {
		return nil // whoever hashes goes on to the end of what is there, or verify does
	}
	defer p.hashing.Unlock()
	return p.hashOn(ctx)
}

// hashOn hashes what is on disk without a gap. The bytes were just written: they come from memory.
func (p *partial) hashOn(ctx context.Context) error {
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	for p.hashed < p.leading() {
		offset, n := p.span(p.hashed)
		part := io.NewSectionReader(p.file, offset, n)
		if _, err := io.CopyBuffer(onlyWriter{p.hash}, onlyReader{contextReader{ctx, part}}, buf[:]); err != nil {
			p.hash.Reset() // a part of a piece is in it
			p.hashed = 0
			return &diskFault{err}
		}
		p.hashed++
	}
	return nil
}

func (p *partial) leading() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.prefix
}

// verify says with ErrMismatch that the whole, all of which must be there, is not d.
func (p *partial) verify(ctx context.Context) error {
	p.hashing.Lock()
	defer p.hashing.Unlock()
	if err := p.hashOn(ctx); err != nil {
		return err
	}
	if got := Digest(p.hash.Sum(nil)); got != p.digest || p.hashed < len(p.have) {
		return fmt.Errorf("%w: %s that hash to %s", ErrMismatch, bytesText(p.size), got)
	}
	return nil
}

// publish verifies the whole and puts it on the shelf. After ErrMismatch nothing is left of it.
func (p *partial) publish(ctx context.Context) error {
	if err := p.verify(ctx); err != nil {
		if errors.Is(err, ErrMismatch) {
			p.drop()
		} else {
			p.in.partials.keep(p)
		}
		return err
	}
	err := p.file.Truncate(p.size)
	f := &arrival{name: p.name, file: p.file, size: p.size}
	if err == nil {
		err = p.in.shelf.admit(ctx, p.digest, f)
	}
	if err != nil {
		p.drop()
		return diskError(err)
	}
	p.in.partials.end(p)
	_ = p.file.Close() // synced if it matters
	p.in.remove(f.name)
	return nil
}

// drop leaves nothing of p. It is idle no longer.
func (p *partial) drop() {
	p.in.partials.end(p)
	_ = p.file.Close() // what was written does not matter any more
	p.in.remove(p.name)
	p.in.budget.release(p.size, p.unwritten())
}

func (p *partial) unwritten() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.size
	for i, b := range p.have {
		if _, n := p.span(i); b == 1 {
			left -= n
		}
	}
	return left
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}
