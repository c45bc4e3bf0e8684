package real_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
)

// archived returns a zip file with one harmless file and another one.
func archived(name string, mode fs.FileMode, data []byte) []byte {
	GinkgoHelper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range []struct {
		name string
		mode fs.FileMode
		data []byte
	}{{"harmless", 0, []byte("x")}, {name, mode, data}} {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode | 0o644)
		w, err := z.CreateHeader(h)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.Write(e.data)
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(z.Close()).To(Succeed())
	return b.Bytes()
}

var _ = Describe("What nobody should put in", Label("DATA-2", "PLAN-1", "real"), Ordered, func() {
	var (
		l       *lab
		b       *node
		brokers []*node
		c       *client.Client
		home    folder
	)
	BeforeAll(func(ctx SpecContext) {
		l = newLab()
		b = l.broker("b1").start(ctx)
		brokers = []*node{b}
		l.datastore("d1", b).start(ctx)
		l.executor("e1", b).start(ctx)
		c = l.client(ctx, b)
		upAt(ctx, c, 1)
		home = newFolder()
		home.programs()
		home.write("in", []byte("some bytes"))
	}, NodeTimeout(soon))

	It("in a plan is told all at once with its lines, and nothing of the plan is there", func(ctx SpecContext) {
		plan := home.write("bad.toml", []byte(`[named_data]
"never/seen" = "in"
flip = "flip.wasm"
gone = "gone.txt"
"../up" = "in"
[[jobs]]
[jobs.metadata]
wasm_module = "flip"
named_results = {out = "one"}
[[jobs]]
[jobs.metadata]
wasm_module = "flip"
results = ["/../../etc"]
named_results = {out = "one"}
`))
		said := l.refuses(ctx, 2, brokers, "submit", plan, "--results", home.path("none"))
		Expect(said).To(And(
			ContainSubstring(plan+`:4:1: "gone" names the file gone.txt, which cannot be read: no such file or directory`+"\n"),
			MatchRegexp(`bad\.toml:5:1: .*\.\./up.*\n`),
			ContainSubstring(plan+`:13:12: results "/../../etc": it leads out of the job's directory`+"\n"),
			ContainSubstring(plan+`:14:18: two jobs write "one": job-2, and job-1 on line 6`+"\n"),
			HaveSuffix("has 4 problems, and nothing was submitted\n"),
		))
		Expect(l.ucp(ctx, brokers, "data", "ls", "never/")).NotTo(ContainSubstring("seen"))
		Expect(home.path("none")).NotTo(BeADirectory())
	}, SpecTimeout(soon))

	It("as a result that is not there is told by the job, which keeps its others", func(ctx SpecContext) {
		home.write("some.yaml", []byte("named_data: {flip: flip.wasm, in: in}\n"+
			"jobs: [{name: some, metadata: {wasm_module: flip, argv: [flip, 1ms], data: {/in: in}, results: [/none, /out]}}]"))
		l.ucp(ctx, brokers, "submit", home.path("some.yaml"), "--results", home.path("some"))
		Expect(home.zipAt("some", "some.zip")).To(holding("out", flipped([]byte("some bytes"))))
		Expect(l.ucp(ctx, brokers, "job", "result", "some", "-o", home.path("again.zip"))).To(Equal("ucp: not there: output \"none\": the job did not write it\n"))
	}, SpecTimeout(soon))

	It("under a name that two jobs make at once is what one of them made, whole", func(ctx SpecContext) {
		text := "named_data: {flip: flip.wasm, in%[1]d: in%[1]d}\n" +
			"jobs: [{name: twin-%[1]d, metadata: {wasm_module: flip, argv: [flip, 1s], data: {/in: in%[1]d}, named_results: {/out: twice}}}]"
		for i := range 2 {
			home.write(fmt.Sprintf("in%d", i), []byte(fmt.Sprint("twin ", i)))
			l.ucp(ctx, brokers, "submit", home.write(fmt.Sprintf("twin%d.yaml", i), fmt.Appendf(nil, text, i)))
		}
		l.ucp(ctx, brokers, "job", "wait", "twin-0", "twin-1")
		l.ucp(ctx, brokers, "data", "get", "twice", home.path("twice"))
		got, err := os.ReadFile(home.path("twice"))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Or(Equal(flipped([]byte("twin 0"))), Equal(flipped([]byte("twin 1")))))
	}, SpecTimeout(soon))

	DescribeTable("as a directory is unpacked nowhere, neither for who gets it nor for a job", func(ctx SpecContext, name string, make func() []byte, why string) {
		blob, err := c.PutBytes(ctx, make())
		Expect(err).NotTo(HaveOccurred())
		_, err = c.PutData(ctx, name, blob, true)
		Expect(err).NotTo(HaveOccurred())

		said := l.refuses(ctx, 1, brokers, "data", "get", name, home.path("victims", name)+"/")
		Expect(said).To(And(HavePrefix("ucp: "), ContainSubstring(why), HaveSuffix("\n")))
		Expect(strings.Count(said, "\n")).To(Equal(1))
		Expect(home.path("victims", name)).NotTo(BeADirectory())
		Expect(home.names("victims")).To(BeEmpty())

		plan := home.write(name+".yaml", fmt.Appendf(nil, "named_data: {flip: flip.wasm}\njobs: [{name: has-%[1]s, metadata: {wasm_module: flip, argv: [flip, 1ms], data: {/dir/: %[1]s}}}]", name))
		l.refuses(ctx, 1, brokers, "submit", plan, "--wait")
		Expect(l.refuses(ctx, 1, brokers, "job", "result", "has-"+name, "-o", home.path(name+".zip"))).To(ContainSubstring(why))
		Expect(l.nodes["e1"].names("data", "scratch")).To(BeEmpty())
	},
		Entry("if it is a bomb", SpecTimeout(2*soon), "bomb", func() []byte { return archived("zeros", 0, make([]byte, 64<<20)) }, "may not grow to"),
		Entry("if it has links", SpecTimeout(soon), "linked", func() []byte { return archived("passwd", fs.ModeSymlink, []byte("/etc/passwd")) }, "is a link"),
		Entry("if it climbs", SpecTimeout(soon), "climber", func() []byte { return archived("../../climbed", 0, []byte("x")) }, "leads out of the directory"),
		Entry("if it is absolute", SpecTimeout(soon), "absolute", func() []byte { return archived("/tmp/ucp-evil", 0, []byte("x")) }, "leads out of the directory"),
	)

	DescribeTable("under a name that is none is refused in a sentence", func(ctx SpecContext, name, why string) {
		for _, words := range [][]string{{"put", name, home.path("in")}, {"get", name, home.path("got")}, {"stat", name}, {"rm", name}} {
			said := l.refuses(ctx, 2, brokers, append([]string{"data"}, words...)...)
			Expect(said).To(And(HavePrefix("ucp: "), ContainSubstring(why)), "%s", words[0])
			Expect(len(said)).To(BeNumerically("<", 400))
		}
		Expect(home.path("got")).NotTo(BeAnExistingFile())
	},
		Entry("that climbs", SpecTimeout(soon), "a/../../b", ". or .."),
		Entry("that is absolute", SpecTimeout(soon), "/etc/passwd", "begins without a /"),
		Entry("with control characters", SpecTimeout(soon), "a\x1b[2Jb", "control"),
		Entry("of 4 KiB", SpecTimeout(soon), strings.Repeat("x", 4096), "at most 1024"),
	)
})

