package plan_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/plan"
)

// read parses a plan of testdata, which has no problems.
func read(name string) plan.Plan {
	GinkgoHelper()
	text, err := os.ReadFile("testdata/" + name)
	Expect(err).NotTo(HaveOccurred())
	return parsed(name, string(text))
}

func parsed(name, text string) plan.Plan {
	GinkgoHelper()
	p, problems := plan.Parse(name, []byte(text))
	Expect(problems).To(BeEmpty())
	return p
}

// complaints are all problems of a plan, one a line.
func complaints(name, text string) []string {
	GinkgoHelper()
	_, problems := plan.Parse(name, []byte(text))
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

// names lists jobs, each with those it waits for.
func names(p plan.Plan) []string {
	var list []string
	for _, j := range p.Jobs {
		line := j.Name
		for _, k := range j.After {
			line += " " + p.Jobs[k].Name
		}
		list = append(list, line)
	}
	return list
}

var _ = Describe("A plan", Label("PLAN-1"), func() {
	It("written for REC is read as it is", func() {
		p := read("rec.toml")
		Expect(names(p)).To(Equal([]string{"job-1", "job-2 job-1"}))
		first, second := p.Jobs[0], p.Jobs[1]
		Expect(first.Spec).To(Equal(job.Spec{
			Name: "job-1", Args: []string{"counter", "-all"}, Env: []string{"AREA=north", "LANG=C"}, Outputs: []string{"found"},
			Needs: job.Needs{Cores: 2, CPU: 150, Free: 1 << 20, Disk: 2 << 20},
			Dirs:  []string{"found", "scratch"}, StdoutFile: "found/said.txt", StderrFile: "found/complained.txt", Receiver: "desk",
			Results: []job.NamedResult{{Path: "found", Name: "counted"}, {Path: "found/top.txt", Name: "top_words"}},
		}))
		Expect(first.Module.Path).To(Equal("bin/counter.wasm"))
		Expect(first.Stdin.Path).To(Equal("texts/letters.txt"))
		Expect(first.Files).To(HaveExactElements(And(HaveField("Path", "in/stops.txt"), HaveField("Local.Path", "../stops.txt"))))
		Expect(second.Module.Path).To(Equal("bin/teller.wasm"))
		Expect(second.Stdin).To(BeNil())
		Expect(second.Spec.Data).To(Equal([]job.DataInput{{Name: "top_words", As: job.AsStdin}}))
		Expect(p.Data).To(HaveExactElements(
			HaveField("Name", "counter"), HaveField("Name", "letters"), HaveField("Name", "stops"), HaveField("Name", "teller")))
		Expect(p.Data[2].At).To(Equal(plan.Position{Line: 36, Column: 1}))
	})

	It("says what is ours beside what REC has", func() {
		p := read("all.toml")
		Expect(names(p)).To(Equal([]string{"map-0", "map-1", "map-2", "reduce map-0 map-1 map-2", "tell reduce"}))
		Expect(p.Jobs[1].Spec).To(Equal(job.Spec{
			Name: "map-1", Args: []string{"program", "1", "of", "3"}, Env: []string{"PART=1"}, Needs: job.Needs{Labels: map[string]string{"location": "north"}},
			Limits: job.Limits{Timeout: 30 * time.Second}, Priority: 50, Emergency: "fire", Retries: 2, Deadline: 7 * 24 * time.Hour, Quorum: 2,
			Speculate: true, StdoutFile: "part", Results: []job.NamedResult{{Path: "part", Name: "parts/1"}},
		}))
		Expect(p.Jobs[1]).To(And(HaveField("Base", "map"), HaveField("Index", 1), HaveField("Count", 3)))
		Expect(p.Jobs[3].OnFailure).To(Equal(job.SkipJob))
		Expect(p.Jobs[4].OnFailure).To(Equal(job.RunAnyway))
	})

	It("means the same in TOML, YAML and JSON", func() {
		want := read("all.toml")
		for _, name := range []string{"all.yaml", "all.json"} {
			got := read(name)
			for _, p := range []*plan.Plan{&want, &got} { // but for the places
				for i := range p.Jobs {
					p.Jobs[i].At = plan.Position{}
				}
				for _, l := range p.Data {
					l.At = plan.Position{}
				}
			}
			Expect(got).To(Equal(want), name)
		}
	})

	It("takes x/* for what it has below x/, file by file, and only then for what the network has", func() {
		p := read("all.toml")
		Expect(p.Jobs[3].Spec.Data).To(Equal([]job.DataInput{
			{Name: "parts/0", Path: "in/0", OnFailure: job.SkipJob},
			{Name: "parts/1", Path: "in/1", OnFailure: job.SkipJob},
			{Name: "parts/2", Path: "in/2", OnFailure: job.SkipJob},
		}))
		p = parsed("p.yaml", "named_data: {m: m.wasm, x/a: a, x/b/c: c}\njobs: [{metadata: {wasm_module: m, data: {in: x/*, out: y/*}}}]")
		Expect(p.Jobs[0].Files).To(HaveExactElements(HaveField("Path", "in/a"), HaveField("Path", "in/b/c")))
		Expect(p.Jobs[0].Spec.Data).To(Equal([]job.DataInput{{Name: "y/*", Path: "out"}}))
	})

	It("takes the whole of x/* from the network when a job makes names below x/ that are not known before", func() {
		p := parsed("p.yaml", `
named_data: {m: m.wasm, x/a: a}
jobs:
  - {name: sum, metadata: {wasm_module: m, data: {in: x/*}}}
  - {name: cut, metadata: {wasm_module: m, named_results: {out/*: x/*}}}
`)
		Expect(names(p)).To(Equal([]string{"cut", "sum cut"}))
		Expect(p.Jobs[1].Files).To(BeEmpty())
		Expect(p.Jobs[1].Spec.Data).To(Equal([]job.DataInput{{Name: "x/*", Path: "in"}}))
	})

	It("leads each job of an array to what the job of its index makes", func() {
		p := parsed("p.yaml", `
named_data: {m: m.wasm}
jobs:
  - {name: b, count: 2, metadata: {wasm_module: m, stdin_file: "x/{index}"}}
  - {name: a, count: 2, metadata: {wasm_module: m, named_results: {out: "x/{index}"}}}
`)
		Expect(names(p)).To(Equal([]string{"a-0", "b-0 a-0", "a-1", "b-1 a-1"}))
	})

	It("gives each job of an array its own file", func() {
		p := parsed("p.yaml", "named_data: {m: m.wasm}\njobs: [{name: 'n{index}', count: 2, data: {'in/{index}': '{index}.txt'}, metadata: {wasm_module: m, stdin_file: 'in/{index}'}}]")
		Expect(p.Jobs).To(HaveExactElements(And(HaveField("Name", "n0"), HaveField("Stdin.Path", "0.txt")), HaveField("Stdin.Path", "1.txt")))
	})

	It("runs a module that another job makes", func() {
		p := parsed("p.yaml", "named_data: {c: c.wasm}\njobs: [{metadata: {wasm_module: c, named_results: {a.wasm: made}}}, {metadata: {wasm_module: made}}]")
		Expect(p.Jobs[1].Module).To(BeNil())
		Expect(p.Jobs[1].Spec.Data).To(Equal([]job.DataInput{{Name: "made", As: job.AsModule}}))
	})

	It("comes after a job of another plan by its id", func() {
		id := "01KB20HSCB8WR56W2SHGDQ0BAR-NODE"
		p := parsed("p.yaml", "jobs: [{after: ["+id+"], on_failure: run, metadata: {wasm_module: m}}]")
		Expect(p.Jobs[0].Spec.After).To(Equal([]job.Dependency{{Job: job.ID(id), OnFailure: job.RunAnyway}}))
	})

	It("leaves braces alone where nothing is counted", func() {
		p := parsed("p.yaml", `jobs: [{metadata: {wasm_module: m, argv: ["{index} {count}"]}}]`)
		Expect(p.Jobs[0].Spec.Args).To(Equal([]string{"{index} {count}"}))
	})

	DescribeTable("keeps paths inside the job's directory, with or without a slash before them", func(given, want string) {
		p := parsed("p.yaml", fmt.Sprintf("jobs: [{metadata: {wasm_module: m, results: [%q]}}]", given))
		Expect(p.Jobs[0].Spec.Outputs).To(Equal([]string{want}))
	},
		Entry(nil, "/out.txt", "out.txt"),
		Entry(nil, "out/", "out"),
		Entry(nil, "//a/./b/../c", "a/c"),
	)
})

// job1 is a plan of one job in which the metadata end in a line.
func job1(line string) string { return "[[jobs]]\n[jobs.metadata]\nwasm_module = 'm'\n" + line }

var _ = Describe("A plan with problems", Label("PLAN-1"), func() {
	DescribeTable("is refused with all of them, each with its place",
		func(name, text string, want ...string) {
			got := complaints(name, text)
			Expect(got).To(HaveExactElements(want))
		},
		Entry("an unknown key", "p.toml", job1("stdinfile = 'x'"), `p.toml:4:1: unknown key "stdinfile"; did you mean "stdin_file"?`),
		Entry("a key in the wrong place", "p.toml", "[[jobs]]\nargv = ['a']\n[jobs.metadata]\nwasm_module = 'm'\n  count = 3",
			`p.toml:2:1: key "argv" belongs in [jobs.metadata]`, `p.toml:5:3: key "count" belongs in [[jobs]]`),
		Entry("a section that is none", "p.toml", "[job]\n", `p.toml:1:2: unknown key "job"; did you mean "jobs"?`),
		Entry("nothing", "p.toml", "# later\n", "p.toml:1:1: the plan is empty: give it at least one of [[jobs]] and [named_data]"),
		Entry("no module", "p.toml", "[[jobs]]\nname = 'x'\n[[jobs]]\n[jobs.metadata]\nargv = []",
			"p.toml:1:3: the job has no [jobs.metadata] that names its wasm_module", "p.toml:4:7: wasm_module has to name the module to run"),
		Entry("values of the wrong kind", "p.yaml", `jobs:
  - name: 7
    priority: 101
    timeout: 5
    speculate: maybe
    labels: [a]
    metadata:
      wasm_module: m
      argv: x
      env: {A: 1}
      results: [1]
      capabilities: {cpu_cores: -1}
`, `p.yaml:2:11: name wants a text in quotes, not 7`,
			`p.yaml:3:15: priority wants a whole number from 0 up to 100, not 101`,
			`p.yaml:4:14: timeout wants a duration with its unit, such as "30s", "1h30m" or "7d", not 5`,
			`p.yaml:5:16: speculate wants true or false, not "maybe"`,
			`p.yaml:6:13: labels wants a section of labels and values, not a list`,
			`p.yaml:9:13: argv wants a list of texts, not "x"`,
			`p.yaml:10:16: env.A wants a text in quotes, not 1`,
			`p.yaml:11:17: results wants only texts in quotes, not 1`,
			`p.yaml:12:33: cpu_cores wants a whole number from 0 up to 65536, not -1`),
		Entry("a policy that is none", "p.yaml", "jobs: [{on_failure: retry, metadata: {wasm_module: m}}]", `p.yaml:1:21: on_failure wants fail, skip or run, not "retry"`),
		Entry("paths that escape", "p.toml", job1("results = ['../up', '/a/../../b', '/']\nstdout_file = '..'"),
			`p.toml:4:12: results "../up": it leads out of the job's directory`,
			`p.toml:4:21: results "/a/../../b": it leads out of the job's directory`,
			`p.toml:4:35: results "/": name a file or directory in the job's directory, such as /in/data.txt`,
			`p.toml:5:15: stdout_file "..": it leads out of the job's directory`),
		Entry("names that escape", "p.toml", "[named_data]\n'../up' = 'a'\n"+job1("stdin_file = '/etc/passwd'"),
			`p.toml:2:1: named_data: data name "../up": no part of it may be . or ..`,
			`p.toml:6:14: stdin_file: data name "/etc/passwd": it begins without a /, such as maps/north`),
		Entry("two jobs that write one name", "p.toml",
			job1("named_results = {a = 'x'}\n")+job1("[jobs.metadata.named_results]\n'b' = 'x'"),
			`p.toml:9:1: two jobs write "x": job-2, and job-1 on line 1`),
		Entry("an array that writes one name", "p.yaml", "jobs: [{name: a, count: 3, metadata: {wasm_module: m, named_results: {out: x}}}]",
			`p.yaml:1:71: all 3 jobs of a would write "x": put {index} into the name`),
		Entry("a job that writes one name twice", "p.yaml", "jobs: [{metadata: {wasm_module: m, named_results: {a: x, b: x}}}]",
			`p.yaml:1:58: named_results has the name "x" twice`),
		Entry("a name that is a file and made", "p.yaml", "named_data: {x: x.txt}\njobs: [{metadata: {wasm_module: m, named_results: {a: x}}}]",
			`p.yaml:2:52: "x" is made here and is the file x.txt on line 1: one name is one thing`),
		Entry("a name of two files", "p.yaml", "named_data: {x: x.txt}\njobs: [{data: {x: y.txt}, metadata: {wasm_module: x}}]",
			`p.yaml:2:16: "x" is y.txt here and x.txt on line 1: one name is one file`),
		Entry("two jobs of one name", "p.yaml", "jobs: [{name: a, metadata: {wasm_module: m}}, {name: a, metadata: {wasm_module: m}}]",
			`p.yaml:1:54: job name "a" is taken by the job on line 1`),
		Entry("a job that is called as one of an array", "p.yaml", "jobs: [{name: a, count: 2, metadata: {wasm_module: m}}, {name: a-1, metadata: {wasm_module: m}}]",
			`p.yaml:1:64: a job called "a-1" is already made by the job on line 1`),
		Entry("a name that no file can have", "p.yaml", "jobs: [{name: a/b, metadata: {wasm_module: m}}]", `p.yaml:1:15: job name "a/b": /, \ and : are not allowed in it`),
		Entry("a circle of after", "p.yaml", `jobs:
  - {name: a, after: [c], metadata: {wasm_module: m}}
  - {name: b, after: [a], metadata: {wasm_module: m}}
  - {name: c, after: [b], metadata: {wasm_module: m}}
`, `p.yaml:2:5: the jobs wait for each other in a circle: a waits for c (after), c waits for b (after), b waits for a (after)`),
		Entry("a circle of names, and one of itself", "p.yaml", `jobs:
  - {name: a, count: 2, metadata: {wasm_module: m, stdin_file: y, named_results: {o: "x/{index}"}}}
  - {name: b, metadata: {wasm_module: m, data: {in: x/*}, named_results: {o: y}}}
  - {name: c, after: [c], metadata: {wasm_module: m}}
`, `p.yaml:2:5: the jobs wait for each other in a circle: a waits for b (its "y"), b waits for a (its "x/0")`,
			`p.yaml:2:5: the jobs wait for each other in a circle: a waits for b (its "y"), b waits for a (its "x/1")`,
			`p.yaml:4:5: the jobs wait for each other in a circle: c waits for c (after)`),
		Entry("a predecessor that is not there", "p.yaml", "jobs: [{name: first, metadata: {wasm_module: m}}, {after: [frist], metadata: {wasm_module: m}}]",
			`p.yaml:1:60: after: unknown job "frist"; did you mean "first"? (a job that is not of this plan is named by its whole id)`),
		Entry("an index beyond the last", "p.yaml", "jobs: [{name: a, count: 4, metadata: {wasm_module: m, named_results: {o: 'x/{index}'}}}, {metadata: {wasm_module: m, stdin_file: x/4}}]",
			`p.yaml:1:130: "x/4" is not made: the last of a is x/3, since indexes begin at 0`),
		Entry("an index of nothing counted", "p.yaml", "jobs: [{metadata: {wasm_module: m, stdin_file: 'x/{index}'}}]",
			`p.yaml:1:48: stdin_file "x/{index}": {index} and {count} need a count beside [jobs.metadata]`),
		Entry("no count", "p.yaml", "jobs: [{count: 0, metadata: {wasm_module: m}}]", `p.yaml:1:16: count wants at least 1`),
		Entry("a count without end", "p.yaml", "jobs: [{count: 1000000000, metadata: {wasm_module: m}}]",
			`p.yaml:1:16: count wants a whole number from 0 up to 10000, not 1000000000`),
		Entry("too many jobs", "p.yaml", "jobs: [{count: 10000, metadata: {wasm_module: m}}, {name: b, metadata: {wasm_module: m}}]",
			`p.yaml:1:52: with b the plan unfolds into over 10000 jobs, or 32 MiB of texts; split it`),
		Entry("a job that waits for too many", "p.yaml", "jobs: [{name: a, count: 300, metadata: {wasm_module: m}}, {name: b, after: [a], metadata: {wasm_module: m}}]",
			`p.yaml:1:77: b waits for over 256 jobs; let jobs between them gather the results of some each`),
		Entry("a star on one side only", "p.yaml", "jobs: [{metadata: {wasm_module: m, named_results: {out/*: x}}}]",
			`p.yaml:1:52: named_results "out/*" = "x": either both end in /*, for every file of a directory, or none`),
		Entry("two inputs at one place", "p.yaml", "jobs: [{metadata: {wasm_module: m, data: {/a: x, a: y}}}]", `p.yaml:1:50: data puts two things at "a"`),
		Entry("no TOML", "p.toml", "[[jobs]\n", `p.toml:1:8: is not TOML: expected character ]`),
		Entry("a key twice in TOML", "p.toml", "[named_data]\na = 'b'\n a = 'c'\n", `p.toml:3:2: is not TOML: key a is already defined`),
		Entry("no YAML", "p.yaml", "jobs: [\n", `p.yaml:1:1: is not YAML: did not find expected node content`),
		Entry("a key twice in YAML", "p.yml", "jobs: []\njobs: []", `p.yml:2:1: key "jobs" is already given on line 1`),
		Entry("no JSON", "p.json", "{\"jobs\": [}", `p.json:1:11: is not JSON: invalid character '}' looking for beginning of value`),
		Entry("half a JSON", "p.json", "{\"jobs\": [\n", `p.json:1:1: is not JSON: it ends before its last bracket`),
		Entry("more than JSON", "p.json", "{\"named_data\": {}}\n{}", `p.json:2:1: is not JSON: there is more after its end`),
		Entry("a key twice in JSON", "p.json", `{"jobs": [], "jobs": []}`, `p.json:1:14: key "jobs" is already given on line 1`),
		Entry("no ending", "plan", "", "plan:1:1: has no ending that says what it is: name it .toml, .yaml or .json"),
		Entry("no text", "p.toml", "# \n\xff", "p.toml:2:1: is not UTF-8"),
		Entry("an endless depth", "p.toml", "a = "+strings.Repeat("[", 1000), "p.toml:1:261: is nested over 32 levels, which no plan is"),
	)

	It("is not read when it is larger than any plan", func() {
		Expect(complaints("p.toml", strings.Repeat("#", 1<<20+1))).To(HaveExactElements("p.toml:1:1: is larger than 1 MiB, which no plan is"))
	})

	It("tells no more problems than anybody reads", func() {
		Expect(complaints("p.toml", strings.Repeat("[[jobs]]\n", 3000))).To(HaveLen(1000))
	})
})

func FuzzParse(f *testing.F) {
	for _, name := range []string{"rec.toml", "all.toml", "all.yaml", "all.json"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name[strings.IndexByte(name, '.'):], text)
	}
	f.Fuzz(func(t *testing.T, ending string, text []byte) {
		p, problems := plan.Parse("p"+ending, text)
		for _, problem := range problems {
			if problem.At.Line < 1 || problem.At.Column < 1 || problem.Text == "" {
				t.Errorf("a problem without a place: %v", problem)
			}
		}
		for i, j := range p.Jobs {
			for _, k := range j.After {
				if k >= i {
					t.Errorf("%s comes before %s, which it waits for", j.Name, p.Jobs[k].Name)
				}
			}
			if j.Module == nil && len(j.Spec.Data) == 0 {
				t.Errorf("%s has no module", j.Name)
			}
		}
	})
}
