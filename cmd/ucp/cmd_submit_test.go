package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/examples/modules"
	"github.com/urbancompute/ucp/examples/text"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// program writes a module that does the steps to a file of that name.
func (u person) program(name string, steps ...Step) {
	GinkgoHelper()
	Expect(os.WriteFile(filepath.Join(u.dir, name), Script(steps), 0o600)).To(Succeed())
}

// unzipped returns the files of a zip, by path.
func unzipped(data []byte) map[string]string {
	GinkgoHelper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	Expect(err).NotTo(HaveOccurred())
	found := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		Expect(err).NotTo(HaveOccurred())
		content, err := io.ReadAll(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Close()).To(Succeed())
		found[f.Name] = string(content)
	}
	return found
}

// endingWith matches an answer with that exit code, and shows all of any other.
func endingWith(code int) OmegaMatcher {
	return WithTransform(func(a answer) answer {
		if a.code == code {
			return answer{code: code}
		}
		return a
	}, Equal(answer{code: code}))
}

// zipAt returns the files of the zip of that name in the user's directory.
func (u person) zipAt(name string) map[string]string {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(u.dir, name))
	Expect(err).NotTo(HaveOccurred())
	return unzipped(data)
}

// ends are the states in which a submission left its jobs, by their names.
func ends(a answer) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(a.stdout)); lines.Scan(); {
		var c struct {
			Name, State string
			Over        bool
		}
		Expect(json.Unmarshal(lines.Bytes(), &c)).To(Succeed())
		if c.Over {
			found[c.Name] = c.State
		}
	}
	return found
}

