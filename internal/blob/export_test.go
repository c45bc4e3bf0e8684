package blob

import (
	"context"
	"time"
)

// SetFree has a backend believe that its disk has so much left.
func SetFree(b Backend, free func() int64) {
	b.arrivals().budget.free = func() (int64, error) { return free(), nil }
}

// SetClock has a backend date what is left half-received.
func SetClock(b Backend, clock func() time.Time) { b.arrivals().partials.now = clock }

// What reads bytes from outside, for fuzzing.
var (
	ParsePart   = parsePart
	ParseRange  = parseRange
	ReadSources = readSources
	ReadDigests = readDigests
	ReadAnswers = readAnswers
	ReadFooter  = readFooter
	IsNode      = isNode
	Each        = func(ctx context.Context, n int, work func(int) error) error {
		return each(ctx, n, func(_ context.Context, i int) error { return work(i) })
	}
)
