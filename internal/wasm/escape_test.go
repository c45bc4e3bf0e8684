//go:build unix

package wasm_test

import (
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/wasm"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("The job directory", Label("RUN-3"), func() {
	var r *rig
	var w *wasm.Worker
	var dir string
	BeforeEach(func() {
		r = newRig()
		w = r.slot()
		dir = r.jobDir()
	})
	// attempt runs steps in the job directory and returns their errnos.
	attempt := func(ctx SpecContext, steps ...Step) []int {
		GinkgoHelper()
		req := r.request(Script(append(steps, Verdicts())))
		req.Dir = dir
		o := run(ctx, w, req)
		Expect(o.Kind).To(Equal(wasm.Exited), o.Message)
		Expect(filepath.Join(r.dir, "secret")).To(BeARegularFile())
		Expect(os.ReadFile(filepath.Join(r.dir, "secret"))).To(BeEquivalentTo("secret"), "the secret is untouched")
		return verdicts(o.stdout)
	}
	symlink := func(target, link string) Step {
		return Record("path_symlink", Str(target), I32(3), Str(link))
	}
	rename := func(from, to string) Step {
		return Record("path_rename", I32(3), Str(from), I32(3), Str(to))
	}
	link := func(from, to string) Step {
		return Record("path_link", I32(3), I32(0), Str(from), I32(3), Str(to))
	}
	mkdir := func(name string) Step { return Record("path_create_directory", I32(3), Str(name)) }
	put := func(name, text string) {
		GinkgoHelper()
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}

	It("is absent when the job has none", func(ctx SpecContext) {
		o := run(ctx, w, r.request(Script([]Step{Open(0, "x", Create), Verdicts()})))
		Expect(verdicts(o.stdout)).NotTo(Equal([]int{success}))
	})
	It("is read and written", func(ctx SpecContext) {
		put("in", "input")
		req := r.request(Script([]Step{
			OpenToRead(0, "in"), Copy(At(FD(0))), Open(1, "out", Create|Exclusive), Write(At(FD(1)), 10), mkdir("d"), rename("out", "d/out"),
		}))
		req.Dir = dir
		Expect(run(ctx, w, req).stdout).To(Equal("input"))
		Expect(os.ReadFile(filepath.Join(dir, "d", "out"))).To(HaveLen(10))
	})
	It("gives the guest no environment and no arguments but its own", func(ctx SpecContext) {
		req := r.request(Script([]Step{Call("args_sizes_get", I32(8192), I32(8196)), Write(I32(1), 8)}))
		req.Args = []string{"a", "bc"}
		Expect(run(ctx, w, req).stdout).To(Equal("\x02\x00\x00\x00\x05\x00\x00\x00"))
	})

	DescribeTable("is not left by path", func(ctx SpecContext, path string) {
		Expect(attempt(ctx, OpenToRead(0, path), Open(1, path, Create|Truncate),
			Record("path_unlink_file", I32(3), Str(path)), mkdir(path+"/d"), rename(path, "mine"), link(path, "mine"),
			Record("path_filestat_get", I32(3), I32(1), Str(path), I32(8192)))).NotTo(ContainElement(success))
	},
		Entry("above", "../secret"),
		Entry("above, in a roundabout way", "a/../../secret"),
		Entry("absolute", "/etc/passwd"),
		Entry("the process's own", "/proc/self/environ"),
		Entry("the process's root", "proc/self/root/etc/passwd"),
	)
	DescribeTable("makes no link that leads out", func(ctx SpecContext, target, name string) {
		Expect(attempt(ctx, mkdir("d"), symlink(target, name), OpenToRead(0, name))[1:]).NotTo(ContainElement(success))
	},
		Entry("above", "../secret", "l"),
		Entry("above, from below", "../../secret", "d/l"),
		Entry("absolute", "/etc/passwd", "l"),
		Entry("to the process", "/proc/self/fd/3", "l"),
	)
	It("is not left by a link that led inside until it was moved", func(ctx SpecContext) {
		v := attempt(ctx, mkdir("a"), mkdir("a/b"), symlink("../../secret", "a/b/l"), rename("a/b/l", "a/l"),
			OpenToRead(0, "a/l"), Open(1, "a/l", Truncate), Open(2, "a/l", Create))
		Expect(v[:4]).To(HaveEach(success))
		Expect(v[4:]).NotTo(ContainElement(success))
	})
	It("is not left by a directory that is replaced by a link", func(ctx SpecContext) {
		v := attempt(ctx, mkdir("a"), mkdir("a/b"), symlink("../..", "a/b/up"), rename("a/b/up", "up"),
			OpenToRead(0, "up/secret"), Open(1, "up/new", Create), rename("up/secret", "mine"), link("up/secret", "mine"),
			Record("path_unlink_file", I32(3), Str("up/secret")), mkdir("up/d"))
		Expect(v[4:]).NotTo(ContainElement(success))
		Expect(filepath.Join(r.dir, "new")).NotTo(BeAnExistingFile())
	})
	It("is not left through links that were there before", func(ctx SpecContext) {
		Expect(os.Symlink("../secret", filepath.Join(dir, "l"))).To(Succeed())
		Expect(os.Symlink("..", filepath.Join(dir, "up"))).To(Succeed())
		Expect(os.Symlink("/", filepath.Join(dir, "root"))).To(Succeed())
		v := attempt(ctx, OpenToRead(0, "l"), Open(1, "l", Create|Truncate), OpenToRead(2, "up/secret"), OpenToRead(3, "root/etc/passwd"),
			Open(4, "up/new", Create), rename("up/secret", "mine"))
		Expect(v).To(HaveEach(eperm))
	})
	It("hard-links a link itself, not what it leads to", func(ctx SpecContext) {
		Expect(os.Symlink("../secret", filepath.Join(dir, "l"))).To(Succeed())
		Expect(attempt(ctx, link("l", "mine"), OpenToRead(0, "mine"))).To(Equal([]int{success, eperm}))
	})
	It("opens no FIFO, and does not wait for one", func(ctx SpecContext) {
		Expect(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)).To(Succeed())
		Expect(attempt(ctx, OpenToRead(0, "fifo"), Open(1, "fifo", 0))).NotTo(ContainElement(success))
	})
	It("renames as POSIX has it", func(ctx SpecContext) {
		put("f", "1")
		put("g", "2")
		v := attempt(ctx, mkdir("a"), mkdir("b"), mkdir("c"), mkdir("c/full"),
			rename("f", "g"), rename("a", "b"), rename("b", "c"), rename("g", "b"), rename("b", "g"), rename("gone", "x"))
		Expect(v[:6]).To(HaveEach(success), "a file replaces a file, a directory an empty one")
		Expect(v[6:]).NotTo(ContainElement(success))
		Expect(os.ReadFile(filepath.Join(dir, "g"))).To(BeEquivalentTo("1"))
	})

	Describe("collecting what a job left", func() {
		var root *os.Root
		BeforeEach(func() {
			put("out", "result")
			Expect(os.MkdirAll(filepath.Join(dir, "d", "e"), 0o700)).To(Succeed())
			put("d/b", "22")
			put("d/e/a", "333")
			Expect(os.Symlink("../secret", filepath.Join(dir, "l"))).To(Succeed())
			Expect(os.Symlink("out", filepath.Join(dir, "inside"))).To(Succeed())
			Expect(os.Symlink("../..", filepath.Join(dir, "d", "up"))).To(Succeed())
			Expect(syscall.Mkfifo(filepath.Join(dir, "d", "fifo"), 0o600)).To(Succeed())
			var err error
			root, err = os.OpenRoot(dir)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(root.Close)
		})
		It("finds files, and those below directories, sorted", func() {
			Expect(wasm.Collect(root, "out", "d")).To(Equal([]wasm.Output{{Name: "out", Size: 6}, {Name: "d/b", Size: 2}, {Name: "d/e/a", Size: 3}}))
		})
		DescribeTable("follows no link and leaves no directory", func(name string) {
			_, err := wasm.Collect(root, name)
			Expect(err).To(BeAssignableToTypeOf(&wasm.OutputError{}))
			_, err = wasm.OpenOutput(root, name)
			Expect(err).To(BeAssignableToTypeOf(&wasm.OutputError{}))
		},
			Entry("out of it", "l"), Entry("within", "inside"), Entry("on the way", "d/up/secret"), Entry("up", "../secret"),
			Entry("FIFO", "d/fifo"), Entry("missing", "nothing"),
		)
		It("opens a file, not a directory", func() {
			f, err := wasm.OpenOutput(root, "d/e/a")
			Expect(err).NotTo(HaveOccurred())
			Expect(f.Close()).To(Succeed())
			_, err = wasm.OpenOutput(root, "d")
			Expect(err).To(MatchError(ContainSubstring("not a regular file")))
		})
	})
})
