package journal

import (
	"github.com/cockroachdb/pebble/v2/vfs"
)

// strictFS is a file system on which nobody gets past a failed fsync: it tells, and holds on to whoever asked until the process ends. Pebble would
// try again in some places and panic in others, and neither makes up for what the kernel may have dropped.
type strictFS struct {
	vfs.FS
	failed func(error) // does not return
}

// strictFile is a file or directory of it.
type strictFile struct {
	vfs.File
	failed func(error)
}

func (s strictFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return strictFile{f, s.failed}, nil
}

// Create implements [vfs.FS].
func (s strictFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return s.wrap(s.FS.Create(name, category))
}

// OpenReadWrite implements [vfs.FS].
func (s strictFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return s.wrap(s.FS.OpenReadWrite(name, category, opts...))
}

// OpenDir implements [vfs.FS].
func (s strictFS) OpenDir(name string) (vfs.File, error) { return s.wrap(s.FS.OpenDir(name)) }

// ReuseForWrite implements [vfs.FS].
func (s strictFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return s.wrap(s.FS.ReuseForWrite(oldname, newname, category))
}

// Unwrap implements [vfs.FS].
func (s strictFS) Unwrap() vfs.FS { return s.FS }

func (f strictFile) must(err error) error {
	if err != nil {
		f.failed(err)
	}
	return nil
}

// Sync implements [vfs.File].
func (f strictFile) Sync() error { return f.must(f.File.Sync()) }

// SyncData implements [vfs.File].
func (f strictFile) SyncData() error { return f.must(f.File.SyncData()) }

// SyncTo implements [vfs.File].
func (f strictFile) SyncTo(length int64) (fullSync bool, err error) {
	full, err := f.File.SyncTo(length)
	return full, f.must(err)
}
