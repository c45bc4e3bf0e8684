package real_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// folder is a directory of somebody's who uses the network.
type folder struct{ dir string }

func newFolder() folder {
	GinkgoHelper()
	return folder{GinkgoT().TempDir()}
}

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

// write writes a file and returns its path.
func (f folder) write(name string, data []byte) string {
	GinkgoHelper()
	path := f.path(filepath.FromSlash(name))
	Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	Expect(os.WriteFile(path, data, 0o600)).To(Succeed())
	return path
}

// programs puts copies of the specs' modules beside the plans that name them.
func (f folder) programs() {
	GinkgoHelper()
	for _, module := range []string{built.flip, built.weave} {
		data, err := os.ReadFile(module)
		Expect(err).NotTo(HaveOccurred())
		f.write(filepath.Base(module), data)
	}
}

// zipAt returns the files of a zip file, by path.
func (f folder) zipAt(parts ...string) map[string][]byte {
	GinkgoHelper()
	z, err := zip.OpenReader(f.path(parts...))
	Expect(err).NotTo(HaveOccurred())
	found := map[string][]byte{}
	for _, file := range z.File {
		r, err := file.Open()
		Expect(err).NotTo(HaveOccurred())
		found[file.Name], err = io.ReadAll(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Close()).To(Succeed())
	}
	Expect(z.Close()).To(Succeed())
	return found
}

