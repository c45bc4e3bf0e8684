package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Named data on the command line", Label("DATA-2"), Ordered, func() {
	var u person
	BeforeAll(func(ctx SpecContext) {
		u = somebody()
		u.network(ctx, 1)
		tmp := filepath.Join(u.dir, "tmp")
		Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
		Expect(os.Setenv("TMPDIR", tmp)).To(Succeed())
		DeferCleanup(os.Unsetenv, "TMPDIR")
		DeferCleanup(func() { Expect(os.ReadDir(tmp)).To(BeEmpty(), "nothing is left behind") })
	}, NodeTimeout(soon))

	ok := func(ctx SpecContext, args ...string) string {
		GinkgoHelper()
		a := u.runs(ctx, append([]string{"data"}, args...)...)
		Expect(a.stderr).To(BeEmpty())
		Expect(a.code).To(Equal(0))
		return a.stdout
	}
	here := func(name string) string { return filepath.Join(u.dir, name) }
	files := func(dir string) map[string]string {
		GinkgoHelper()
		found := map[string]string{}
		Expect(fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(filepath.Join(dir, path))
			found[path] = string(b)
			return err
		})).To(Succeed())
		return found
	}

	It("puts a file and gets it back, on standard output and as a file", func(ctx SpecContext) {
		Expect(ok(ctx, "put", "notes/one", u.file("note.txt", "remember"))).To(HavePrefix("notes/one has 9 B."))
		Expect(ok(ctx, "get", "notes/one")).To(Equal("remember\n"))
		ok(ctx, "get", "notes/one", here("copy.txt"))
		Expect(os.ReadFile(here("copy.txt"))).To(BeEquivalentTo("remember\n"))
		ok(ctx, "get", "notes/one", u.dir)
		Expect(os.ReadFile(here("one"))).To(BeEquivalentTo("remember\n"))
	}, SpecTimeout(soon))

	It("puts much more than travels with a name, and nothing at all", func(ctx SpecContext) {
		text := strings.Repeat("0123456789abcdef", 1<<16)
		Expect(ok(ctx, "put", "big", u.file("big", text))).To(ContainSubstring("1.0 MiB"))
		Expect(ok(ctx, "get", "big")).To(Equal(text + "\n"))
		Expect(os.WriteFile(here("empty"), nil, 0o600)).To(Succeed())
		ok(ctx, "put", "empty", here("empty"))
		Expect(ok(ctx, "get", "empty")).To(BeEmpty())
	}, SpecTimeout(soon))

	It("puts standard input", func(ctx SpecContext) {
		a := u.runsOn(ctx, "from a pipe", "data", "put", "piped", "-")
		Expect(a.stderr).To(BeEmpty())
		Expect(ok(ctx, "get", "piped", "-")).To(Equal("from a pipe"))
	}, SpecTimeout(soon))

	It("puts a directory and unpacks it into a new one, or an empty one", func(ctx SpecContext) {
		Expect(os.MkdirAll(here("tree/deep/er"), 0o700)).To(Succeed())
		u.file("tree/a", "A")
		u.file("tree/deep/er/b", "B")
		ok(ctx, "put", "tree", here("tree"))
		ok(ctx, "get", "tree", here("new")+"/")
		Expect(files(here("new"))).To(Equal(map[string]string{"a": "A\n", "deep/er/b": "B\n"}))
		Expect(os.Mkdir(here("bare"), 0o700)).To(Succeed())
		ok(ctx, "get", "tree", here("bare"))
		Expect(files(here("bare"))).To(HaveLen(2))

		again := u.runs(ctx, "data", "get", "tree", here("bare"))
		Expect(again.code).To(Equal(1))
		Expect(again.stderr).To(oneSentence("is not empty"))
	}, SpecTimeout(soon))

	It("gets everything below a name", func(ctx SpecContext) {
		ok(ctx, "put", "many/x", u.file("x", "X"))
		ok(ctx, "put", "many/sub/y", u.file("y", "Y"))
		ok(ctx, "get", "many/*", here("many")+"/")
		Expect(files(here("many"))).To(Equal(map[string]string{"x": "X\n", "sub/y": "Y\n"}))
		Expect(u.runs(ctx, "data", "get", "many/*").stderr).To(oneSentence("name a directory"))
		Expect(u.runs(ctx, "data", "get", "nothing/*", here("none")+"/").stderr).To(oneSentence("not found"))
	}, SpecTimeout(soon))

	It("refuses an archive that would leave its directory, and leaves nothing of it", func(ctx SpecContext) {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range []string{"fine", "../evil"} {
			w, err := z.Create(name)
			Expect(err).NotTo(HaveOccurred())
			_, err = w.Write([]byte("x"))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(z.Close()).To(Succeed())
		Expect(os.WriteFile(here("evil.zip"), b.Bytes(), 0o600)).To(Succeed())
		c, err := (&app{env: config.NewEnvironment(u.variables(), 1000), log: slog.New(slog.DiscardHandler)}).connect(ctx, "spec")
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		blob, err := c.PutFile(ctx, here("evil.zip"))
		Expect(err).NotTo(HaveOccurred())
		_, err = c.PutData(ctx, "evil", blob, true)
		Expect(err).NotTo(HaveOccurred())

		a := u.runs(ctx, "data", "get", "evil", here("victim")+"/")
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(oneSentence("../evil", "leads out of the directory"))
		Expect(here("victim")).NotTo(BeADirectory())
		Expect(here("evil")).NotTo(BeAnExistingFile())
	}, SpecTimeout(soon))

	It("says how to name a file to who has written -o before it", func(ctx SpecContext) {
		for _, flag := range []string{"-o", "--output"} {
			a := u.runs(ctx, "data", "get", "maps/north", flag, "north.png")
			Expect(a.code).To(Equal(2))
			Expect(a.stderr).To(oneSentence("the file comes behind the name: ucp data get maps/north north.png"))
		}
	}, SpecTimeout(soon))

	It("refuses to put a directory with links", func(ctx SpecContext) {
		Expect(os.Mkdir(here("linked"), 0o700)).To(Succeed())
		Expect(os.Symlink("/etc/passwd", here("linked/passwd"))).To(Succeed())
		a := u.runs(ctx, "data", "put", "linked", here("linked"))
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(oneSentence("passwd is a link"))
	}, SpecTimeout(soon))

	It("lists names by prefix, page by page, as text and JSON", func(ctx SpecContext) {
		ok(ctx, "put", "ls/a", u.file("a", "1"))
		ok(ctx, "put", "ls/b", here("tree"))
		ok(ctx, "put", "ls/c", u.file("c", "1"))
		text := ok(ctx, "ls", "ls/", "--limit", "2")
		Expect(text).To(And(HavePrefix("NAME "), ContainSubstring("ls/a"), ContainSubstring("directory"), Not(ContainSubstring("ls/c")), ContainSubstring("--after")))
		var list struct {
			Items []map[string]any
			Next  string
		}
		Expect(json.Unmarshal([]byte(ok(ctx, "ls", "ls/", "--after", "ls/a", "-o", "json")), &list)).To(Succeed())
		Expect(list.Items).To(HaveExactElements(
			And(HaveKeyWithValue("name", "ls/b"), HaveKeyWithValue("directory", true)),
			And(HaveKeyWithValue("name", "ls/c"), HaveKeyWithValue("bytes", 2.0), HaveKeyWithValue("siblings", BeEmpty())),
		))
		Expect(list.Next).To(BeEmpty())
	}, SpecTimeout(soon))

	It("tells all that is known of a name", func(ctx SpecContext) {
		var put, stat map[string]any
		Expect(json.Unmarshal([]byte(ok(ctx, "put", "told", u.file("told", "x"), "-o", "json")), &put)).To(Succeed())
		Expect(json.Unmarshal([]byte(ok(ctx, "stat", "told", "-o", "json")), &stat)).To(Succeed())
		Expect(stat).To(And(HaveKeyWithValue("id", put["id"]), HaveKeyWithValue("sha256", put["sha256"]), HaveKeyWithValue("at", MatchRegexp(`Z$`))))
		Expect(ok(ctx, "stat", "told")).To(And(ContainSubstring("sha256"), ContainSubstring(put["sha256"].(string)), ContainSubstring("2 bytes")))
		Expect(u.runs(ctx, "data", "stat", "unknown").stderr).To(oneSentence(`no data "unknown" is known here`))
	}, SpecTimeout(soon))

	It("removes names, and says which it cannot", func(ctx SpecContext) {
		ok(ctx, "put", "rm/a", u.file("a", "1"))
		ok(ctx, "put", "rm/b", u.file("b", "1"))
		a := u.runs(ctx, "data", "rm", "rm/a", "rm/none", "rm/b")
		Expect(a).To(Equal(answer{1, "rm/a is removed.\nrm/b is removed.\n", "ucp: remove data rm/none: no data \"rm/none\" is known here\n"}))
		Expect(u.runs(ctx, "data", "get", "rm/a").stderr).To(oneSentence("was removed"))
		Expect(ok(ctx, "ls", "rm/")).To(Equal("NAME  SIZE  FROM  AGE  NOTE\n"))
	}, SpecTimeout(soon))

	DescribeTable("is used wrongly with a sentence and exit code 2", func(ctx SpecContext, part string, args ...string) {
		a := u.runs(ctx, append([]string{"data"}, args...)...)
		Expect(a.code).To(Equal(2))
		Expect(a.stderr).To(oneSentence(part))
	},
		Entry("a name that climbs", ". or ..", "put", "../x", "file"),
		Entry("a name that is absolute", "begins without a /", "put", "/x", "file"),
		Entry("a name of 4 KiB", "at most 1024", "get", strings.Repeat("x", 4096), "file"),
		Entry("a name that climbs, to look at", ". or ..", "stat", "../x"),
		Entry("a name that climbs, to remove", ". or ..", "rm", "x", "../x"),
		Entry("nothing to put", "takes a name, and a file", "put", "x"),
		Entry("JSON where the data goes", "name a file", "get", "x", "-o", "json"),
		Entry("no page", "at least 1", "ls", "--limit", "0"),
		Entry("nothing to remove", "needs the names", "rm"),
	)
})

