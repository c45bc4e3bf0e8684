package blob

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// budget counts the bytes of a store, those on their way in included. A limit of 0 means none.
type budget struct {
	limit int64
	mu    sync.Mutex
	used  int64
}

// claim sets n bytes aside, or says why it cannot.
func (b *budget) claim(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit > 0 && n > b.limit-b.used {
		return fmt.Errorf("%w: %s of %s in use and %s more asked for; delete blobs or raise the limit",
			ErrFull, bytesText(b.used), bytesText(b.limit), bytesText(n))
	}
	b.used += n
	return nil
}

// release gives n bytes back.
func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-n)
}

// inUse returns the bytes claimed and not released.
func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// diskError turns the kernel's way of saying "full" into ours.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// bytesText writes n for people: 17 B, 3.0 MiB.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1<<10 && unit < len(units)-1 {
		value, unit = value/(1<<10), unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