// names lists what is in a directory, hidden things too.
func (f folder) names(parts ...string) (names []string) {
	GinkgoHelper()
	list, err := os.ReadDir(f.path(parts...))
	Expect(err).NotTo(HaveOccurred())
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// holding is a matcher for the only file in a zip. Of what is different it shows little: there may be megabytes.
func holding(name string, data []byte) OmegaMatcher {
	return WithTransform(func(z map[string][]byte) string {
		switch got, found := z[name]; {
		case !found || len(z) > 1:
			return fmt.Sprintf("has %v", slices.Sorted(maps.Keys(z)))
		case !bytes.Equal(got, data):
			return fmt.Sprintf("has other bytes: %d of %d", len(got), len(data))
		}
		return ""
	}, BeEmpty())
}

// combined is what the program weave makes of all parts of data.
func combined(data []byte, keys ...[]byte) []byte {
	out := bytes.Clone(data)
	for _, key := range keys {
		for i := range out {
			out[i] ^= key[i%len(key)]
		}
	}
	return out
}

// runs is how many jobs the array of the plan has.
const runs = 100

// weaving is a plan of two stages and an array between them: a large file is turned, taken apart by all of the array with two keys that they share, and
// joined. Nothing says where any of it is to run.
const weaving = `
[named_data]
"programs/flip" = "flip.wasm"
"programs/weave" = "weave.wasm"
"shared/large" = "large"
"shared/keys/long" = "long"
"shared/keys/short" = "short"

[[jobs]]
name = "turn"
[jobs.metadata]
wasm_module = "programs/flip"
argv = ["flip", "1ms"]
[jobs.metadata.data]
"/in" = "shared/large"
[jobs.metadata.named_results]
"/out" = "made/turned"

[[jobs]]
name = "part"
count = 100
[jobs.metadata]
wasm_module = "programs/weave"
argv = ["weave", "part", "{index}", "{count}", "/turned", "/keys/long", "/keys/short"]
stdout_file = "/part"
results = ["/part"]
[jobs.metadata.data]
"/turned" = "made/turned"
"/keys" = "shared/keys/*"
[jobs.metadata.named_results]
"/part" = "made/parts/{index}"

[[jobs]]
name = "join"
[jobs.metadata]
wasm_module = "programs/weave"
argv = ["weave", "join", "/parts"]
stdout_file = "/whole"
results = ["/whole"]
[jobs.metadata.data]
"/parts" = "made/parts/*"
`

// apart is a plan of four jobs, each with a file of its own, and all with one program. The first two are for the north and the others for the south, if
// anything says so.
func apart(said bool) []byte {
	plan := "named_data: {flip: flip.wasm, own/0: \"0\", own/1: \"1\", own/2: \"2\", own/3: \"3\"}\njobs:\n"
	for i, place := range []string{"north", "north", "south", "south"} {
		labels := ""
		if said {
			labels = "labels: {place: " + place + "}, "
		}
		plan += fmt.Sprintf("  - {name: own-%d, %smetadata: {wasm_module: flip, argv: [flip, 500ms], data: {/in: own/%d}, results: [/out]}}\n", i, labels, i)
	}
	return []byte(plan)
}

var _ = Describe("A plan with shared data, a two-stage pipeline and an array of a hundred, on a network of two datastores",
	Label("DATA-1", "DATA-3", "DATA-5", "PLAN-1", "JOB-10", "real"), Ordered, func() {
		var (
			l         *lab
			b1, b2    *node
			d1        *node
			executors []*node
			home      folder
			want      []byte
		)
		BeforeAll(func(ctx SpecContext) {
			l = newLab()
			b1 = l.broker("b1").start(ctx)
			b2 = l.broker("b2", b1).start(ctx)
			d1 = l.datastore("d1", b1, b2).start(ctx)
			l.datastore("d2", b1, b2).start(ctx)
			for _, name := range []string{"north", "south"} {
				e := l.executor(name, b1) // both at home there: what an executor has its home knows, and nobody else
				e.Flags = []string{"--labels", "place=" + name, "--log-level", "debug"}
				executors = append(executors, e.start(ctx))
			}
			upAt(ctx, l.client(ctx, b1), 2)
			home = newFolder()
			home.programs()
			large, long, short := noise(1, 2<<20+7), noise(2, 1<<20+1), noise(3, 100)
			home.write("large", large)
			home.write("long", long)
			home.write("short", short)
			home.write("plan.toml", []byte(weaving))
			want = combined(flipped(large), long, short)
		}, NodeTimeout(2*soon))

		// right checks every byte of the results.
		right := func(results string) {
			GinkgoHelper()
			Expect(home.names(results)).To(HaveLen(runs + 1))
			for i := range runs {
				Expect(home.zipAt(results, fmt.Sprintf("part-%d.zip", i))).To(holding("part", want[len(want)*i/runs:len(want)*(i+1)/runs]), "part %d", i)
			}
			Expect(home.zipAt(results, "join.zip")).To(holding("whole", want))
		}

		It("has every byte right although one of them is killed in the middle", func(ctx SpecContext) {
			session, err := gexec.Start(l.command(ctx, []*node{b1, b2}, "submit", home.path("plan.toml"), "--results", home.path("first")), GinkgoWriter, GinkgoWriter)
			Expect(err).NotTo(HaveOccurred())
			Eventually(ctx, session.Out).Should(gbytes.Say(`(?s)(part-\d+ +accepted.*){30}`))
			d1.Kill()
			Expect(string(session.Out.Contents())).NotTo(ContainSubstring("join accepted"), "it was in the middle")
			Eventually(ctx, session).Should(gexec.Exit(0))
			Expect(string(session.Out.Contents())).To(HaveSuffix("102 jobs: 102 accepted; results are in " + home.path("first") + "\n"))
			right("first")
		}, SpecTimeout(4*soon))

		fetched := regexp.MustCompile(`"msg":"blob fetched".*"blob":"([0-9a-f]+)"`)

		// movesNothing submits a plan whose input bytes are at the executors.
		movesNothing := func(ctx SpecContext, b *node, plan, results string) {
			GinkgoHelper()
			before := map[string]int{}
			for _, e := range executors {
				before[e.Name] = len(e.Log())
				Expect(e.Log()).To(MatchRegexp(fetched.String()), "%s had to get them once", e.Name)
			}
			l.ucp(ctx, []*node{b}, "submit", home.path(plan), "--results", home.path(results))
			for _, e := range executors {
				Expect(fetched.FindAllString(e.Log()[before[e.Name]:], -1)).To(BeEmpty(), "%s", e.Name)
			}
		}

		It("moves no input bytes when it runs again", Label("PLACE-1"), func(ctx SpecContext) {
			movesNothing(ctx, b2, "plan.toml", "second")
			right("second")
		}, SpecTimeout(4*soon))

		It("moves none of another plan either, whose jobs are where their files are although nothing says so any more", Label("PLACE-1"), func(ctx SpecContext) {
			for i := range 4 {
				home.write(fmt.Sprint(i), noise(10+i, 300<<10))
			}
			home.write("apart.yaml", apart(true))
			l.ucp(ctx, []*node{b1}, "submit", home.path("apart.yaml"), "--results", home.path("third"))
			home.write("again.yaml", apart(false))
			movesNothing(ctx, b1, "again.yaml", "fourth")
			movesNothing(ctx, b2, "again.yaml", "fifth")
		}, SpecTimeout(4*soon))
	})

var _ = Describe("A client that goes away", Label("DATA-5", "PLAN-1", "JOB-10", "real"), func() {
	It("comes back at another broker when its own is gone, and has the results", func(ctx SpecContext) {
		l := newLab()
		b1 := l.broker("b1")
		b2 := l.broker("b2", b1)
		for _, b := range []*node{b1, b2} {
			b.Flags = []string{"--broker-timeout", "2s"}
			b.start(ctx)
		}
		l.datastore("d1", b1, b2).start(ctx)
		l.executor("e1", b1, b2).start(ctx)
		upAt(ctx, l.client(ctx, b1), 1)
		home := newFolder()
		home.programs()
		data := noise(4, 1<<20)
		home.write("large", data)
		home.write("plan.yaml", []byte(`
named_data: {flip: flip.wasm, large: large}
jobs:
  - {name: first, metadata: {wasm_module: flip, argv: [flip, 3s], data: {/in: large}, named_results: {/out: turned}}}
  - {name: second, metadata: {wasm_module: flip, argv: [flip, 1ms], data: {/in: turned}, results: [/out]}}
`))
		said := strings.Fields(l.ucp(ctx, []*node{b1}, "submit", home.path("plan.yaml")))
		Expect(said).To(HaveExactElements(HaveLen(len(said[0])), "first", HaveLen(len(said[0])), "second"))
		b1.Kill()

		Expect(l.ucp(ctx, []*node{b2}, "job", "wait", "second", said[0])).To(HaveSuffix("2 jobs: 2 accepted\n"))
		l.ucp(ctx, []*node{b2}, "job", "result", said[2], "-o", home.path("second.zip"))
		Expect(home.zipAt("second.zip")).To(holding("out", data))
		l.ucp(ctx, []*node{b2}, "data", "get", "turned", home.path("turned"))
		Expect(os.ReadFile(home.path("turned"))).To(Satisfy(func(got []byte) bool { return bytes.Equal(got, flipped(data)) }))
	}, SpecTimeout(3*soon))
})
