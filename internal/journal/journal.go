package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Entry is a value by its key. No value: the key is removed.
type Entry struct{ Key, Value []byte }

// Errors of a journal, to be found with [errors.Is].
var (
	// ErrFull says that the disk has no room for a batch; nothing was written, and the batch may be written again.
	ErrFull = errors.New("the disk is full")
	// ErrBroken says that a write failed: nothing is known of what the disk holds until the journal is opened again.
	ErrBroken = errors.New("the journal is broken")
	// ErrDamaged says that what the disk holds is not what was written.
	ErrDamaged = errors.New("the journal is damaged")
	// ErrNewer says that a newer program wrote the directory.
	ErrNewer = errors.New("the journal was written by a newer version of this program")
	// ErrHeld says that another process has the directory open.
	ErrHeld = errors.New("the journal is in use by another process")
)

// Options are what a journal needs beside its directory. All may be left out.
type Options struct {
	FS      vfs.FS       // nil: the real one
	Log     *slog.Logger // nil: discards
	Reserve uint64       // bytes of the disk that are left free; 0: [DefaultReserve]
}

// DefaultReserve is what Pebble needs at the most, in bytes, to put in order what it already holds.
const DefaultReserve = 64 << 20

const (
	// pebbleFormat is what Pebble's files look like. A greater number here makes every journal unreadable to programs before it.
	pebbleFormat = pebble.FormatTableFormatV6
	// cacheBytes is little: a journal is read once, when it is opened.
	cacheBytes = 1 << 20
	// openFiles bounds the tables that are open at a time.
	openFiles, fileShards = 64, 2
)

// Journal is a directory that was opened. It is safe for use by several goroutines.
type Journal struct {
	dir     string
	fs      vfs.FS
	log     *slog.Logger
	reserve uint64
	lock    *pebble.Lock
	db      *pebble.DB
	writes  chan write
	closing chan struct{} // closed by Close
	stopped chan struct{} // the writer has ended
	broken  chan struct{} // closed when Pebble gave up
	reason  error         // why, once broken is closed
	breaks  sync.Once
}

type write struct {
	entries []Entry
	done    func(error)
}