// names lists what is in one of the node's directories, nothing if there is none.
func (n *node) names(parts ...string) (names []string) {
	GinkgoHelper()
	list, err := os.ReadDir(n.File(parts...))
	if !os.IsNotExist(err) {
		Expect(err).NotTo(HaveOccurred())
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

var _ = Describe("Datastores in trouble while data is put", Label("DATA-1", "DATA-2", "DATA-3", "real"), func() {
	// keeps says whether a node has a blob whole.
	keeps := func(n *node, b client.Blob) bool {
		info, err := os.Stat(n.blob(b))
		return err == nil && uint64(info.Size()) == b.Size
	}

	It("vanish in mid-transfer: another one has it all, and the one that is back has nothing of it that is not right", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		brokers := []*node{b}
		stores := []*node{l.datastore("d1", b).start(ctx), l.datastore("d2", b).start(ctx)}
		c := l.client(ctx, b)
		upAt(ctx, c, 2)
		home := newFolder()
		data := noise(5, 64<<20)
		put := l.command(ctx, brokers, "data", "put", "large", home.write("large", data))
		said := &bytes.Buffer{}
		put.Stdout, put.Stderr = said, said
		Expect(put.Start()).To(Succeed())
		var victim, other *node
		Eventually(ctx, func() bool { // the one that is asked first
			for i, d := range stores {
				if d.receives() {
					victim, other = d, stores[1-i]
					victim.signal(syscall.SIGSTOP)
				}
			}
			return victim != nil
		}).WithPolling(time.Millisecond).Should(BeTrue())
		Expect(victim.receives()).To(BeTrue(), "it was in mid-transfer")
		victim.Kill()
		Expect(put.Wait()).To(Succeed(), "%s", said)
		Expect(said.String()).To(HavePrefix("large has 64.0 MiB"))

		found, err := c.Data(ctx, "large")
		Expect(err).NotTo(HaveOccurred())
		Expect(keeps(other, found.Blob)).To(BeTrue())
		Expect(keeps(victim, found.Blob)).To(BeFalse())
		l.ucp(ctx, brokers, "data", "get", "large", home.path("got"))
		got, err := os.ReadFile(home.path("got"))
		Expect(err).NotTo(HaveOccurred())
		Expect(bytes.Equal(got, data)).To(BeTrue())
		victim.start(ctx)
		Eventually(ctx, keeps).WithArguments(victim, found.Blob).Should(BeTrue(), "it gets its copy")
		whole, err := os.ReadFile(victim.blob(found.Blob))
		Expect(err).NotTo(HaveOccurred())
		Expect(bytes.Equal(whole, data)).To(BeTrue())
	}, SpecTimeout(4*soon))

	It("refuse what they have no room for and go on: another one has all of it", func(ctx SpecContext) {
		const size, disk = 4 << 20, 24 << 20
		l := newLab()
		b := l.broker("b1").start(ctx)
		full := l.datastore("d1", b)
		full.Flags = []string{"--datastore-reserve", "4MiB"}
		hasASmallDisk(full.File("data"), disk)
		full.start(ctx)
		roomy := l.datastore("d2", b).start(ctx)
		c := l.client(ctx, b)
		upAt(ctx, c, 2)
		home := newFolder()
		var all []client.Blob
		for i := range 8 {
			name := fmt.Sprint("full/", i)
			l.ucp(ctx, []*node{b}, "data", "put", name, home.write(name, noise(i, size)))
			found, err := c.Data(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			all = append(all, found.Blob)
		}
		kept := 0
		for _, blob := range all {
			Expect(keeps(roomy, blob)).To(BeTrue())
			if keeps(full, blob) {
				kept++
			}
		}
		Expect(kept).To(And(BeNumerically(">", 0), BeNumerically("<=", disk/size-1)), "as much as goes in beside the reserve")
		Expect(b.Log()).To(MatchRegexp(`bytes are kept by fewer datastores than they should be.*datastore d1`))
		Expect(full.Running()).To(BeTrue())
		Expect(full.Log()).NotTo(ContainSubstring(`"level":"ERROR"`))

		By("and its broker has only what they have")
		b.Kill()
		Expect(emptied(b)).To(Succeed())
		b.start(ctx)
		c = l.client(ctx, b)
		for _, blob := range all { // they join it anew
			Eventually(ctx, func() error { return c.Get(ctx, blob, io.Discard) }).Should(Succeed())
		}
		l.ucp(ctx, []*node{b}, "data", "get", "full/*", home.path("got")+"/")
		for i := range all {
			got, err := os.ReadFile(home.path("got", fmt.Sprint(i)))
			Expect(err).NotTo(HaveOccurred())
			Expect(bytes.Equal(got, noise(i, size))).To(BeTrue())
		}
	}, SpecTimeout(3*soon))
})

// receives says whether a large blob is half here.
func (n *node) receives() bool {
	GinkgoHelper()
	for _, name := range n.names("data", "blobs", "tmp") {
		if info, err := os.Stat(n.File("data", "blobs", "tmp", name)); err == nil && info.Size() > 1<<20 {
			return true
		}
	}
	return false
}
