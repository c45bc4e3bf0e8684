package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/plan"
)

// putting is how many names are written down at the same time: the broker's fsyncs serve many.
const putting = 16

// publishAll puts all files of a plan under their names. The jobs of the plan do not need that, they name the bytes; others can use them then.
func publishAll(ctx context.Context, c *client.Client, p plan.Plan, k known) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	places := make(chan struct{}, putting)
	var running sync.WaitGroup
	for _, l := range p.Data {
		places <- struct{}{} // it comes free: what runs ends with ctx
		running.Go(func() {
			defer func() { <-places }()
			if err := publish(ctx, c, l.Name, k.files[l.Path], k.blob(l)); err != nil {
				fail(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// publish puts a file, or a directory as a zip, under its name, unless the name stands for it already.
func publish(ctx context.Context, c *client.Client, name string, f *localFile, b client.Blob) error {
	if f.dir {
		var err error
		if b, err = putZipped(ctx, c, f.path); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	switch there, err := c.Data(ctx, name); {
	case err == nil && there.Blob.Digest == b.Digest && there.Zip == f.dir && len(there.Siblings) == 0:
		return nil
	case err != nil && !errors.Is(err, client.ErrNotFound):
		return err
	}
	_, err := c.PutData(ctx, name, b, f.dir)
	return err
}

// putZipped makes a directory known to the network as one blob.
func putZipped(ctx context.Context, c *client.Client, dir string) (b client.Blob, err error) {
	f, done, err := spooled(func(w io.Writer) error { return zipped(ctx, w, dir) })
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return c.Put(ctx, f)
}
