package parts_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/examples/parts"
)

func TestParts(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The parts that examples join")
}

var _ = Describe("Parts", func() {
	It("are the files of a directory in the order of their numbers, and files as they are named", func() {
		dir := GinkgoT().TempDir()
		for _, name := range []string{"10.png", "2.png", "1", "readme"} {
			Expect(os.WriteFile(filepath.Join(dir, name), nil, 0o600)).To(Succeed())
		}
		Expect(os.Mkdir(filepath.Join(dir, "3"), 0o700)).To(Succeed())
		in := func(name string) string { return filepath.Join(dir, name) }
		Expect(parts.Files([]string{in("2.png"), dir})).To(Equal([]string{in("2.png"), in("readme"), in("1"), in("2.png"), in("10.png")}))
	})

	It("are not there when a file is not there", func() {
		_, err := parts.Files([]string{"nowhere"})
		Expect(err).To(MatchError(os.ErrNotExist))
	})
})
