package main

import (
	"bytes"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/examples/text"
)

var _ = Describe("Book", func() {
	It("writes the text of that size and seed", func() {
		var out, want bytes.Buffer
		Expect(run([]string{"-bytes", "5000", "-seed", "7"}, &out, GinkgoWriter)).To(Succeed())
		Expect(text.Write(&want, 5000, 7)).To(Succeed())
		Expect(out.String()).To(Equal(want.String()))
	})

	It("writes a book when not told otherwise", func() {
		var out bytes.Buffer
		Expect(run(nil, &out, GinkgoWriter)).To(Succeed())
		Expect(out.Len()).To(BeNumerically(">=", text.BookBytes))
	})
})
