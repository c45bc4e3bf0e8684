package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// namedOutput is what putting, listing and getting many small values took.
type namedOutput struct {
	Count       int     `json:"count"`
	Bytes       int     `json:"bytes"` // of each
	Concurrency int     `json:"concurrency"`
	Durability  int     `json:"durability"` // the least of any put
	Puts        float64 `json:"puts_per_second"`
	PutP50      millis  `json:"put_p50_ms"`
	PutP99      millis  `json:"put_p99_ms"`
	List        millis  `json:"list_ms"`
	Listed      int     `json:"listed"`
	Gets        float64 `json:"gets_per_second"`
	GetP50      millis  `json:"get_p50_ms"`
	GetP99      millis  `json:"get_p99_ms"`
}

const (
	namedBytes = 1 << 10
	namedUnder = "bench/"
)

// names puts values, lists them, and gets them again.
func (n *dataNetwork) names(ctx context.Context, count, concurrency int) (*namedOutput, error) {
	out := &namedOutput{Count: count, Bytes: namedBytes, Concurrency: concurrency, Durability: unknown}
	var mu sync.Mutex
	puts, err := timeEach(ctx, count, concurrency, func(ctx context.Context, i int) error {
		durability, err := n.putNamed(ctx, i)
		mu.Lock()
		defer mu.Unlock()
		out.Durability = min(out.Durability, durability)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Puts, out.PutP50, out.PutP99 = puts.rate(), percentile(puts.times, 50), percentile(puts.times, 99)
	began := time.Now()
	if out.Listed, err = n.listNamed(ctx); err != nil {
		return nil, err
	}
	out.List = millis(time.Since(began))
	gets, err := timeEach(ctx, count, concurrency, n.getNamed)
	if err != nil {
		return nil, err
	}
	out.Gets, out.GetP50, out.GetP99 = gets.rate(), percentile(gets.times, 50), percentile(gets.times, 99)
	return out, nil
}

func named(i int) string { return fmt.Sprintf("%s%03d/%07d", namedUnder, i%100, i) }

// valueOf is the i-th value: no two are alike.
func valueOf(i int) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(i)), namedBytes/8)
}

func (n *dataNetwork) putNamed(ctx context.Context, i int) (durability int, err error) {
	b, err := n.client.PutBytes(ctx, valueOf(i))
	if err != nil {
		return 0, err
	}
	put, err := n.client.PutData(ctx, named(i), b, false)
	return put.Durability, err
}

func (n *dataNetwork) getNamed(ctx context.Context, i int) error {
	d, err := n.client.Data(ctx, named(i))
	if err != nil {
		return err
	}
	var got bytes.Buffer
	if err := n.client.Get(ctx, d.Blob, &got); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), valueOf(i)) {
		return fmt.Errorf("%s is not what was put", named(i))
	}
	return nil
}

// listNamed counts what was put.
func (n *dataNetwork) listNamed(ctx context.Context) (count int, err error) {
	for after := ""; ; {
		list, next, err := n.client.ListData(ctx, namedUnder, 0, after)
		if err != nil {
			return count, err
		}
		if count += len(list); next == "" {
			return count, nil
		}
		after = next
	}
}

// timings are what many calls took.
type timings struct {
	took  time.Duration
	times []time.Duration // sorted
}

func (t timings) rate() float64 { return float64(len(t.times)) / t.took.Seconds() }

// timeEach calls do for 0 to count-1, some at a time, until one fails.
func timeEach(ctx context.Context, count, concurrency int, do func(context.Context, int) error) (timings, error) {
	t := timings{times: make([]time.Duration, count)}
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(concurrency)
	began := time.Now()
	for i := 0; i < count && ctx.Err() == nil; i++ {
		calls.Go(func() error {
			began := time.Now()
			err := do(ctx, i)
			t.times[i] = time.Since(began)
			return err
		})
	}
	err := calls.Wait()
	t.took = time.Since(began)
	slices.Sort(t.times)
	return t, err
}

func (n *namedOutput) rows() [][]string {
	return [][]string{
		{"named data", fmt.Sprintf("%d values of %d bytes, %d at a time, durability %d", n.Count, n.Bytes, n.Concurrency, n.Durability)},
		{"  puts", fmt.Sprintf("%.0f/s, p50 %s, p99 %s", n.Puts, brief(n.PutP50), brief(n.PutP99))},
		{"  listing", fmt.Sprintf("%d in %s", n.Listed, brief(n.List))},
		{"  gets", fmt.Sprintf("%.0f/s, p50 %s, p99 %s", n.Gets, brief(n.GetP50), brief(n.GetP99))},
	}
}
