package main

import (
	"bytes"
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestCommand(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The command soak")
}

var _ = DescribeTable("The command refuses", func(ctx SpecContext, args ...string) {
	var out, errs bytes.Buffer
	Expect(run(ctx, args, &out, &errs)).To(Equal(2))
	Expect(errs.String()).NotTo(BeEmpty())
	Expect(out.String()).To(BeEmpty())
},
	Entry("no time at all", "-minutes", "0"),
	Entry("a seed that is no number", "-seed", "x"),
	Entry("what is no flag", "10"),
)

var _ = It("exits 1 when there is no soak, and says which seed it was", func() {
	GinkgoT().Setenv("TMPDIR", GinkgoT().TempDir()) // what there is of a soak that could not be done is kept
	ended, end := context.WithCancel(context.Background())
	end()
	var out, errs bytes.Buffer
	Expect(run(ended, []string{"-seed", "7"}, &out, &errs)).To(Equal(1))
	Expect(errs.String()).To(ContainSubstring("soak: seed 7: "))
})
