package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Put keeps the bytes of r if they hash to expect. If the blob is already here r is not read, and the blob becomes as
// young as a new one. Of concurrent puts of one digest one does the work; the others wait and read nothing, unless it
// fails. On any error, among them ErrMismatch, ErrTooLarge, ErrFull and those of r and ctx, nothing is left. A put ends
// at the next chunk after ctx is done.
func (s *Store) Put(ctx context.Context, r io.Reader, expect Digest) error {
	return s.in.fill(ctx, expect, func() (io.ReadCloser, int64, error) { return io.NopCloser(r), unknownSize, nil })
}

// Add keeps the bytes of r under whatever they hash to, and returns that and their number.
func (s *Store) Add(ctx context.Context, r io.Reader) (Digest, int64, error) {
	return s.in.add(ctx, r)
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

// renew dates a blob that is here from now, and makes its entry durable: it may date from a crash before the directory
// was synced.
func (s *Store) renew(_ context.Context, d Digest) (bool, error) {
	name := fileName(d)
	before, err := s.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = s.touch(d, name, before)
	}
	if err == nil {
		err = s.syncDir(path.Dir(name))
	}
	return err == nil, err
}

// touch dates the file of d from now. What was known to be right is still.
func (s *Store) touch(d Digest, name string, before fs.FileInfo) error {
	at := now()
	if err := s.root.Chtimes(name, at, at); err != nil {
		return err
	}
	after, err := s.root.Stat(name)
	if err != nil {
		return err
	}
	if s.remembered(d, stampOf(before)) {
		s.remember(d, stampOf(after))
	}
	s.lru.add(d, after.Size())
	return nil
}

// admit gives the file its name, durably.
func (s *Store) admit(_ context.Context, d Digest, f *arrival) error {
	name := fileName(d)
	if err := f.file.Sync(); err != nil {
		return diskError(err)
	}
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if err := s.makeDir(path.Dir(name)); err != nil {
		return diskError(err)
	}
	if err := s.root.Rename(f.name, name); err != nil {
		return diskError(err)
	}
	if err := s.syncDir(path.Dir(name)); err != nil {
		return errors.Join(err, s.root.Remove(name))
	}
	f.name = ""
	s.remember(d, stampOf(info))
	s.lru.add(d, info.Size())
	return nil
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
