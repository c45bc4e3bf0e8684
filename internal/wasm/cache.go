package wasm

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Cache lets each module be compiled once on a node, and bounds the machine code kept on disk. It is shared by a node's workers
// and safe for concurrent use.
//
// Below its directory each module has one of its own, named by its digest. The first slot that wants a module this process has
// not seen loads it alone, from disk or by compiling; the others wait for it.
type Cache struct {
	dir      string
	limit    int64
	compiled atomic.Uint64

	mu      sync.Mutex
	ready   map[Digest]bool          // seen to be on disk
	loading map[Digest]chan struct{} // closed when the one who loads is done
}

// DefaultCacheBytes bounds a cache on disk unless said otherwise: some hundred modules of a few MB.
const DefaultCacheBytes = 1 << 30

// NewCache returns a cache in dir, which is made if need be and must be writable by this user alone: what lies there is run.
// A limit of 0 bytes means [DefaultCacheBytes].
func NewCache(dir string, limit int64) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache of compiled modules: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cache of compiled modules: %w", err)
	}
	return &Cache{
		dir: dir, limit: wanted(limit, DefaultCacheBytes),
		ready: make(map[Digest]bool), loading: make(map[Digest]chan struct{}),
	}, nil
}

// Compiled returns how many compilations there were, by any worker: those that came to an end and left machine code that was not on disk before.
func (c *Cache) Compiled() uint64 { return c.compiled.Load() }

// path returns the directory of one module.
func (c *Cache) path(d Digest) string { return filepath.Join(c.dir, hex.EncodeToString(d[:])) }

// turn tells whether the caller may load d now. If not, it has to wait for the channel and ask again. If it may and release is
// not nil, others wait for it: it must be called once, saying whether d is on disk now.
func (c *Cache) turn(d Digest) (release func(loaded bool), wait <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready[d] {
		return nil, nil
	}
	if busy, ok := c.loading[d]; ok {
		return nil, busy
	}
	done := make(chan struct{})
	c.loading[d] = done
	return func(loaded bool) { c.release(d, done, loaded) }, nil
}

func (c *Cache) release(d Digest, done chan struct{}, loaded bool) {
	if loaded {
		c.trim(d)
	} else {
		c.sweep(d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready[d] = loaded
	if !loaded {
		delete(c.ready, d)
	}
	delete(c.loading, d)
	close(done)
}

// sweep removes what an interrupted compilation left behind, while nobody else loads d.
func (c *Cache) sweep(d Digest) {
	parts, _ := filepath.Glob(filepath.Join(c.path(d), "*", "*.tmp")) // the pattern is well-formed
	for _, p := range parts {
		_ = os.Remove(p) // what cannot be removed is found by trim
	}
}

// touch notes that d was used just now, for the order in which modules are dropped.
func (c *Cache) touch(d Digest, at time.Time) {
	_ = os.Chtimes(c.path(d), at, at) // at worst it is dropped too early
}

type storedModule struct {
	name  string
	bytes int64
	used  time.Time
}

// trim drops the modules used longest ago until the rest fits. The newest, keep, stays in any case.
func (c *Cache) trim(keep Digest) {
	stored, total := c.stored()
	slices.SortFunc(stored, func(a, b storedModule) int { return a.used.Compare(b.used) })
	for _, s := range stored {
		if total <= c.limit {
			return
		}
		var d Digest
		if n, err := hex.Decode(d[:], []byte(s.name)); err != nil || n != len(d) || d == keep {
			continue
		}
		c.forget(d)
		if err := os.RemoveAll(c.path(d)); err == nil {
			total -= s.bytes
		}
	}
}

func (c *Cache) forget(d Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ready, d)
}

func (c *Cache) stored() (list []storedModule, total int64) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, 0
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.IsDir() || len(e.Name()) != 2*len(Digest{}) {
			continue
		}
		s := storedModule{name: e.Name(), bytes: sizeBelow(filepath.Join(c.dir, e.Name())), used: st.ModTime()}
		list, total = append(list, s), total+s.bytes
	}
	return list, total
}

func sizeBelow(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what vanished takes no space
		}
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			total += st.Size()
		}
		return nil
	})
	return total
}
