package blob_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/blob"
)

// helloDigest is the SHA-256 of "hello", as sha256sum prints it.
const helloDigest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

var _ = Describe("A digest", Label("DATA-1"), func() {
	It("is the SHA-256 of the bytes, in hex", func() {
		Expect(blob.Sum([]byte("hello")).String()).To(Equal(helloDigest))
	})

	DescribeTable("is read from", func(text string) {
		Expect(blob.Parse(text)).To(Equal(blob.Sum([]byte("hello"))))
	},
		Entry("64 hex digits", helloDigest),
		Entry("the same with the name of the hash before them", "sha256:"+helloDigest),
		Entry("capitals", strings.ToUpper(helloDigest)),
	)

	DescribeTable("is not read from", func(text string) {
		_, err := blob.Parse(text)
		Expect(err).To(MatchError(blob.ErrBadDigest))
	},
		Entry("nothing", ""),
		Entry("63 digits", helloDigest[1:]),
		Entry("65 digits", helloDigest+"0"),
		Entry("a letter that is no digit", "z"+helloDigest[1:]),
		Entry("another hash", "sha512:"+helloDigest),
		Entry("a path", "../../../../etc/passwd"),
		Entry("two prefixes", "sha256:sha256:"+helloDigest),
	)

	It("says in one short line what was wrong with a long text", func() {
		_, err := blob.Parse(strings.Repeat("x", 1<<20))
		Expect(len(err.Error())).To(BeNumerically("<", 200))
	})

	It("survives being written and read", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			d := blob.Sum(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
			back, err := blob.Parse(d.String())
			if err != nil || back != d {
				t.Fatalf("%s became %s: %v", d, back, err)
			}
		})
	})
})
