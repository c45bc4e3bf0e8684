package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/urbancompute/ucp/internal/blob"
)

// transferOutput is how fast blobs of one size were moved, in MB/s.
type transferOutput struct {
	Bytes   int64  `json:"bytes"`
	Rounds  int    `json:"rounds"`
	Disk    spread `json:"disk_mb_per_second"`
	Put     spread `json:"put_mb_per_second"`
	Copy    spread `json:"copy_mb_per_second"`
	Get     spread `json:"get_mb_per_second"`
	Reached string `json:"reached"` // 400 MB/s, disk or neither
}

// What a transfer should reach: one of them.
const (
	fastTransfer = 400 // MB/s
	likeTheDisk  = 0.9
)

// transferRound is how fast one blob was moved.
type transferRound struct{ disk, put, copied, got float64 }

func (n *dataNetwork) transfers(ctx context.Context, size int64, rounds int) (*transferOutput, error) {
	var disk, put, copied, got []float64
	for i := range rounds {
		r, err := n.transferRound(ctx, size, uint64(i))
		if err != nil {
			return nil, err
		}
		disk, put, copied, got = append(disk, r.disk), append(put, r.put), append(copied, r.copied), append(got, r.got)
	}
	out := &transferOutput{Bytes: size, Rounds: rounds, Disk: spreadOf(disk), Put: spreadOf(put), Copy: spreadOf(copied), Get: spreadOf(got)}
	out.Reached = out.verdict()
	return out, nil
}

func (t *transferOutput) verdict() string {
	switch slowest := min(t.Put.Median, t.Copy.Median, t.Get.Median); {
	case slowest >= fastTransfer:
		return "400 MB/s"
	case slowest >= likeTheDisk*t.Disk.Median:
		return "disk"
	}
	return "neither"
}

func (n *dataNetwork) transferRound(ctx context.Context, size int64, seed uint64) (r transferRound, err error) {
	d, _, err := n.here.Add(ctx, noise(size, seed))
	if err != nil {
		return r, err
	}
	steps := []struct {
		speed *float64
		move  func() error
	}{
		{&r.disk, func() error { return n.writeSynced(ctx, size) }},
		{&r.put, func() error { return n.blobs.Send(ctx, n.base("s1"), d, n.here) }},
		{&r.copied, func() error { return n.blobs.Copy(ctx, n.base("s2"), d, []string{n.base("s1")}) }},
		{&r.got, func() error { return n.fetch(ctx, d) }},
	}
	for i, s := range steps {
		if i == len(steps)-1 { // what is here is not fetched
			if err := n.here.Delete(ctx, d); err != nil {
				return r, err
			}
		}
		began := time.Now()
		if err := s.move(); err != nil {
			return r, err
		}
		*s.speed = megabytes(size, time.Since(began))
	}
	return r, n.here.Delete(ctx, d)
}

func (n *dataNetwork) fetch(ctx context.Context, d blob.Digest) error {
	return n.blobs.Get(ctx, []string{n.base("s2")}, d, n.here)
}

// megabytes is a speed in MB/s.
func megabytes(size int64, took time.Duration) float64 { return float64(size) / 1e6 / took.Seconds() }

// noise gives bytes that nothing can compress, without holding them.
func noise(size int64, seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(size))
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// writeSynced writes so many bytes to a file, as stores do, and removes it.
func (n *dataNetwork) writeSynced(ctx context.Context, size int64) (err error) {
	name := filepath.Join(n.dir, "disk")
	f, err := os.OpenFile(filepath.Clean(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(name)) }()
	chunk := make([]byte, 256<<10)
	if _, err := io.ReadFull(noise(int64(len(chunk)), 1), chunk); err != nil {
		return err
	}
	for left := size; left > 0 && ctx.Err() == nil; {
		m, err := f.Write(chunk[:min(int64(len(chunk)), left)])
		if err != nil {
			return err
		}
		left -= int64(m)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return f.Sync()
}

func (t *transferOutput) rows() [][]string {
	return [][]string{
		{fmt.Sprintf("%s, %s", bytesText(uint64(t.Bytes)), counted(t.Rounds, "round")), "median (least to most); reached: " + t.Reached},
		{"  disk alone", t.Disk.text()},
		{"  put", t.Put.text()},
		{"  copy", t.Copy.text()},
		{"  get", t.Get.text()},
	}
}
