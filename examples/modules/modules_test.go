package modules_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/urbancompute/ucp/examples/modules"
	"github.com/urbancompute/ucp/examples/text"
)

// job is one run of a module.
type job struct {
	module, stdin string
	args          []string
	dir           string // seen as /
}

// outcome is what a run left.
type outcome struct {
	stdout, stderr string
	code           uint32
}

// run builds a module and runs it in the interpreter, which starts sooner than the compiler.
func (j job) run(ctx context.Context) outcome {
	GinkgoHelper()
	path, err := modules.Build(ctx, j.module, GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	code, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	var stdout, stderr bytes.Buffer
	config := wazero.NewModuleConfig().WithArgs(append([]string{j.module}, j.args...)...).
		WithStdin(strings.NewReader(j.stdin)).WithStdout(&stdout).WithStderr(&stderr)
	if j.dir != "" {
		config = config.WithFSConfig(wazero.NewFSConfig().WithDirMount(j.dir, "/"))
	}
	_, err = runtime.InstantiateWithConfig(ctx, code, config)
	var exit *sys.ExitError
	if !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred())
		exit = sys.NewExitError(0)
	}
	return outcome{stdout.String(), stderr.String(), exit.ExitCode()}
}

var _ = Describe("The example modules", func() {
	It("are all there is in the directory of examples", func() {
		var found []string
		entries, err := os.ReadDir("..")
		Expect(err).NotTo(HaveOccurred())
		for _, entry := range entries {
			if pkg, err := build.ImportDir(filepath.Join("..", entry.Name()), 0); err == nil && pkg.Name == "main" && entry.Name() != "demo" {
				found = append(found, entry.Name())
			}
		}
		Expect(modules.Names()).To(Equal(found))
	})

	DescribeTable("run", func(ctx SpecContext, j job, want outcome) {
		Expect(j.run(ctx)).To(Equal(want))
	},
		Entry("hello, with arguments", job{module: "hello", args: []string{"Ada"}}, outcome{stdout: "Hello, Ada!\n"}),
		Entry("exitcode, to its code", job{module: "exitcode", args: []string{"42"}}, outcome{code: 42}),
		Entry("wordcount, on its input", job{module: "wordcount", stdin: "a b a"}, outcome{stdout: "a 2\nb 1\n"}),
	)

	It("count the words of a file in parts", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		book, err := os.Create(filepath.Join(dir, "book.txt"))
		Expect(err).NotTo(HaveOccurred())
		Expect(text.Write(book, 5000, 1)).To(Succeed())
		Expect(book.Close()).To(Succeed())
		got := job{module: "wordcount", dir: dir, args: []string{"-part", "1", "-of", "3", "-top", "1", "/book.txt"}}.run(ctx)
		Expect(got).To(Equal(outcome{stdout: "the 30\n"}))
	})

	It("render the same bytes as a native program", func(ctx SpecContext) {
		args := []string{"-width", "40", "-height", "30", "-iterations", "100", "-raw"}
		got := job{module: "mandelbrot", args: args}.run(ctx)
		// The native program's specs expect this sum too.
		Expect(fmt.Sprintf("%x", sha256.Sum256([]byte(got.stdout)))).
			To(Equal("3c7988d937330cc855cb83a38a4ae1cba5e41f4681bd95531ea909831ebd122d"))
	})
})

var _ = Describe("Building an example", func() {
	It("gives the same bytes twice, under its name and nothing else", func(ctx SpecContext) {
		dir := filepath.Join(GinkgoT().TempDir(), "new")
		path, err := modules.Build(ctx, "hello", dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(path).To(Equal(filepath.Join(dir, "hello.wasm")))
		first, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		_, err = modules.Build(ctx, "hello", dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(path)).To(Equal(first))
		Expect(os.ReadDir(dir)).To(HaveLen(1))
	})

	It("refuses what is no example, and names those there are", func(ctx SpecContext) {
		_, err := modules.Build(ctx, "../cmd/ucp", GinkgoT().TempDir())
		Expect(err).To(MatchError(And(ContainSubstring(`"../cmd/ucp"`), ContainSubstring("wordcount"))))
	})

	It("says what the Go tool said when it fails", func(ctx SpecContext) {
		GinkgoT().Chdir(GinkgoT().TempDir())
		_, err := modules.Build(ctx, "hello", ".")
		Expect(err).To(MatchError(And(ContainSubstring("build example hello"), ContainSubstring("go.mod"))))
		_, err = os.Stat("hello.wasm")
		Expect(err).To(MatchError(fs.ErrNotExist))
	})

	It("ends with its context, and leaves nothing", func(ctx SpecContext) {
		given, cancel := context.WithCancel(ctx)
		cancel()
		dir := GinkgoT().TempDir()
		_, err := modules.Build(given, "hello", dir)
		Expect(err).To(MatchError(context.Canceled))
		Expect(os.ReadDir(dir)).To(BeEmpty())
	})
})
