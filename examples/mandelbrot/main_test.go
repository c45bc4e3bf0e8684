package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image/png"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// rendered runs the program.
func rendered(args ...string) []byte {
	GinkgoHelper()
	var out bytes.Buffer
	Expect(run(args, &out, GinkgoWriter)).To(Succeed())
	return out.Bytes()
}

var _ = Describe("Mandelbrot", func() {
	It("renders a picture", func() {
		picture, err := png.Decode(bytes.NewReader(rendered("-width", "60", "-height", "40")))
		Expect(err).NotTo(HaveOccurred())
		Expect(picture.Bounds().Size().String()).To(Equal("(60,40)"))
	})

	It("shows the set in black, upright and symmetrical", func() {
		pix := rendered("-width", "61", "-height", "41", "-raw")
		Expect(pix).To(HaveLen(61 * 41))
		Expect(pix[20*61+45]).To(BeZero(), "the origin is inside")
		Expect(pix[0]).NotTo(BeZero(), "the corner is outside")
		for y := range 20 {
			Expect(pix[y*61 : (y+1)*61]).To(Equal(pix[(40-y)*61 : (41-y)*61]))
		}
	})

	It("gives the same bytes on every machine", func() {
		pix := rendered("-width", "40", "-height", "30", "-iterations", "100", "-raw")
		Expect(fmt.Sprintf("%x", sha256.Sum256(pix))).
			To(Equal("3c7988d937330cc855cb83a38a4ae1cba5e41f4681bd95531ea909831ebd122d"))
	})

	It("renders tiles that are the picture when joined, however many", func() {
		whole := rendered("-width", "30", "-height", "20", "-raw")
		for _, tiles := range []int{1, 2, 3, 7, 20} {
			var joined []byte
			for i := range tiles {
				joined = append(joined, rendered("-width", "30", "-height", "20", "-raw",
					"-tile", fmt.Sprint(i), "-tiles", fmt.Sprint(tiles))...)
			}
			Expect(joined).To(Equal(whole), fmt.Sprint(tiles, " tiles"))
		}
	})

	It("writes to a file", func() {
		name := filepath.Join(GinkgoT().TempDir(), "tile.png")
		Expect(rendered("-width", "9", "-height", "6", "-o", name)).To(BeEmpty())
		Expect(os.ReadFile(name)).To(Equal(rendered("-width", "9", "-height", "6")))
	})

	DescribeTable("refuses", func(sentence string, args ...string) {
		Expect(run(args, GinkgoWriter, GinkgoWriter)).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("no picture", "0 by 480", "-width", "0"),
		Entry("a picture beyond all memory", "cannot be rendered", "-width", "1000000", "-height", "1000000"),
		Entry("no iterations", "at least 1", "-iterations", "0"),
		Entry("a tile that is not there", "no tile 4 of 4", "-tile", "4", "-tiles", "4"),
		Entry("more tiles than rows", "no tile 0 of 481", "-tiles", "481"),
		Entry("a file where none can be", "no such file", "-width", "1", "-height", "1", "-o", "no/such/dir/x.png"),
	)
})
