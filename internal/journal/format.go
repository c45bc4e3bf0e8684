package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is what this program writes: which file says so, how values are sealed, and [pebbleFormat] at the least. Programs refuse what is newer
// than they are.
const Format = 1

// formatFile says in a line of its own which format a directory has.
const formatFile = "FORMAT"

// checkFormat refuses a directory that a newer program wrote, and says in a new one what it will hold.
func (j *Journal) checkFormat() error {
	path := j.fs.PathJoin(j.dir, formatFile)
	f, err := j.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j.writeFormat(path)
	}
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	var format int
	if _, err := fmt.Sscanf(string(text), "%d\n", &format); err != nil || format < 1 || fmt.Sprintf("%d\n", format) != string(text) {
		return fmt.Errorf("%w: its file %s says %q and not which format it has", ErrDamaged, formatFile, text)
	}
	if format > Format {
		return fmt.Errorf("%w: it has format %d, and this one knows formats up to %d", ErrNewer, format, Format)
	}
	return nil
}

// writeFormat makes the file with its final name at once: it is there as a whole or not at all.
func (j *Journal) writeFormat(path string) error {
	draft := path + ".new"
	f, err := j.fs.Create(draft, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n", Format)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := j.fs.Rename(draft, path); err != nil {
		return err
	}
	dir, err := j.fs.OpenDir(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// A sealed value is a version, the CRC-32C of version, key and value, and the value.
const (
	sealVersion = 1
	sealBytes   = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte{sealVersion})
	return crc32.Update(crc32.Update(sum, castagnoli, key), castagnoli, value)
}

func seal(key, value []byte) []byte {
	sealed := make([]byte, 0, sealBytes+len(value))
	sealed = append(sealed, sealVersion)
	sealed = binary.BigEndian.AppendUint32(sealed, checksum(key, value))
	return append(sealed, value...)
}

// unseal returns a copy of the value in sealed.
func unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < sealBytes || sealed[0] != sealVersion || binary.BigEndian.Uint32(sealed[1:]) != checksum(key, sealed[sealBytes:]) {
		return nil, fmt.Errorf("%w: the value of %q is not what was written", ErrDamaged, key)
	}
	return append([]byte{}, sealed[sealBytes:]...), nil
}