var _ = Describe("Named data with no network configured", Label("DATA-2"), func() {
	DescribeTable("needs one, and says how to get one", func(ctx SpecContext, args ...string) {
		u := somebody()
		a := u.runs(ctx, append([]string{"data"}, args...)...)
		Expect(a.code).To(Equal(3))
		Expect(a.stderr).To(oneSentence("needs a network", "ucp dev"))
	},
		Entry("put", "put", "x", "file"), Entry("get", "get", "x", "-"), Entry("ls", "ls"), Entry("stat", "stat", "x"), Entry("rm", "rm", "x"),
	)
})

var _ = Describe("A bar for what takes long", func() {
	It("appears after a second, on a terminal only, and goes again", func() {
		var screen bytes.Buffer
		p := &progress{what: "putting x", total: 100, to: &screen, began: time.Now()}
		p.move(10)
		Expect(screen.String()).To(BeEmpty())
		p.began = time.Now().Add(-2 * barPatience)
		p.move(40)
		Expect(screen.String()).To(And(ContainSubstring("putting x"), ContainSubstring("50%")))
		p.end()

		elsewhere := (&app{stderr: &screen, output: "text"}).progressOf("x", 100)
		elsewhere.began = time.Now().Add(-2 * barPatience)
		screen.Reset()
		elsewhere.move(50)
		Expect(screen.String()).To(BeEmpty())
	})
})
