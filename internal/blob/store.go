package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	tempDir = "tmp" // holds what is being written; swept when the store is opened

	// maxStamps bounds the memory of what was verified; beyond it everything is verified anew.
	maxStamps = 1 << 16
)

// Options bound a Store. The zero value sets no bound and logs nothing.
type Options struct {
	MaxBytes     int64        // of all blobs together, those on their way in included; 0: as much as the disk holds
	MaxBlobBytes int64        // of one blob; 0: no bound of its own
	Log          *slog.Logger // told of damaged blobs and failing disks; nil: nobody is
}

// Store is a local directory of blobs. It is safe for concurrent use.
type Store struct {
	root    *os.Root
	maxBlob int64
	budget  budget
	log     *slog.Logger

	mu      sync.Mutex
	flights map[Digest]chan struct{} // closed when whoever works on this digest is done
	stamps  map[Digest]stamp         // what Path need not verify again
}

// stamp is how a file looked when it was verified. If it looks otherwise it is verified again.
type stamp struct {
	size     int64
	modified time.Time
}

// OpenStore opens the store in dir, makes it if it is not there, removes what a crash left half-written and counts
// the blobs it holds. Close it when done.
func OpenStore(dir string, opt Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("blob store %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	s := &Store{
		root: root, maxBlob: opt.MaxBlobBytes, budget: budget{limit: opt.MaxBytes}, log: opt.Log,
		flights: map[Digest]chan struct{}{}, stamps: map[Digest]stamp{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(s.sweep(), s.count()); err != nil {
		return nil, fmt.Errorf("blob store %s: %w", dir, errors.Join(err, root.Close()))
	}
	return s, nil
}

// sweep empties the directory of temporary files.
func (s *Store) sweep() error {
	if err := s.root.RemoveAll(tempDir); err != nil {
		return err
	}
	return s.root.Mkdir(tempDir, 0o700)
}

// count adds up the blobs on disk. Files of other names are not ours, and not counted.
func (s *Store) count() error {
	return fs.WalkDir(s.root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if _, err := Parse(entry.Name()); err != nil {
			return nil //nolint:nilerr // not a blob
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s.budget.used += info.Size()
		return nil
	})
}

// Close releases the directory. Readers that are open stay usable.
func (s *Store) Close() error {
	return s.root.Close()
}

// Has reports whether the blob is here. It looks at the name, not at the bytes.
func (s *Store) Has(d Digest) bool {
	_, err := s.Size(d)
	return err == nil
}

// Size returns the length of the blob in bytes, or ErrNotFound.
func (s *Store) Size(d Digest) (int64, error) {
	info, err := s.root.Stat(fileName(d))
	if err != nil {
		return 0, notFound(d, err)
	}
	return info.Size(), nil
}

// Used returns the bytes of all blobs, those on their way in included.
func (s *Store) Used() int64 {
	return s.budget.inUse()
}

// Delete removes the blob; one that is not here is no error. Readers already open go on to their end.
func (s *Store) Delete(d Digest) error {
	size, err := s.Size(d)
	if err == nil {
		err = s.root.Remove(fileName(d))
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", d.Short(), err)
	}
	s.budget.release(size)
	s.forget(d)
	return nil
}

// fileName is where a blob lies under the root: fanned out over 256 directories.
func fileName(d Digest) string {
	name := d.String()
	return name[:2] + "/" + name
}

// notFound says which blob is missing, and keeps other faults apart.
func notFound(d Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, d)
	}
	return fmt.Errorf("blob %s: %w", d.Short(), err)
}

// remember notes that the file of d was right when it looked like seen.
func (s *Store) remember(d Digest, seen stamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stamps) >= maxStamps {
		clear(s.stamps)
	}
	s.stamps[d] = seen
}

// forget drops what is known of d.
func (s *Store) forget(d Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stamps, d)
}

// remembered reports whether the file of d was right when it looked like seen.
func (s *Store) remembered(d Digest, seen stamp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.stamps[d]
	return ok && known == seen
}
