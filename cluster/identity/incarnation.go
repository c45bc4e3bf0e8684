package identity

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	incarnationFile = "incarnation"
	randomBits      = 24
)

// NextIncarnation returns a number greater than every one returned for dir
// before, and keeps it there, fsynced, before it returns (CLK-4). Each start of
// a node takes one; with the node id it keys the node's entry in clocks.
//
// The number is (last one's upper part + 1, or the wall clock in seconds,
// whichever is greater) followed by 24 random bits. The file makes it grow also
// when the clock goes back; the clock makes it grow also when the disk was
// restored from a copy; and if both happen at once the random bits still make
// it, but for one chance in 16 million, another number than those used before.
func NextIncarnation(dir string, now time.Time) (uint64, error) {
	path := filepath.Join(dir, incarnationFile)
	last, err := readIncarnation(path)
	if err != nil {
		return 0, err
	}
	var salt [4]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return 0, fmt.Errorf("incarnation: %w", err)
	}
	next := max(last>>randomBits+1, uint64(max(now.Unix(), 0)))
	next = next<<randomBits | uint64(binary.LittleEndian.Uint32(salt[:])>>(32-randomBits))
	if err := writeFile(path, fmt.Appendf(nil, "%d\n", next), 0o600); err != nil {
		return 0, fmt.Errorf("incarnation: %w", err)
	}
	return next, nil
}

func readIncarnation(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("incarnation: %w", err)
	}
	var last uint64
	if _, err := fmt.Sscanf(string(text), "%d\n", &last); err != nil || fmt.Sprintf("%d\n", last) != string(text) {
		return 0, fmt.Errorf("incarnation file %s is damaged: remove it if this machine's clock is right", path)
	}
	return last, nil
}