// Open opens the journal in dir, or begins one there. The caller closes it. Errors are [ErrNewer], [ErrHeld], [ErrDamaged] or the disk's own.
func Open(dir string, opt Options) (*Journal, error) {
	j := &Journal{
		dir: dir, fs: opt.FS, log: opt.Log, reserve: opt.Reserve,
		writes: make(chan write), closing: make(chan struct{}), stopped: make(chan struct{}), broken: make(chan struct{}),
	}
	if j.fs == nil {
		j.fs = vfs.Default
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.reserve == 0 {
		j.reserve = DefaultReserve
	}
	if err := j.open(); err != nil {
		return nil, fmt.Errorf("journal %s: %w", dir, err)
	}
	go j.write()
	return j, nil
}

// open takes the directory for this process and gets at what is in it.
func (j *Journal) open() error {
	if err := j.fs.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(j.dir, j.fs)
	if _, noFile := errors.AsType[*fs.PathError](err); err != nil && !noFile {
		return fmt.Errorf("%w: %w", ErrHeld, err)
	}
	if err != nil {
		return err
	}
	if err := j.openLocked(lock); err != nil {
		return errors.Join(err, lock.Close())
	}
	j.lock = lock
	return nil
}

func (j *Journal) openLocked(lock *pebble.Lock) error {
	if err := j.checkFormat(); err != nil {
		return err
	}
	opened := make(chan error, 1)
	go func() { opened <- j.openPebble(lock) }()
	select {
	case err := <-opened:
		return err
	case <-j.broken:
		return j.breakage()
	}
}

// openPebble may never return from a disk that fails. What it was given stays with Pebble then, which may still be at work behind our back.
func (j *Journal) openPebble(lock *pebble.Lock) error {
	cache := pebble.NewCache(cacheBytes)
	files := pebble.NewFileCache(fileShards, openFiles)
	var err error
	j.db, err = pebble.Open(j.dir, &pebble.Options{
		FS: strictFS{j.fs, j.stopPebble}, Lock: lock, Cache: cache, FileCache: files, FormatMajorVersion: pebbleFormat, Logger: pebbleLog{j},
	})
	if err == nil {
		files.Unref()
		cache.Unref()
	}
	return j.explain(err)
}

// explain says which of a journal's errors one of Pebble's is.
func (*Journal) explain(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Dir returns the directory of the journal.
func (j *Journal) Dir() string { return j.dir }

// Load gives everything durable to each, by ascending key, until each returns an error. What it is given is its own. A value that is not what
// was written ends it with [ErrDamaged].
func (j *Journal) Load(each func(Entry) error) error {
	it, err := j.db.NewIter(nil)
	if err != nil {
		return j.explain(err)
	}
	for it.First(); it.Valid() && err == nil; it.Next() {
		e := Entry{Key: bytes.Clone(it.Key())}
		var sealed []byte
		if sealed, err = it.ValueAndErr(); err != nil {
			break
		}
		if e.Value, err = unseal(e.Key, sealed); err == nil {
			err = each(e)
		}
	}
	return j.explain(errors.Join(err, it.Close()))
}

// Write makes entries durable, all or none, and then calls done, from another goroutine. The caller waits for done before it writes again, else it
// waits here. Errors are [ErrFull], [ErrBroken] and, after Close, [fs.ErrClosed].
func (j *Journal) Write(entries []Entry, done func(error)) {
	select {
	case j.writes <- write{entries, done}:
	case <-j.closing:
		go done(fmt.Errorf("journal %s: %w", j.dir, fs.ErrClosed))
	}
}

// write is the one goroutine that writes.
func (j *Journal) write() {
	defer close(j.stopped)
	for {
		select {
		case w := <-j.writes:
			w.done(j.commit(w.entries))
		case <-j.closing:
			return
		}
	}
}

func (j *Journal) commit(entries []Entry) error {
	if err := j.breakage(); err != nil {
		return err
	}
	batch := j.db.NewBatch()
	for _, e := range entries {
		if e.Value == nil {
			_ = batch.Delete(e.Key, nil) // neither fails: a batch lies in memory
		} else {
			_ = batch.Set(e.Key, seal(e.Key, e.Value), nil)
		}
	}
	if err := j.room(uint64(batch.Len())); err != nil {
		return errors.Join(err, batch.Close())
	}
	return j.sync(batch)
}

// room finds out whether the disk has room for n bytes and for what Pebble makes of them later.
func (j *Journal) room(n uint64) error {
	usage, err := j.fs.GetDiskUsage(j.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil // it fails when it is full
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if usage.AvailBytes < j.reserve+n {
		return fmt.Errorf("%w: %d MiB are left on the disk of %s, and %d are kept free", ErrFull, usage.AvailBytes>>20, j.dir, j.reserve>>20)
	}
	return nil
}

// sync commits a batch. Pebble cannot go on after a failed write and never returns from one; whoever asked for it has to hear of it all the same.
func (j *Journal) sync(batch *pebble.Batch) error {
	committed := make(chan error, 1)
	go func() { committed <- errors.Join(batch.Commit(pebble.Sync), batch.Close()) }()
	select {
	case err := <-committed:
		if err != nil {
			j.giveUp(err)
		}
	case <-j.broken:
	}
	return j.breakage()
}

// breakage returns why nothing can be written any more, nil as long as it can.
func (j *Journal) breakage() error {
	select {
	case <-j.broken:
		return fmt.Errorf("%w: %w", ErrBroken, j.reason)
	default:
		return nil
	}
}

// stopPebble gives up and holds on to the goroutine of Pebble's that asked.
func (j *Journal) stopPebble(reason error) {
	j.giveUp(reason)
	select {}
}

// giveUp notes why nothing can be written any more.
func (j *Journal) giveUp(reason error) {
	j.breaks.Do(func() {
		j.log.Error("journal broken", "dir", j.dir, "err", reason)
		j.reason = reason
		close(j.broken)
	})
}

// Close lets go of the directory once what is being written is durable. A broken journal stays locked until its process ends.
func (j *Journal) Close() error {
	close(j.closing)
	<-j.stopped
	if err := j.breakage(); err != nil {
		return fmt.Errorf("journal %s: %w", j.dir, err)
	}
	return errors.Join(j.db.Close(), j.lock.Close())
}

// pebbleLog passes on what Pebble says.
type pebbleLog struct{ j *Journal }

// Infof implements [pebble.Logger].
func (l pebbleLog) Infof(format string, args ...any) {
	l.j.log.Debug("storage", "says", fmt.Sprintf(format, args...))
}

// Errorf implements [pebble.Logger].
func (l pebbleLog) Errorf(format string, args ...any) {
	l.j.log.Error("storage", "says", fmt.Sprintf(format, args...))
}

// Fatalf implements [pebble.Logger]. It must not return, for Pebble would go on with what it cannot vouch for; what it holds is held until the
// process ends.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.j.stopPebble(fmt.Errorf(format, args...))
}
