package main

import (
	"fmt"
	"image"
	"image/color"
)

// maxPixels keeps a typing error from asking for more memory than a job gets.
const maxPixels = 100_000_000

// picture is the whole picture and the tile of it to render.
type picture struct {
	width, height, iterations int
	tile, tiles               int
}

func (p picture) check() error {
	if p.width < 1 || p.height < 1 || p.width > maxPixels/p.height {
		return fmt.Errorf("a picture of %d by %d pixels cannot be rendered", p.width, p.height)
	}
	if p.iterations < 1 {
		return fmt.Errorf("%d iterations show nothing: give at least 1", p.iterations)
	}
	if p.tiles < 1 || p.tiles > p.height || p.tile < 0 || p.tile >= p.tiles {
		return fmt.Errorf("there is no tile %d of %d in %d rows: tiles count from 0", p.tile, p.tiles, p.height)
	}
	return nil
}

// rows returns the band of rows that is the tile.
func (p picture) rows() (from, to int) {
	return p.height * p.tile / p.tiles, p.height * (p.tile + 1) / p.tiles
}

// render computes the tile.
func (p picture) render() *image.Paletted {
	from, to := p.rows()
	tile := image.NewPaletted(image.Rect(0, 0, p.width, to-from), palette())
	// The real axis from -2.25 to 0.75 is seen; the scale is the same in both directions.
	scale := 3 / float64(p.width)
	for y := from; y < to; y++ {
		row := tile.Pix[(y-from)*tile.Stride:]
		im := float64(float64(2*y+1-p.height)/2) * scale
		for x := range p.width {
			re := float64(float64(2*x+1-p.width)/2)*scale - 0.75
			row[x] = shade(escape(re, im, p.iterations))
		}
	}
	return tile
}

// escape returns after how many iterations z*z + c leaves the circle of radius 2, or limitReached if it has not by then. The
// conversions forbid the compiler to fuse products and sums, which some machines would round differently.
func escape(re, im float64, limit int) int {
	var x, y float64
	for i := range limit {
		xx, yy := float64(x*x), float64(y*y)
		if xx+yy > 4 {
			return i
		}
		x, y = xx-yy+re, float64(2*x*y)+im
	}
	return limitReached
}

// limitReached is what escape returns for a point inside the set.
const limitReached = -1

// shade returns the palette index for a number of iterations; inside the set it is 0, which is black.
func shade(iterations int) uint8 {
	if iterations == limitReached {
		return 0
	}
	return uint8(1 + iterations*7%255) //nolint:gosec // 1 to 255
}

// palette runs from dark over blue and gold back to dark, in whole numbers so that it is the same everywhere.
func palette() color.Palette {
	colors := make(color.Palette, 256)
	colors[0] = color.RGBA{A: 255}
	const cube = 255 * 255 * 255
	for t := 1; t < 256; t++ {
		u := 255 - t
		red, green, blue := 9*u*t*t*t/cube, 15*u*u*t*t/cube, 17*u*u*u*t/(2*cube)
		colors[t] = color.RGBA{R: uint8(red), G: uint8(green), B: uint8(blue), A: 255} //nolint:gosec // at most 255
	}
	return colors
}
