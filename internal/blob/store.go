package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// maxStamps bounds the memory of what was verified; beyond it everything is verified anew.
const maxStamps = 1 << 16

// Options bound a backend. The zero value sets no bound and logs nothing.
type Options struct {
	MaxBytes     int64        // of all blobs together, those on their way in included; 0: as much as the disk holds
	MaxBlobBytes int64        // of one blob; 0: no bound of its own
	Reserve      int64        // bytes of the disk that stay free; 0: it may be filled to the brim
	Evict        bool         // for a cache: what was not used for longest goes when there is no room; only a Store can
	Spool        string       // directory for what is on its way into a Bucket; "": a temporary one, so that nothing outlives the process
	Log          *slog.Logger // told of damaged blobs and failing disks; nil: nobody is
}

// Store is a local directory of blobs. It is safe for concurrent use.
type Store struct {
	root *os.Root
	log  *slog.Logger
	in   *intake
	lru  lru

	mu     sync.Mutex
	stamps map[Digest]stamp // what Path need not verify again
}

// stamp is how a file looked when it was verified. If it looks otherwise it is verified again.
type stamp struct {
	size     int64
	modified time.Time
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime()} }

// OpenStore opens the store in dir, makes it if it is not there, removes what a crash left half-written but for what a
// transfer can go on with, and counts the blobs it holds. Close it when done.
func OpenStore(dir string, opt Options) (*Store, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	s := &Store{root: root, stamps: map[Digest]stamp{}}
	s.in = newIntake(root, s, opt)
	s.log = s.in.log
	if opt.Evict {
		s.lru = newLRU()
	}
	if err := errors.Join(s.in.sweep(), s.count(context.Background())); err != nil {
		return nil, fmt.Errorf("blob store %s: %w", dir, errors.Join(err, s.in.partials.close(), root.Close()))
	}
	return s, nil
}

// openRoot opens a directory, which it makes if it is not there.
func openRoot(dir string) (*os.Root, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // where a store lies is for the configuration to say
		return nil, err
	}
	return os.OpenRoot(dir)
}

// count adds up the blobs on disk, and forgets what is too much for a cache.
func (s *Store) count(ctx context.Context) error {
	var cached []Info
	err := s.Walk(ctx, func(b Info) error {
		s.in.budget.holds(b.Size, 0)
		if s.lru.order != nil {
			cached = append(cached, b)
		}
		return nil
	})
	slices.SortFunc(cached, func(a, b Info) int { return a.Time.Compare(b.Time) })
	for _, b := range cached {
		s.lru.add(b.Digest, b.Size)
	}
	for s.in.budget.lacks(0) > 0 && s.spare() {
	}
	return err
}

// Walk calls visit for each blob, in the order of their digests. Files of other names are not ours, and left out.
func (s *Store) Walk(ctx context.Context, visit func(Info) error) error {
	return fs.WalkDir(s.root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil || entry.IsDir() {
			return err
		}
		d, err := Parse(entry.Name())
		if err != nil {
			return nil //nolint:nilerr // not a blob
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(Info{Digest: d, Size: info.Size(), Time: info.ModTime()})
	})
}

// Close releases the directory. Readers that are open stay usable.
func (s *Store) Close() error {
	return errors.Join(s.in.partials.close(), s.root.Close())
}

func (s *Store) arrivals() *intake { return s.in }

// Space says what is used and what is left on the disk, the reserve apart.
func (s *Store) Space(context.Context) (Space, error) {
	space, err := s.in.budget.space()
	if err != nil {
		return Space{}, fmt.Errorf("blob store %s: %w", s.root.Name(), err)
	}
	return space, nil
}

func (s *Store) spareable() int64 { return s.lru.spareable() }

// spare deletes the blob that was not used for longest, of those that nobody holds or puts.
func (s *Store) spare() bool {
	for _, d := range s.lru.victims() {
		gone := false
		s.in.ifIdle(d, func() {
			if gone = s.lru.take(d); gone {
				s.evict(d)
			}
		})
		if gone {
			return true
		}
	}
	return false
}

func (s *Store) evict(d Digest) {
	s.log.Debug("blob gives way", "blob", d.String())
	if err := s.remove(d); err != nil {
		s.log.Warn("blob that should give way stays", "blob", d.String(), "err", err)
	}
}

// Has reports whether the blob is here. It looks at the name, not at the bytes.
func (s *Store) Has(d Digest) bool {
	_, err := s.size(d)
	return err == nil
}

// Size returns the length of the blob in bytes, or ErrNotFound.
func (s *Store) Size(_ context.Context, d Digest) (int64, error) {
	return s.size(d)
}

func (s *Store) size(d Digest) (int64, error) {
	info, err := s.root.Stat(fileName(d))
	if err != nil {
		return 0, notFound(d, err)
	}
	return info.Size(), nil
}

// Recent returns at most so many blobs of a cache, those that were used last, the oldest of them first. A store that evicts nothing keeps no such order.
func (s *Store) Recent(most int) []Digest { return s.lru.recent(most) }

// Used returns the bytes of all blobs, those on their way in included.
func (s *Store) Used() int64 {
	return s.in.budget.inUse()
}

// Delete removes the blob; one that is not here is no error. Readers already open go on to their end.
func (s *Store) Delete(_ context.Context, d Digest) error {
	s.lru.remove(d)
	return s.remove(d)
}

func (s *Store) remove(d Digest) error {
	size, err := s.size(d)
	if err == nil {
		err = s.root.Remove(fileName(d))
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", d.Short(), err)
	}
	s.in.budget.release(size, 0)
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
