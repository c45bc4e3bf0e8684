package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// SetFree has a backend believe that its disk has so much left.
func SetFree(b Backend, free func() int64) {
	b.arrivals().budget.free = func() (int64, error) { return free(), nil }
}

// SetClock has a backend date what is left half-received.
func SetClock(b Backend, clock func() time.Time) { b.arrivals().partials.now = clock }

// HashInTwo brings data in pieces, hashes with cut, which may end meanwhile, and then puts the blob where it belongs.
func HashInTwo(ctx, cut context.Context, b Backend, data []byte) error {
	p, err := b.arrivals().createPartial(Sum(data), int64(len(data)))
	if err != nil {
		return err
	}
	r := bytes.NewReader(data)
	for _, i := range p.missing() {
		if _, err := p.receive(ctx, i, r); err != nil {
			return err
		}
	}
	if err := p.catchUp(cut); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("not cut: %w", err)
	}
	return p.publish(ctx)
}

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