var _ = Describe("ucp submit with no network configured", Label("PLAN-1"), func() {
	var u person
	BeforeEach(func() {
		u = somebody()
		tmp := filepath.Join(u.dir, "tmp")
		Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
		GinkgoT().Setenv("TMPDIR", tmp)
		DeferCleanup(func() {
			Expect(os.ReadDir(tmp)).To(BeEmpty(), "nothing is left behind")
		})
	})
	out := func(name string) string { return filepath.Join(u.dir, name) }

	It("runs a plan on a network of its own, and puts each job's results into the directory", func(ctx SpecContext) {
		u.program("hello.wasm", Print("hello\n"), Complain("well\n"))
		a := u.runs(ctx, "submit", u.file("p.yaml", `
named_data: {hello: hello.wasm, in: in.txt}
jobs:
  - {name: greet, metadata: {wasm_module: hello, data: {/in.txt: in}, results: [in.txt, /none.txt]}}
  - {name: many, count: 2, metadata: {wasm_module: hello}}
`), "--results", out("out"))
		Expect(a.code).To(Equal(2), "in.txt is not there yet")
		u.file("in.txt", "some input")
		a = u.runs(ctx, "submit", out("p.yaml"), "--results", out("out"))
		Expect(a.stderr).To(BeEmpty())
		Expect(a.code).To(Equal(0))
		Expect(a.stdout).To(And(MatchRegexp(`(?m)^greet  +accepted from here$`), HaveSuffix("3 jobs: 3 accepted; results are in "+out("out")+"\n")))
		Expect(u.zipAt("out/greet.zip")).To(Equal(map[string]string{"in.txt": "some input\n", "stdout": "hello\n", "stderr": "well\n"}))
		Expect(u.zipAt("out/many-1.zip")).To(HaveLen(2))
		Expect(os.ReadDir(out("out"))).To(HaveLen(3))
	}, SpecTimeout(soon))

	It("writes the same bytes for the same results", func(ctx SpecContext) {
		u.program("hello.wasm", Print("hello\n"))
		u.file("p.toml", "[[jobs]]\n[jobs.data]\nm = 'hello.wasm'\n[jobs.metadata]\nwasm_module = 'm'")
		for _, dir := range []string{"a", "b"} {
			Expect(u.runs(ctx, "submit", out("p.toml"), "--results", out(dir)).code).To(Equal(0))
		}
		first, err := os.ReadFile(out("a/job-1.zip"))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(out("b/job-1.zip"))).To(Equal(first))
	}, SpecTimeout(soon))

	It("ends with 1 when a step of a chain fails, and what follows fails, is skipped or runs, as the plan says", Label("JOB-10"), func(ctx SpecContext) {
		u.program("ok.wasm", Print("ok\n"))
		u.program("bad.wasm", Exit(3))
		plan := u.file("p.yaml", `
named_data: {ok: ok.wasm, bad: bad.wasm}
jobs:
  - {name: first, metadata: {wasm_module: ok}}
  - {name: check, after: [first], metadata: {wasm_module: bad}}
  - {name: next, after: [check], metadata: {wasm_module: ok}}
  - {name: skipped, after: [check], on_failure: skip, metadata: {wasm_module: ok}}
  - {name: anyway, after: [check], on_failure: run, metadata: {wasm_module: ok}}
`)
		a := u.runs(ctx, "submit", plan, "-o", "json")
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(BeEmpty())
		Expect(ends(a)).To(Equal(map[string]string{
			"first": "accepted", "check": "failed", "next": "failed", "skipped": "skipped", "anyway": "accepted",
		}))
		a = u.runs(ctx, "submit", plan)
		Expect(a.code).To(Equal(1))
		Expect(a.stdout).To(And(ContainSubstring("check    failed: its program ended with 3\n"), ContainSubstring("skipped  skipped: its predecessor check is failed\n"),
			ContainSubstring("5 jobs: 2 accepted, 2 failed, 1 skipped\n")))
	}, SpecTimeout(soon))

	It("says that a result is not there, and keeps the others", func(ctx SpecContext) {
		u.program("hello.wasm", Print("hello\n"))
		a := u.runs(ctx, "submit", u.file("p.yaml", "named_data: {m: hello.wasm}\njobs: [{metadata: {wasm_module: m, results: [none.txt]}}]"), "--results", out("out"), "-o", "json")
		Expect(a.code).To(Equal(0))
		Expect(a.stdout).To(ContainSubstring(`none.txt\": the job did not write it`))
		Expect(u.zipAt("out/job-1.zip")).To(Equal(map[string]string{"stdout": "hello\n"}))
	}, SpecTimeout(soon))

	It("ends with 124 when the time is up", func(ctx SpecContext) {
		u.program("endless.wasm", Forever())
		a := u.runs(ctx, "submit", u.file("p.yaml", "named_data: {m: endless.wasm}\njobs: [{metadata: {wasm_module: m}}]"), "--timeout", "2s")
		Expect(a.code).To(Equal(124))
		Expect(a.stderr).To(oneSentence("the time is up"))
	}, SpecTimeout(soon))

	It("gives a job all files of a directory", func(ctx SpecContext) {
		u.program("cat.wasm", OpenToRead(0, "in/b/c.txt"), Copy(At(FD(0))))
		Expect(os.MkdirAll(out("data/b"), 0o700)).To(Succeed())
		u.file("data/b/c.txt", "deep")
		a := u.runs(ctx, "submit", u.file("p.yaml", "named_data: {m: cat.wasm, tree: data}\njobs: [{metadata: {wasm_module: m, data: {/in: tree}}}]"), "--results", out("out"))
		Expect(a).To(endingWith(0))
		Expect(u.zipAt("out/job-1.zip")).To(Equal(map[string]string{"stdout": "deep\n"}))
	}, SpecTimeout(soon))

	DescribeTable("refuses a plan with problems, tells all of them with their places, and starts nothing",
		func(ctx SpecContext, plan string, says ...string) {
			u.program("m.wasm", Print("x"))
			Expect(os.Mkdir(out("dir"), 0o700)).To(Succeed())
			a := u.runs(ctx, "submit", u.file("p.toml", plan), "--wait")
			Expect(a.code).To(Equal(2))
			for _, s := range says {
				s = strings.ReplaceAll(s, "{p.toml}", out("p.toml"))
				Expect(a.stderr).To(ContainSubstring(out("p.toml") + ":" + s + "\n"))
			}
			Expect(a.stderr).To(HaveSuffix("and nothing was submitted\n"))
			Expect(strings.Count(a.stderr, "\n")).To(Equal(len(says) + 1))
			Expect(filepath.Join(u.dir, "cache")).NotTo(BeADirectory())
		},
		Entry("files that are not there", "[named_data]\nm = 'm.wasm'\nx = 'gone.txt'\n[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\n[jobs.data]\ny = 'gone/too.txt'",
			`3:1: "x" names the file gone.txt, which cannot be read: no such file or directory`,
			`8:1: "y" names the file gone/too.txt, which cannot be read: no such file or directory`),
		Entry("files that are not there, among other problems", "[named_data]\nm = 'm.wasm'\nx = 'gone.txt'\n[[jobs]]\nnam = 'a'\n[jobs.metadata]\nwasm_module = 'm'\n[jobs.data]\ny = 'gone/too.txt'",
			`3:1: "x" names the file gone.txt, which cannot be read: no such file or directory`,
			`5:1: unknown key "nam"; did you mean "name"?`,
			`9:1: "y" names the file gone/too.txt, which cannot be read: no such file or directory`),
		Entry("a module that is none", "[[jobs]]\n[jobs.metadata]\nwasm_module = 'p'\n[jobs.data]\np = 'p.toml'", `5:1: module {p.toml} cannot run: this is not a WebAssembly module: it starts with 5b 5b 6a 6f instead of 00 61 73 6d`),
		Entry("a directory as input", "[named_data]\nm = 'm.wasm'\nd = 'dir'\n[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\nstdin_file = 'd'",
			`3:1: "d" is the directory dir; a program can have a file as its standard input, no directory`),
		Entry("a result that escapes", "[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\nresults = ['../../etc']", `4:12: results "../../etc": it leads out of the job's directory`),
		Entry("two jobs that write one name", "[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\nnamed_results = {a = 'x'}\n[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\nnamed_results = {a = 'x'}",
			`8:18: two jobs write "x": job-2, and job-1 on line 1`),
	)

	It("says that there is no plan", func(ctx SpecContext) {
		a := u.runs(ctx, "submit", "nowhere.toml")
		Expect(a.code).To(Equal(2))
		Expect(a.stderr).To(oneSentence("nowhere.toml", "no such file"))
	}, SpecTimeout(soon))
})

