// Mandelbrot renders one tile of a picture of the Mandelbrot set, as PNG or as raw bytes (one a pixel). The tiles are
// bands from top to bottom, so that an array of jobs can render them and package mosaic join them. The same flags give
// the same bytes on every machine.
//
//	ucp run mandelbrot.wasm > picture.png
//	ucp run mandelbrot.wasm -width 1200 -height 900 -tile 3 -tiles 12 > 3.png
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mandelbrot:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, usage io.Writer) error {
	var p picture
	flags := flag.NewFlagSet("mandelbrot", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&p.width, "width", 640, "width of the whole picture in pixels")
	flags.IntVar(&p.height, "height", 480, "height of the whole picture in pixels")
	flags.IntVar(&p.iterations, "iterations", 1000, "how long to look at a point before calling it inside")
	flags.IntVar(&p.tile, "tile", 0, "render the tile `I`, from 0 ...")
	flags.IntVar(&p.tiles, "tiles", 1, "... of `N` tiles")
	raw := flags.Bool("raw", false, "write a byte a pixel instead of PNG")
	file := flags.String("o", "", "write to the file `NAME` instead of the output")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if *file == "" {
		return write(stdout, p.render(), *raw)
	}
	return writeFile(*file, p.render(), *raw)
}

func writeFile(name string, tile *image.Paletted, raw bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f, tile, raw), f.Close())
}

func write(out io.Writer, tile *image.Paletted, raw bool) error {
	w := bufio.NewWriter(out)
	if raw {
		_, _ = w.Write(tile.Pix) // Flush tells
		return w.Flush()
	}
	return errors.Join(png.Encode(w, tile), w.Flush())
}
