package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. It prints and parses as people write it: 256MiB, 1GB, 512.
type Size int64

// The binary units, in bytes.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// sizeUnits are the units a size may carry, by lower-case name; the binary ones are listed greatest first.
var sizeUnits = []struct {
	name  string
	bytes Size
}{
	{"TiB", TiB},
	{"GiB", GiB},
	{"MiB", MiB},
	{"KiB", KiB},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// ParseSize reads a size such as 256MiB, 1.5GiB, 1GB (1,000,000,000) or a plain number of bytes. It refuses negative
// sizes, fractions of a byte, and units that could mean two things (64M).
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	factor, err := sizeFactor(text, text[len(digits):])
	if err != nil {
		return 0, err
	}
	digits = strings.TrimSpace(digits)
	if whole, err := strconv.ParseInt(digits, 10, 64); err == nil && whole >= 0 && whole <= math.MaxInt64/int64(factor) {
		return Size(whole) * factor, nil
	}
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.ContainsAny(digits, "xX_+") {
		return 0, fmt.Errorf("must be a size such as 256MiB, not %q", text)
	}
	return wholeSize(text, number*float64(factor))
}

func sizeFactor(text, unit string) (Size, error) {
	if unit == "" {
		return 1, nil
	}
	for _, known := range sizeUnits {
		if strings.EqualFold(unit, known.name) {
			return known.bytes, nil
		}
	}
	for _, known := range sizeUnits[:4] {
		if strings.EqualFold(unit, known.name[:1]) {
			number := strings.TrimSpace(strings.TrimSuffix(text, unit))
			return 0, fmt.Errorf("must be a size such as %s%s, not %q", number, known.name, text)
		}
	}
	return 0, fmt.Errorf("must be a size in B, KiB, MiB, GiB, kB, MB or GB such as 256MiB, not %q", text)
}

func wholeSize(text string, bytes float64) (Size, error) {
	switch {
	case bytes < 0:
		return 0, fmt.Errorf("must not be negative, not %q", text)
	case bytes >= math.MaxInt64:
		return 0, fmt.Errorf("must be less than 8 EiB, not %q", text)
	case bytes != math.Trunc(bytes):
		return 0, fmt.Errorf("must be a whole number of bytes, not %q", text)
	}
	return Size(bytes), nil
}

// String returns the shortest exact form: 256MiB, 1GB or 1500B.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return "0B"
}
