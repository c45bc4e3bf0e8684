package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/urbancompute/ucp/client"
)

const tiles = 16

// canvas is the picture in the words of mandelbrot's flags.
var canvas = []string{"-width", "1200", "-height", "900", "-iterations", "1500"}

// paint renders the tiles as jobs of one client, all at once, and joins them in another job.
func (d *demo) paint(ctx context.Context) error {
	c, err := d.dial(ctx, brokers[0])
	if err != nil {
		return err
	}
	defer letGo(c)
	parts, err := d.renderTiles(ctx, c)
	if err != nil {
		return err
	}
	joined, err := d.join(ctx, c, parts)
	if err != nil {
		return err
	}
	if err := d.comparePicture(ctx, joined); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.picture), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(d.picture, joined, 0o600); err != nil {
		return err
	}
	d.say("the picture is in %s", d.picture)
	return nil
}

// renderTiles returns the tiles, from top to bottom.
func (d *demo) renderTiles(ctx context.Context, c *client.Client) ([][]byte, error) {
	began := time.Now()
	subs, err := d.submitTiles(ctx, c)
	if err != nil {
		return nil, err
	}
	d.say("%d jobs submitted through the client library within %s", tiles, took(time.Since(began)))
	parts, shares := make([][]byte, tiles), map[string]int{}
	for i, sub := range subs {
		var executor string
		if executor, parts[i], err = d.outputOf(ctx, c, tileName(i), sub); err != nil {
			return nil, err
		}
		shares[executor]++
	}
	d.say("all tiles are here after %s: %d of %s, %d of %s, %d of %s", took(time.Since(began)),
		shares[executors[0]], executors[0], shares[executors[1]], executors[1], shares[executors[2]], executors[2])
	return parts, nil
}

func tileName(i int) string { return fmt.Sprintf("tile %d", i) }

// submitTiles submits a job for each tile, all to one broker.
func (d *demo) submitTiles(ctx context.Context, c *client.Client) ([]*client.Submission, error) {
	module, err := d.put(ctx, c, "mandelbrot")
	if err != nil {
		return nil, err
	}
	subs := make([]*client.Submission, tiles)
	for i := range subs {
		subs[i], err = c.Submit(ctx, &client.Spec{
			Name: tileName(i), Module: module, Retention: kept, Limits: unhurried,
			Args:    append([]string{"mandelbrot.wasm", "-tile", fmt.Sprint(i), "-tiles", fmt.Sprint(tiles), "-o", "tile.png"}, canvas...),
			Outputs: []string{"tile.png"},
		})
		if err != nil {
			return nil, err
		}
		d.note(tileName(i), subs[i].ID())
	}
	return subs, nil
}

// outputOf waits for a job and returns who made its result, and the one file in it.
func (d *demo) outputOf(ctx context.Context, c *client.Client, name string, sub *client.Submission) (executor string, file []byte, err error) {
	executor, result, err := d.await(ctx, name, sub)
	if err != nil {
		return "", nil, err
	}
	if len(result.Outputs) != 1 {
		return "", nil, fmt.Errorf("job %q left %d files: %v", name, len(result.Outputs), result.Missing)
	}
	var content bytes.Buffer
	err = c.Get(ctx, result.Outputs[0].Blob, &content)
	return executor, content.Bytes(), err
}

// join gives all tiles to one more job and returns the picture.
func (d *demo) join(ctx context.Context, c *client.Client, parts [][]byte) ([]byte, error) {
	module, err := d.put(ctx, c, "mosaic")
	if err != nil {
		return nil, err
	}
	spec := &client.Spec{
		Name: "mosaic", Module: module, Args: []string{"mosaic.wasm", "-o", "picture.png"}, Outputs: []string{"picture.png"},
		Retention: kept, Limits: unhurried,
	}
	for i, part := range parts {
		name := fmt.Sprintf("%d.png", i)
		b, err := c.PutBytes(ctx, part)
		if err != nil {
			return nil, err
		}
		spec.Files, spec.Args = append(spec.Files, client.File{Path: name, Blob: b}), append(spec.Args, name)
	}
	sub, err := c.Submit(ctx, spec)
	if err != nil {
		return nil, err
	}
	d.note(spec.Name, sub.ID())
	_, picture, err := d.outputOf(ctx, c, spec.Name, sub)
	return picture, err
}

// comparePicture checks a picture against what the program renders without the network.
func (d *demo) comparePicture(ctx context.Context, joined []byte) error {
	got, err := png.Decode(bytes.NewReader(joined))
	if err != nil {
		return fmt.Errorf("the joined picture cannot be read: %w", err)
	}
	rendered, err := exec.CommandContext(ctx, d.native(), canvas...).Output()
	if err != nil {
		return fmt.Errorf("render without the network: %w", err)
	}
	want, err := png.Decode(bytes.NewReader(rendered))
	if err != nil {
		return fmt.Errorf("the picture rendered without the network cannot be read: %w", err)
	}
	if err := samePixels(got, want); err != nil {
		return err
	}
	d.say("joined to a PNG of %d × %d pixels and %d bytes, each pixel as rendered without the network", got.Bounds().Dx(), got.Bounds().Dy(), len(joined))
	return nil
}

// samePixels says where two pictures differ.
func samePixels(got, want image.Image) error {
	if got.Bounds() != want.Bounds() {
		return fmt.Errorf("the picture is %v, and %v when rendered without the network", got.Bounds(), want.Bounds())
	}
	for y := want.Bounds().Min.Y; y < want.Bounds().Max.Y; y++ {
		for x := want.Bounds().Min.X; x < want.Bounds().Max.X; x++ {
			r, g, b, a := got.At(x, y).RGBA()
			r2, g2, b2, a2 := want.At(x, y).RGBA()
			if r != r2 || g != g2 || b != b2 || a != a2 {
				return fmt.Errorf("pixel (%d,%d) is not as rendered without the network", x, y)
			}
		}
	}
	return nil
}
