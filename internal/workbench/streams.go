package workbench

import (
	"bytes"
	"errors"
	"io"
	"os"
)

const (
	// spoolMemory is what a stream keeps in memory before it goes to a file.
	spoolMemory = 256 << 10
	// chunkBytes bounds one piece of a stream on its way to the client.
	chunkBytes = 32 << 10
)

// spool keeps what a program wrote: in memory, and in an unnamed file once it is large. It takes everything and remembers the first error,
// for an error would only be shown to the program.
type spool struct {
	dir  string
	buf  bytes.Buffer
	file *os.File
	size int64
	err  error
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.err == nil {
		s.err = s.write(p)
	}
	return len(p), nil
}

func (s *spool) write(p []byte) error {
	if s.file == nil {
		s.buf.Write(p)
		if s.buf.Len() <= spoolMemory {
			return nil
		}
		f, err := os.CreateTemp(s.dir, "stream-")
		if err != nil {
			return err
		}
		if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
			return errors.Join(err, f.Close())
		}
		s.file, p = f, s.buf.Bytes()
		defer func() { s.buf = bytes.Buffer{} }()
	}
	_, err := s.file.Write(p)
	return err
}

// reader reads everything from the start.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.buf.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return s.file, nil
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // unlinked: nothing of it is needed any more
	}
}

// teller tells what passes through it, in pieces.
type teller struct {
	spool  *spool
	offset uint64
	tell   func(offset uint64, data []byte)
}

// Write implements io.Writer.
func (t *teller) Write(p []byte) (int, error) {
	n, err := t.spool.Write(p)
	for rest := p; len(rest) > 0; {
		piece := bytes.Clone(rest[:min(len(rest), chunkBytes)])
		t.tell(t.offset, piece)
		t.offset += uint64(len(piece))
		rest = rest[len(piece):]
	}
	return n, err
}

// puller reads the client's input as the program asks for it.
type puller struct {
	pull   func(offset uint64, maxBytes int) ([]byte, error)
	offset uint64
	rest   []byte
}

// Read implements io.Reader.
func (p *puller) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		data, err := p.pull(p.offset, min(len(b), chunkBytes))
		if err != nil {
			return 0, err
		}
		p.rest = data
		p.offset += uint64(len(data))
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
