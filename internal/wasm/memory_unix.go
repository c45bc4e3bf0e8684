//go:build unix

package wasm

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// guestMemory is the linear memory of one run: address space reserved up to the limit, made usable as the guest grows, given
// back to the system when the run ends. It is its own allocator, since a guest has one memory.
type guestMemory struct {
	limit    uint64 // bytes
	reserved []byte
	usable   uint64
	denied   bool // the guest asked for more than the limit, or than the system has
}

// noMemory is what Allocate panics with when the system has no address space; wazero knows no other way to say so.
type noMemory struct{ err error }

// Allocate reserves what the module may ever use, within the limit.
func (m *guestMemory) Allocate(_, most uint64) experimental.LinearMemory {
	size := min(most, m.limit)
	if size == 0 {
		return m
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON) //nolint:gosec // at most 4 GiB
	if err != nil {
		m.denied = true
		panic(noMemory{err})
	}
	m.reserved = b
	return m
}

// Reallocate makes the first size bytes usable, in place, or returns nil.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		m.denied = true
		return nil
	}
	if size > m.usable {
		if err := unix.Mprotect(m.reserved[m.usable:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			m.denied = true
			return nil
		}
		m.usable = size
	}
	return m.reserved[:size:size]
}

// Free gives the memory back. It may be called again.
func (m *guestMemory) Free() {
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved) // it is a mapping of ours, whole: this cannot fail
	}
	m.reserved, m.usable = nil, 0
}