var _ = Describe("The example plans", Label("real"), Label("PLAN-1", "JOB-10"), Ordered, func() {
	var (
		u   person
		dir string // with examples/plans and bin side by side, as in the repository
	)
	BeforeAll(func(ctx SpecContext) {
		u = somebody()
		dir = filepath.Join(u.dir, "repository")
		Expect(os.CopyFS(filepath.Join(dir, "examples", "plans"), os.DirFS("../../examples/plans"))).To(Succeed())
		Expect(os.CopyFS(filepath.Join(dir, "examples", "sensor"), os.DirFS("../../examples/sensor"))).To(Succeed())
		for _, name := range []string{"book", "wordcount", "mandelbrot", "mosaic", "sensor", "hello", "exitcode"} {
			_, err := modules.Build(ctx, name, filepath.Join(dir, "bin"))
			Expect(err).NotTo(HaveOccurred())
		}
	}, NodeTimeout(5*time.Minute))
	submit := func(ctx SpecContext, name string) answer {
		GinkgoHelper()
		return u.runs(ctx, "submit", filepath.Join(dir, "examples", "plans", name), "--results", filepath.Join(u.dir, name), "-o", "json")
	}

	It("count the words of a book right", func(ctx SpecContext) {
		a := submit(ctx, "wordcount.toml")
		Expect(a).To(endingWith(0))
		Expect(ends(a)).To(HaveLen(10))
		var book strings.Builder
		Expect(text.Write(&book, 1_000_000, 1)).To(Succeed())
		the := 0
		for word := range strings.FieldsSeq(strings.ToLower(book.String())) {
			if strings.Trim(word, ".,") == "the" {
				the++
			}
		}
		Expect(u.zipAt("wordcount.toml/reduce.zip")).To(HaveKeyWithValue("top.txt", HavePrefix(fmt.Sprintf("the %d\n", the))))
	}, SpecTimeout(2*time.Minute))

	It("render a picture in bands, the same as in one go", func(ctx SpecContext) {
		Expect(submit(ctx, "mandelbrot.toml")).To(endingWith(0))
		whole := u.runs(ctx, "run", filepath.Join(dir, "bin", "mandelbrot.wasm"), "-width", "600", "-height", "480")
		Expect(whole).To(endingWith(0))
		picture, err := png.Decode(strings.NewReader(u.zipAt("mandelbrot.toml/join.zip")["picture.png"]))
		Expect(err).NotTo(HaveOccurred())
		want, err := png.Decode(strings.NewReader(whole.stdout))
		Expect(err).NotTo(HaveOccurred())
		Expect(picture.Bounds()).To(Equal(want.Bounds()))
		for y := range want.Bounds().Dy() {
			for x := range want.Bounds().Dx() {
				r, g, b, _ := want.At(x, y).RGBA()
				if R, G, B, _ := picture.At(x, y).RGBA(); R != r || G != g || B != b {
					Fail(fmt.Sprintf("the pixel at %d, %d differs", x, y))
				}
			}
		}
	}, SpecTimeout(2*time.Minute))

	It("classify alarms", func(ctx SpecContext) {
		Expect(submit(ctx, "sensor.yaml")).To(endingWith(0))
		Expect(strings.Count(u.zipAt("sensor.yaml/urgent.zip")["urgent.txt"], "\n")).To(Equal(9))
		all := u.zipAt("sensor.yaml/classify.zip")
		Expect(strings.Count(all["classified/reports.txt"], "\n")).To(Equal(20))
		Expect(all["classified/summary.txt"]).To(HavePrefix("4 critical, 5 high"))
	}, SpecTimeout(2*time.Minute))

	It("show what becomes of those who wait for one that fails", func(ctx SpecContext) {
		a := submit(ctx, "chain.toml")
		Expect(a).To(endingWith(1))
		Expect(ends(a)).To(Equal(map[string]string{
			"prepare": "accepted", "check": "failed", "publish": "skipped", "announce": "failed", "clean-up": "accepted",
		}))
	}, SpecTimeout(2*time.Minute))

	It("run as REC has them", func(ctx SpecContext) {
		Expect(submit(ctx, "rec.toml")).To(endingWith(0))
		Expect(u.zipAt("rec.toml/job-1.zip")).To(And(HaveLen(2), HaveKey("output/classified.txt"), HaveKey("output/notes.txt")))
		Expect(u.zipAt("rec.toml/job-2.zip")["levels.txt"]).To(HavePrefix("03 13\n10 13\n"))
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("Plans on a network", Label("PLAN-1"), Ordered, func() {
	var u person
	BeforeAll(func(ctx SpecContext) {
		u = somebody()
		u.network(ctx, 2)
		u.program("hello.wasm", Print("hello\n"))
		u.program("bad.wasm", Print("half\n"), Exit(3))
	}, NodeTimeout(soon))
	out := func(name string) string { return filepath.Join(u.dir, name) }

	It("are left to it, and their results fetched by job or name by whoever comes later", func(ctx SpecContext) {
		a := u.runs(ctx, "submit", u.file("left.yaml", "named_data: {m: hello.wasm}\njobs: [{name: first, metadata: {wasm_module: m}}, {name: second, after: [first], metadata: {wasm_module: m}}]"))
		Expect(a.code).To(Equal(0))
		Expect(a.stdout).To(MatchRegexp(`^[0-9A-Z]{26}-\S+  first\n[0-9A-Z]{26}-\S+  second\n$`))
		id, _, _ := strings.Cut(a.stdout, " ")
		w := u.runs(ctx, "job", "wait", "second", id[:26])
		Expect(w.code).To(Equal(0))
		Expect(w.stdout).To(HaveSuffix("2 jobs: 2 accepted\n"))
		for i, name := range []string{id, id[:26], "first"} {
			to := fmt.Sprintf("r%d.zip", i)
			Expect(u.runs(ctx, "job", "result", name, "-o", out(to))).To(Equal(answer{0, "", ""}))
			Expect(u.zipAt(to)).To(Equal(map[string]string{"stdout": "hello\n"}))
		}
		r := u.runs(ctx, "job", "result", "second", "-o", "-")
		Expect(r).To(endingWith(0))
		Expect(r.stderr).To(BeEmpty())
		Expect(unzipped([]byte(r.stdout))).To(Equal(map[string]string{"stdout": "hello\n"}))
	}, SpecTimeout(soon))

	It("tells of a job that failed that it did, and brings what it left", func(ctx SpecContext) {
		Expect(u.runs(ctx, "submit", u.file("bad.yaml", "named_data: {bad: bad.wasm}\njobs: [{name: bad, metadata: {wasm_module: bad}}]"), "--wait").code).To(Equal(1))
		a := u.runs(ctx, "job", "result", "bad", "-o", out("bad.zip"))
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(oneSentence("is failed: its program ended with 3"))
		Expect(u.zipAt("bad.zip")).To(Equal(map[string]string{"stdout": "half\n"}))
		w := u.runs(ctx, "job", "wait", "bad")
		Expect(w).To(endingWith(1))
	}, SpecTimeout(soon))

	It("waits for a job that is not over for no longer than it may, and has no results of it", func(ctx SpecContext) {
		a := u.runs(ctx, "submit", u.file("late.yaml", "named_data: {m: hello.wasm}\njobs: [{name: late, labels: {location: moon}, metadata: {wasm_module: m}}]"))
		Expect(a.code).To(Equal(0))
		w := u.runs(ctx, "job", "wait", "late", "--timeout", "200ms")
		Expect(w.code).To(Equal(124))
		Expect(w.stderr).To(oneSentence("the time is up", "go on"))
		r := u.runs(ctx, "job", "result", "late", "-o", out("late.zip"))
		Expect(r.code).To(Equal(1))
		Expect(r.stderr).To(oneSentence("is queued and has no results yet", "ucp job wait"))
		Expect(out("late.zip")).NotTo(BeAnExistingFile())
		Expect(u.runs(ctx, "job", "cancel", strings.Fields(a.stdout)[0]).code).To(Equal(0))
	}, SpecTimeout(soon))

	It("says that a name is not one job's, or nobody's", func(ctx SpecContext) {
		for range 2 {
			Expect(u.runs(ctx, "submit", u.file("twin.yaml", "named_data: {m: hello.wasm}\njobs: [{name: twin, metadata: {wasm_module: m}}]")).code).To(Equal(0))
		}
		Expect(u.runs(ctx, "job", "wait", "twin").stderr).To(oneSentence(`2 jobs are called "twin"`))
		Expect(u.runs(ctx, "job", "wait", "nobody").stderr).To(oneSentence("nobody"))
		none := u.runs(ctx, "job", "result", "twin")
		Expect(none.code).To(Equal(2))
		Expect(none.stderr).To(oneSentence("-o FILE"))
	}, SpecTimeout(soon))

	It("use what their own jobs make, not what an earlier run left under the name", Label("JOB-10"), func(ctx SpecContext) {
		u.program("cat.wasm", Echo())
		plan := u.file("again.yaml", `
named_data: {say: say.wasm, cat: cat.wasm}
jobs:
  - {name: reader, metadata: {wasm_module: cat, stdin_file: again/said}}
  - {name: writer, metadata: {wasm_module: say, stdout_file: said, named_results: {said: again/said}}}
`)
		for _, word := range []string{"first", "second"} {
			u.program("say.wasm", Print(word))
			Expect(u.runs(ctx, "submit", plan, "--results", out("again"))).To(endingWith(0))
			Expect(u.zipAt("again/reader.zip")).To(Equal(map[string]string{"stdout": word}))
		}
	}, SpecTimeout(soon))

	It("use more small results of others than a deployment has room for", Label("JOB-10", "DATA-5"), func(ctx SpecContext) {
		const n = 80
		u.program("cat.wasm", Echo())
		var all strings.Builder
		steps := []Step{}
		Expect(os.MkdirAll(out("small"), 0o700)).To(Succeed())
		for i := range n {
			part := strings.Repeat(fmt.Sprintf("part %d ", i), 400)
			u.file(fmt.Sprintf("small/%d", i), part)
			all.WriteString(part + "\n")
			steps = append(steps, OpenToRead(int64(i), fmt.Sprintf("parts/%d", i)), Copy(At(FD(int64(i)))), Call("fd_close", At(FD(int64(i)))))
		}
		u.program("join.wasm", steps...)
		Expect(u.runs(ctx, "submit", u.file("many.yaml", fmt.Sprintf(`
named_data: {cat: cat.wasm, join: join.wasm}
jobs:
  - {name: part, count: %d, data: {"small/{index}": "small/{index}"}, metadata: {wasm_module: cat, stdin_file: "small/{index}", stdout_file: o, named_results: {o: "many/{index}"}}}
  - {name: join, metadata: {wasm_module: join, data: {parts: many/*}}}
`, n)), "--results", out("many"))).To(endingWith(0))
		Expect(u.zipAt("many/join.zip")["stdout"]).To(Equal(all.String()))
	}, SpecTimeout(soon))

	It("puts a plan's files under their names, once", func(ctx SpecContext) {
		u.file("note.txt", "a note")
		plan := u.file("named.yaml", "named_data: {notes/one: note.txt, m: hello.wasm}")
		Expect(u.runs(ctx, "submit", plan, "--wait")).To(endingWith(0))
		first := u.runs(ctx, "data", "stat", "notes/one", "-o", "json")
		Expect(first.code).To(Equal(0))
		Expect(u.runs(ctx, "submit", plan, "--wait")).To(endingWith(0))
		Expect(u.runs(ctx, "data", "stat", "notes/one", "-o", "json")).To(Equal(first))
	}, SpecTimeout(soon))
})
