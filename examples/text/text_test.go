package text_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/examples/text"
)

func written(size int64, seed uint64) []byte {
	GinkgoHelper()
	var b bytes.Buffer
	Expect(text.Write(&b, size, seed)).To(Succeed())
	return b.Bytes()
}

var _ = Describe("The text", func() {
	It("is the same for ever", func() {
		sum := sha256.Sum256(written(text.BookBytes, 1))
		Expect(hex.EncodeToString(sum[:])).To(Equal("c0c33f2f696cf2616b69904f9689370fb10bcea07c792d106087e1940c6cbf51"))
	})

	It("is another one for another seed", func() {
		Expect(written(1000, 2)).NotTo(Equal(written(1000, 1)))
	})

	DescribeTable("is as long as asked for, or a paragraph longer", func(size int) {
		Expect(len(written(int64(size), 1))).To(And(BeNumerically(">=", size), BeNumerically("<", size+2000)))
	},
		Entry("nothing", 0),
		Entry("a byte", 1),
		Entry("a page", 2000),
		Entry("a book", text.BookBytes),
	)

	It("reads like prose", func() {
		book := string(written(100_000, 1))
		Expect(book).To(HavePrefix("Chapter 1\n\n"))
		Expect(book).NotTo(MatchRegexp(`\ba [aeiou]`), "an orchard, an engine")
		sentence := regexp.MustCompile(`^[A-Z][a-z, ]+\.$`)
		for paragraph := range strings.SplitSeq(strings.TrimSpace(book), "\n\n") {
			if strings.HasPrefix(paragraph, "Chapter ") {
				continue
			}
			for s := range strings.SplitSeq(strings.ReplaceAll(paragraph, "\n", " "), ". ") {
				Expect(strings.TrimSuffix(s, ".") + ".").To(MatchRegexp(sentence.String()))
			}
		}
		for line := range strings.Lines(book) {
			Expect(len(line)).To(BeNumerically("<=", 81))
		}
	})

	It("says when it cannot be written", func() {
		full := errors.New("disk full")
		Expect(text.Write(failing{full}, 100_000, 1)).To(MatchError(full))
	})
})

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
