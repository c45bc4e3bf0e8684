package blob

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
)

// budget counts the bytes of a store, those on their way in included, and sees to it that its disk keeps a reserve.
type budget struct {
	limit   int64                 // of all bytes together; 0: none
	reserve int64                 // bytes of the disk that stay free
	free    func() (int64, error) // what the disk has left, -1 if that is not known

	mu      sync.Mutex
	used    int64 // claimed and not released
	pending int64 // part of used, not written yet: the disk does not know of it
}

// claim sets n bytes aside, or says why it cannot.
func (b *budget) claim(n int64) error {
	left, err := b.left()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit > 0 && n > b.limit-b.used {
		return fmt.Errorf("%w: %s of %s in use and %s more asked for; delete blobs or raise the limit",
			ErrFull, bytesText(b.used), bytesText(b.limit), bytesText(n))
	}
	if left != math.MaxInt64 && n > left-b.pending-b.reserve {
		return fmt.Errorf("%w: the disk has %s left, of which %s stay free, and %s more are asked for; delete something or use a larger disk",
			ErrFull, bytesText(max(0, left-b.pending)), bytesText(b.reserve), bytesText(n))
	}
	b.used += n
	b.pending += n
	return nil
}

// left returns the bytes free on the disk if there is a reserve to keep, else more than anybody asks for.
func (b *budget) left() (int64, error) {
	if b.reserve <= 0 {
		return math.MaxInt64, nil
	}
	left, err := b.free()
	if err != nil {
		return 0, fmt.Errorf("free space: %w", err)
	}
	if left < 0 {
		return math.MaxInt64, nil
	}
	return left, nil
}

// lacks returns how many bytes must go before n fit.
func (b *budget) lacks(n int64) int64 {
	left, err := b.left()
	if err != nil {
		return 0 // nothing is deleted for a fault
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var lack int64
	if b.limit > 0 {
		lack = n - (b.limit - b.used)
	}
	if left != math.MaxInt64 {
		lack = max(lack, n-(left-b.pending-b.reserve))
	}
	return max(0, lack)
}

// wrote notes that n of the claimed bytes are on the disk.
func (b *budget) wrote(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = max(0, b.pending-n)
}

// release gives n bytes back, of which so many were never written.
func (b *budget) release(n, unwritten int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used, b.pending = max(0, b.used-n), max(0, b.pending-unwritten)
}

// holds notes n bytes that were there before anybody counted, of which so many are not written yet.
func (b *budget) holds(n, unwritten int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used, b.pending = b.used+n, b.pending+unwritten
}

// inUse returns the bytes claimed and not released.
func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// space returns what is used and what is left.
func (b *budget) space() (Space, error) {
	left, err := b.free()
	if err != nil {
		return Space{}, fmt.Errorf("free space: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Space{Used: b.used, Limit: b.limit, Free: left}
	if left >= 0 {
		s.Free = max(0, left-b.pending-b.reserve)
	}
	if b.limit > 0 && (left < 0 || b.limit-b.used < s.Free) {
		s.Free = max(0, b.limit-b.used)
	}
	return s, nil
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
