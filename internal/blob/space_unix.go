//go:build linux || darwin || freebsd

package blob

import "syscall"

// freeBytes returns what the disk below dir has left for one who is not root; -1 if that is not known.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ from system to system
}
