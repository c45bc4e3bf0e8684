package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var (
	red  = color.RGBA{R: 255, A: 255}
	blue = color.RGBA{B: 255, A: 255}
)

// tile writes a PNG of one colour and returns its name.
func tile(width, height int, c color.Color) string {
	GinkgoHelper()
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{c})
	name := filepath.Join(GinkgoT().TempDir(), "tile.png")
	f, err := os.Create(name)
	Expect(err).NotTo(HaveOccurred())
	Expect(png.Encode(f, img)).To(Succeed())
	Expect(f.Close()).To(Succeed())
	return name
}

var _ = Describe("Mosaic", func() {
	It("stacks tiles in the order of its arguments", func() {
		var out bytes.Buffer
		Expect(run([]string{tile(3, 2, red), tile(3, 1, blue)}, &out, GinkgoWriter)).To(Succeed())
		picture, err := png.Decode(&out)
		Expect(err).NotTo(HaveOccurred())
		Expect(picture.Bounds()).To(Equal(image.Rect(0, 0, 3, 3)))
		for y, want := range []color.Color{red, red, blue} {
			for x := range 3 {
				Expect(picture.At(x, y)).To(Equal(want))
			}
		}
	})

	It("writes to a file", func() {
		name := filepath.Join(GinkgoT().TempDir(), "picture.png")
		var out bytes.Buffer
		Expect(run([]string{"-o", name, tile(3, 2, red)}, &out, GinkgoWriter)).To(Succeed())
		Expect(out.Len()).To(BeZero())
		Expect(read(name)).To(HaveField("Bounds()", image.Rect(0, 0, 3, 2)))
	})

	DescribeTable("refuses", func(sentence string, args func() []string) {
		Expect(run(args(), GinkgoWriter, GinkgoWriter)).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("to join nothing", "name the tiles", func() []string { return nil }),
		Entry("tiles of different widths", "tile 1 is 4 pixels wide and the first one 3",
			func() []string { return []string{tile(3, 1, red), tile(4, 1, red)} }),
		Entry("a tile that is not there", "nowhere.png", func() []string { return []string{"nowhere.png"} }),
		Entry("what is no picture", "main_test.go: png", func() []string { return []string{"main_test.go"} }),
	)
})
