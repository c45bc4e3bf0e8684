package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/examples/text"
)

// counted runs the program.
func counted(in string, args ...string) string {
	GinkgoHelper()
	var out strings.Builder
	Expect(run(args, strings.NewReader(in), &out, GinkgoWriter)).To(Succeed())
	return out.String()
}

// file writes content to a file of its own.
func file(content string) string {
	GinkgoHelper()
	name := filepath.Join(GinkgoT().TempDir(), "file")
	Expect(os.WriteFile(name, []byte(content), 0o600)).To(Succeed())
	return name
}

var _ = Describe("Wordcount", func() {
	DescribeTable("counts", func(text, lines string) {
		Expect(counted(text)).To(Equal(lines))
	},
		Entry("nothing", "", ""),
		Entry("one word", "word", "word 1\n"),
		Entry("words in alphabetical order", "to be or not to be", "be 2\nnot 1\nor 1\nto 2\n"),
		Entry("whatever the case and the marks around them", "Rain, rain? (RAIN!)", "rain 3\n"),
		Entry("words with an apostrophe as one", "don't", "don't 1\n"),
		Entry("words of any script", "Ärger ärger 東京", "ärger 2\n東京 1\n"),
		Entry("bytes that are no text as gaps", "a\xff\xfea", "a 2\n"),
	)

	It("prints the most frequent first when asked for the top", func() {
		Expect(counted("b b a a c d d d", "-top", "3")).To(Equal("d 3\na 2\nb 2\n"))
		Expect(counted("b", "-top", "3")).To(Equal("b 1\n"))
	})

	It("reads several files as one text", func() {
		Expect(counted("", file("a b"), file("b"))).To(Equal("a 1\nb 2\n"))
	})

	It("adds up counts", func() {
		Expect(counted("", "-merge", file("a 1\nb 2\n"), file("b 40\nc 3\n"))).To(Equal("a 1\nb 42\nc 3\n"))
	})

	It("adds up all counts of a directory", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "0"), []byte("a 1\n"), 0o600)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "1"), []byte("a 2\n"), 0o600)).To(Succeed())
		Expect(counted("", "-merge", dir)).To(Equal("a 3\n"))
	})

	It("counts the parts of a text so that together they are the whole", func() {
		var book strings.Builder
		Expect(text.Write(&book, 100_000, 1)).To(Succeed())
		name := file(book.String())
		args := []string{"-merge"}
		for i := range 7 {
			args = append(args, file(counted("", "-part", fmt.Sprint(i), "-of", "7", name)))
		}
		Expect(counted("", args...)).To(Equal(counted(book.String())))
	})

	It("loses and doubles no word, wherever a text is cut", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			whole := rapid.StringOf(rapid.SampledFrom([]rune("ab \n'é"))).Draw(t, "text")
			n := rapid.Int64Range(1, 9).Draw(t, "parts")
			want, got := counts{}, counts{}
			_ = want.addText(strings.NewReader(whole))
			for i := range n {
				r, err := part(strings.NewReader(whole), int64(len(whole)), i, n)
				if err != nil {
					t.Fatal(err)
				}
				_ = got.addText(bufio.NewReader(r))
			}
			if fmt.Sprint(want.sorted(0)) != fmt.Sprint(got.sorted(0)) {
				t.Fatalf("the whole has %v, the parts %v", want.sorted(0), got.sorted(0))
			}
		})
	})

	DescribeTable("refuses", func(sentence string, args ...string) {
		err := run(args, strings.NewReader(""), GinkgoWriter, GinkgoWriter)
		Expect(err).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("a part that is not there", "no part 4 of 4", "-part", "4", "-of", "4", "book.txt"),
		Entry("parts of its input", "only a file", "-part", "1", "-of", "4"),
		Entry("a file that is not there", "nowhere.txt", "nowhere.txt"),
		Entry("a directory", "directory", "."),
	)

	It("names the line that is no count", func() {
		name := file("a 1\nb two\n")
		err := run([]string{"-merge", name}, nil, GinkgoWriter, GinkgoWriter)
		Expect(err).To(MatchError(And(ContainSubstring(name+":2"), ContainSubstring(`not "b two"`))))
	})
})
