// Mosaic joins PNG tiles, from top to bottom in the order of its arguments, into one PNG. A directory stands for the files in it, in the order of
// their numbers.
//
//	ucp run --file /0=0.png --file /1=1.png mosaic.wasm /0 /1 > picture.png
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"os"

	"github.com/urbancompute/ucp/examples/parts"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mosaic:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, usage io.Writer) error {
	flags := flag.NewFlagSet("mosaic", flag.ContinueOnError)
	flags.SetOutput(usage)
	file := flags.String("o", "", "write to the file `NAME` instead of the output")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names, err := parts.Files(flags.Args())
	if err != nil {
		return err
	}
	tiles, err := readAll(names)
	if err != nil {
		return err
	}
	picture, err := join(tiles)
	if err != nil {
		return err
	}
	if *file == "" {
		return write(stdout, picture)
	}
	f, err := os.Create(*file)
	if err != nil {
		return err
	}
	return errors.Join(write(f, picture), f.Close())
}

func readAll(names []string) ([]image.Image, error) {
	tiles := make([]image.Image, 0, len(names))
	for _, name := range names {
		tile, err := read(name)
		if err != nil {
			return nil, err
		}
		tiles = append(tiles, tile)
	}
	return tiles, nil
}

func read(name string) (image.Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	tile, err := png.Decode(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return tile, nil
}

// join stacks tiles of one width.
func join(tiles []image.Image) (*image.RGBA, error) {
	if len(tiles) == 0 {
		return nil, errors.New("name the tiles, from top to bottom")
	}
	width, height := tiles[0].Bounds().Dx(), 0
	for i, tile := range tiles {
		if w := tile.Bounds().Dx(); w != width {
			return nil, fmt.Errorf("tile %d is %d pixels wide and the first one %d", i, w, width)
		}
		height += tile.Bounds().Dy()
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	top := 0
	for _, tile := range tiles {
		place := image.Rect(0, top, width, top+tile.Bounds().Dy())
		draw.Draw(picture, place, tile, tile.Bounds().Min, draw.Src)
		top = place.Max.Y
	}
	return picture, nil
}

func write(out io.Writer, picture image.Image) error {
	w := bufio.NewWriter(out)
	return errors.Join(png.Encode(w, picture), w.Flush())
}
