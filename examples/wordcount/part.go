package main

import (
	"errors"
	"io"
)

// part returns part i of n of a text of size bytes. Parts end where a line or a blank does, so that every word is in
// exactly one of them; a part can be empty.
func part(text io.ReaderAt, size, i, n int64) (io.Reader, error) {
	from, err := nextBlank(text, size/n*i, i == 0)
	if err != nil {
		return nil, err
	}
	to, err := nextBlank(text, size/n*(i+1), false)
	if i == n-1 {
		to, err = size, nil
	}
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(text, from, max(0, to-from)), nil
}

// nextBlank returns the offset of the first blank or line end at or after offset, or of the end of the text.
func nextBlank(text io.ReaderAt, offset int64, atStart bool) (int64, error) {
	if atStart {
		return 0, nil
	}
	buf := make([]byte, 256)
	for {
		n, err := text.ReadAt(buf, offset)
		for i, b := range buf[:n] {
			if b == ' ' || b == '\n' {
				return offset + int64(i), nil
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return offset, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
