package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack has the kernel begin to write to disk what was written to a file, so that the fsync at the end finds little left to do. It is a hint: the
// fsync is what counts, and says what went wrong.
func writeBack(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
