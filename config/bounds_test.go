package config_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Reading a file is bounded", func() {
	deep := func(open, closing string, levels int) string {
		return strings.Repeat(open, levels) + strings.Repeat(closing, levels)
	}
	aliases := func() string { // a billion words in nine lines
		lines := []string{"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"}
		for level := '1'; level <= '8'; level++ {
			name, before := "a"+string(level), "*a"+string(level-1)
			lines = append(lines, name+": &"+name+" ["+before+strings.Repeat(", "+before, 9)+"]")
		}
		return saying(lines...)
	}

	DescribeTable("so it refuses", func(name, text, want string) {
		_, err := config.LoadNode(write(name, text), home(), nil)
		Expect(told(err)).To(Equal([]string{want}))
	},
		Entry("a file no person wrote", "node.yaml", strings.Repeat("# nothing\n", 200_000), "node.yaml: is larger than 1 MiB, which no configuration is"),
		Entry("aliases that unfold without end", "node.yaml", aliases(), "node.yaml:1: has over 100000 values"),
		Entry("an alias of itself", "node.yaml", "labels: &l\n  a: *l", "node.yaml:2: is nested over 32 levels"),
		Entry("brackets in brackets in YAML", "node.yaml", "roles: "+deep("[", "]", 40), "node.yaml:1: is nested over 32 levels"),
		Entry("brackets in brackets in TOML", "node.toml", "roles = "+deep("[", "]", 40), "node.toml:1: is nested over 32 levels"),
		Entry("brackets that would exhaust a parser's stack", "node.toml", "\nroles = "+strings.Repeat("[", 500_000), "node.toml:2: is nested over 32 levels"),
		Entry("keys in keys in TOML", "node.toml", strings.Repeat("a.", 500)+"a = 1", "node.toml:1: is nested over 32 levels"),
	)

	It("and it tells the first twenty mistakes", func() {
		_, err := config.LoadNode(write("node.yaml", unknownKeys(50)), home(), nil)
		Expect(strings.Split(err.Error(), "\n")).To(HaveLen(21))
		Expect(err).To(MatchError(HaveSuffix("\nand 30 more")))
	})
})

// unknownKeys returns a file of n keys that nobody knows.
func unknownKeys(n int) string {
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "key-of-nothing-%d: 1\n", i)
	}
	return file.String()
}
