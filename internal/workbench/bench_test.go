package workbench

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/fstest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/internal/archive"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// shelf is Blobs in a directory: what is fetched must have been put there, what is kept is noted.
type shelf struct {
	dir  string
	mu   sync.Mutex
	kept map[[32]byte]string
	held int // fetched and not released
	full error
}

func (s *shelf) put(b []byte) job.Blob {
	GinkgoHelper()
	d := sha256.Sum256(b)
	Expect(os.WriteFile(s.path(d), b, 0o600)).To(Succeed())
	return job.Blob{Digest: d, Size: uint64(len(b))}
}

func (s *shelf) path(d [32]byte) string { return filepath.Join(s.dir, hex.EncodeToString(d[:])) }

// Fetch implements Blobs.
func (s *shelf) Fetch(_ context.Context, _ string, b job.Blob) (string, func(), error) {
	if _, err := os.Stat(s.path(b.Digest)); err != nil {
		return "", nil, errors.New("nobody has these bytes")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held++
	return s.path(b.Digest), sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held--
	}), nil
}

// Keep implements Blobs.
func (s *shelf) Keep(_ context.Context, to string, r io.Reader) (job.Blob, error) {
	if s.full != nil {
		return job.Blob{}, s.full
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return job.Blob{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := sha256.Sum256(b)
	s.kept[d] = to
	return job.Blob{Digest: d, Size: uint64(len(b))}, nil
}

var _ = Describe("An attempt", func() {
	var (
		s *shelf
		b *Bench
	)
	BeforeEach(func() {
		before := gleak.Goroutines()
		DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
		s = &shelf{dir: GinkgoT().TempDir(), kept: map[[32]byte]string{}}
		DeferCleanup(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			Expect(s.held).To(BeZero(), "what an attempt fetched is let go when it is over")
		})
		dir := GinkgoT().TempDir()
		var err error
		b, err = Open(Config{Dir: filepath.Join(dir, "scratch"), CacheDir: filepath.Join(dir, "modules"), Slots: 1, Blobs: s, Log: slog.New(slog.NewTextHandler(GinkgoWriter, nil))})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() {
			b.Close()
			left, err := os.ReadDir(filepath.Join(dir, "scratch"))
			Expect(err).NotTo(HaveOccurred())
			Expect(left).To(BeEmpty(), "an attempt left something behind")
		})
	})
	// run takes a job through the bench.
	run := func(spec *job.Spec, change ...func(*Task)) *job.Result {
		GinkgoHelper()
		done := make(chan *job.Result, 1)
		task := Task{Spec: spec, Home: "b1"}
		for _, c := range change {
			c(&task)
		}
		b.Run(task, func(r *job.Result) { done <- r })
		var r *job.Result
		Eventually(done).Should(Receive(&r))
		return r
	}
	script := func(steps ...wasmtest.Step) job.Blob { return s.put(wasmtest.Script(steps)) }

	It("brings what the program wrote, inline while it is short", Label("DATA-5"), func() {
		r := run(&job.Spec{Module: script(wasmtest.Print("hello\n"), wasmtest.Complain("oh\n"), wasmtest.Exit(3))})
		Expect(r.Kind).To(Equal(job.Exited))
		Expect(r.ExitCode).To(BeEquivalentTo(3))
		Expect(string(r.Stdout.Inline)).To(Equal("hello\n"))
		Expect(string(r.Stderr.Inline)).To(Equal("oh\n"))
		Expect(s.kept).To(BeEmpty())
	})

	It("stores what is longer at the job's broker before the result names it", Label("DATA-5"), func() {
		r := run(&job.Spec{Module: script(wasmtest.Times(40, wasmtest.Print(string(bytes.Repeat([]byte("x"), 1000)))))})
		Expect(r.Stdout.Size).To(BeEquivalentTo(40_000))
		Expect(r.Stdout.Inline).To(BeEmpty())
		Expect(s.kept).To(HaveKeyWithValue(r.Stdout.Digest, "b1"))
	})

	It("is nobody's fault when the broker cannot take its output", func() {
		s.full = errors.New("no room")
		r := run(&job.Spec{Module: script(wasmtest.Times(40, wasmtest.Print(string(bytes.Repeat([]byte("x"), 1000)))))})
		Expect(r.Kind).To(Equal(job.Unfetched))
		Expect(r.Message).To(ContainSubstring("no room"))
	})

	It("is nobody's fault when its module cannot be had", func() {
		r := run(&job.Spec{Module: job.Blob{Digest: [32]byte{9}, Size: 3}})
		Expect(r.Kind).To(Equal(job.Unfetched))
		Expect(r.Message).To(Equal("the module: nobody has these bytes"))
	})

	It("finds its files in its directory, and gives back the outputs that are there", func() {
		in := []byte("some input")
		r := run(&job.Spec{
			Module:  script(wasmtest.OpenToRead(0, "in/data.txt"), wasmtest.Copy(wasmtest.At(wasmtest.FD(0)))),
			Files:   []job.File{{Path: "in/data.txt", Blob: job.Blob{Digest: sha256.Sum256(in), Size: uint64(len(in)), Inline: in}}},
			Outputs: []string{"in/data.txt", "out/none.txt"},
		})
		Expect(r.Kind).To(Equal(job.Exited))
		Expect(string(r.Stdout.Inline)).To(Equal("some input"))
		Expect(r.Outputs).To(HaveLen(1))
		Expect(string(r.Outputs[0].Blob.Inline)).To(Equal("some input"))
		Expect(r.Missing).To(ConsistOf(`output "out/none.txt": the job did not write it`))
	})

	It("is told to have started as soon as its program begins if it belongs to an emergency, and else when it has run for a while", Label("EMG-2"), func() {
		var started atomic.Int32
		notes := func(t *Task) { t.Started = func() { started.Add(1) } }
		run(&job.Spec{Module: script(wasmtest.Print("hello")), Emergency: "fire"}, notes)
		Expect(started.Load()).To(BeEquivalentTo(1))
		slow := wasmtest.Touch(0, 20_000) // to compile
		run(&job.Spec{Module: script(wasmtest.Exit(0), slow), Emergency: "fire", Limits: job.Limits{CompileTimeout: 5 * StartNotice}}, notes)
		Expect(started.Load()).To(BeEquivalentTo(1), "what does not begin is not told")
		run(&job.Spec{Module: script(wasmtest.Sleep(10 * StartNotice))}, notes)
		Expect(started.Load()).To(BeEquivalentTo(2))
	})

	It("refuses inline bytes that are not what their digest names", func() {
		r := run(&job.Spec{Module: script(), Files: []job.File{{Path: "a", Blob: job.Blob{Digest: [32]byte{1}, Size: 1, Inline: []byte("x")}}}})
		Expect(r.Kind).To(Equal(job.Unfetched))
	})

	It("reads its client's input only as the program asks for it, and tells the client what it writes", func() {
		var mu sync.Mutex
		var told []byte
		var asked []uint64
		r := run(&job.Spec{Module: script(wasmtest.Echo()), Streamed: true}, func(t *Task) {
			t.Stdin = func(offset uint64, _ int) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, offset)
				if offset == 0 {
					return []byte("hello"), nil
				}
				return nil, io.EOF
			}
			t.Output = func(_ uint32, _ uint64, data []byte) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, data...)
			}
		})
		Expect(string(r.Stdout.Inline)).To(Equal("hello"))
		mu.Lock()
		defer mu.Unlock()
		Expect(string(told)).To(Equal("hello"))
		Expect(asked).To(Equal([]uint64{0, 5}))
	})

	It("ends within 100 ms of being stopped, in an endless loop too", Label("RUN-2"), func() {
		began, done := make(chan struct{}), make(chan *job.Result, 1)
		stop := b.Run(Task{Spec: &job.Spec{Module: script(wasmtest.Print("x"), wasmtest.Forever())}, Home: "b1", Output: func(uint32, uint64, []byte) { close(began) }},
			func(r *job.Result) { done <- r })
		Eventually(began).Should(BeClosed())
		at := time.Now()
		stop("cancelled")
		Eventually(done).Should(Receive())
		Expect(time.Since(at)).To(BeNumerically("<", 500*time.Millisecond), "100 ms, and what a busy machine adds")
		Expect(run(&job.Spec{Module: script(wasmtest.Print("again"))}).Kind).To(Equal(job.Exited))
	})

	DescribeTable("tells how the program ended", Label("RUN-6"),
		func(kind job.ResultKind, limits job.Limits, steps ...wasmtest.Step) {
			r := run(&job.Spec{Module: script(steps...), Limits: limits})
			Expect(r.Kind).To(Equal(kind), r.Message)
		},
		Entry("by itself", job.Exited, job.Limits{}, wasmtest.Exit(0)),
		Entry("by a trap", job.Trapped, job.Limits{}, wasmtest.Trap()),
		Entry("at its timeout", job.TimedOut, job.Limits{Timeout: 50 * time.Millisecond}, wasmtest.Forever()),
	)

	It("has one digest for equal results, however long they took", Label("JOB-3"), func() {
		spec := &job.Spec{Module: script(wasmtest.Print("same"))}
		Expect(run(spec).Digest).To(Equal(run(spec).Digest))
		Expect(run(&job.Spec{Module: script(wasmtest.Print("other"))}).Digest).NotTo(Equal(run(spec).Digest))
	})

	Describe("with named data", Label("DATA-2", "DATA-5", "PLAN-1"), func() {
		blob := func(text string) job.Blob {
			return job.Blob{Digest: sha256.Sum256([]byte(text)), Size: uint64(len(text)), Inline: []byte(text)}
		}
		stands := func(in ...job.Input) func(*Task) { return func(t *Task) { t.Inputs = in } }
		file := func(name, text string) job.NamedFile { return job.NamedFile{Name: name, Blob: blob(text)} }
		files := func(f ...job.NamedFile) job.Input {
			return job.Input{Known: true, Final: true, State: job.StateAccepted, Files: f}
		}
		show := func(path string, n int64) []wasmtest.Step {
			return []wasmtest.Step{wasmtest.OpenToRead(n, path), wasmtest.Copy(wasmtest.At(wasmtest.FD(n)))}
		}
		zipped := func(tree fstest.MapFS) job.NamedFile {
			var b bytes.Buffer
			Expect(archive.Zip(&b, tree)).To(Succeed())
			return job.NamedFile{Name: "tree", Blob: s.put(b.Bytes()), Zip: true}
		}

		It("finds it as files, as its standard input, and runs it as its module", Label("RUN-3"), func() {
			module := s.put(wasmtest.Script(slices.Concat(show("in/town", 0), show("words/a/b", 1), show("words/c", 2), []wasmtest.Step{wasmtest.Echo()})))
			r := run(&job.Spec{Data: []job.DataInput{
				{Name: "maps/town", Path: "in/town"}, {Name: "words/*", Path: "words"}, {Name: "x", As: job.AsStdin}, {Name: "bin", As: job.AsModule},
			}}, stands(files(file("maps/town", "town ")), files(file("words/a/b", "one "), file("words/c", "two ")), files(file("x", "in")),
				files(job.NamedFile{Name: "bin", Blob: module})))
			Expect(r.Kind).To(Equal(job.Exited), r.Message)
			Expect(string(r.Stdout.Inline)).To(Equal("town one two in"))
		})

		It("finds a directory unpacked where its path ends in a slash, else the archive", func() {
			tree := zipped(fstest.MapFS{"a/b": {Data: []byte("deep")}})
			data := []job.DataInput{{Name: "tree", Path: "t/"}, {Name: "tree", Path: "t.zip"}}
			r := run(&job.Spec{Module: script(append(show("t/a/b", 0), show("t.zip", 1)...)...), Data: data}, stands(files(tree), files(tree)))
			Expect(string(r.Stdout.Inline)).To(HavePrefix("deepPK"))
		})

		It("runs without what there is none of", func() {
			r := run(&job.Spec{Module: script(wasmtest.OpenToRead(0, "in/town"), wasmtest.Echo()), Data: []job.DataInput{
				{Name: "maps/town", Path: "in/town", OnFailure: job.RunAnyway}, {Name: "x", As: job.AsStdin, OnFailure: job.RunAnyway},
			}}, stands(job.Input{Known: true, State: job.StateFailed}, job.Input{Known: true, State: job.StateFailed}))
			Expect(r.Kind).To(Equal(job.Exited), r.Message)
		})

		DescribeTable("is told what cannot be given to it, once",
			func(words string, d []job.DataInput, in func() []job.Input) {
				r := run(&job.Spec{Module: script(), Limits: job.Limits{Output: 1000}, Data: d}, stands(in()...))
				Expect(r.Kind).To(Equal(job.Unfit), r.Message)
				Expect(r.Message).To(ContainSubstring(words))
			},
			Entry("two things of one path", "data y: in: something else is in its place", []job.DataInput{{Name: "x", Path: "in"}, {Name: "y", Path: "in"}},
				func() []job.Input { return []job.Input{files(file("x", "1")), files(file("y", "2"))} }),
			Entry("a file for a directory", "data x: in: it is one file", []job.DataInput{{Name: "x", Path: "in/"}},
				func() []job.Input { return []job.Input{files(file("x", "1"))} }),
			Entry("an archive larger than what it may write", "more than 1000 bytes", []job.DataInput{{Name: "tree", Path: "in/"}},
				func() []job.Input {
					return []job.Input{files(zipped(fstest.MapFS{"zeros": {Data: make([]byte, 1<<20)}}))}
				}),
			Entry("what is no archive", "no zip file", []job.DataInput{{Name: "tree", Path: "in/"}},
				func() []job.Input {
					return []job.Input{files(job.NamedFile{Name: "tree", Blob: blob("none"), Zip: true})}
				}),
		)

		It("does not run when its inputs were not told", func() {
			r := run(&job.Spec{Module: script(), Data: []job.DataInput{{Name: "x", Path: "in"}}})
			Expect(r.Kind).To(Equal(job.Unfetched))
		})
	})

	Describe("that leaves files", Label("DATA-5", "PLAN-1", "RUN-3"), func() {
		mkdir := func(name string) wasmtest.Step {
			return wasmtest.Record("path_create_directory", wasmtest.I32(3), wasmtest.Str(name))
		}
		link := func(target, name string) wasmtest.Step {
			return wasmtest.Record("path_symlink", wasmtest.Str(target), wasmtest.I32(3), wasmtest.Str(name))
		}
		write := func(path string, n int64) wasmtest.Step {
			return wasmtest.Times(1, wasmtest.Open(0, path, wasmtest.Create), wasmtest.RecordWrite(wasmtest.At(wasmtest.FD(0)), n))
		}
		tree := []wasmtest.Step{mkdir("out/sub"), write("out/b", 2), write("out/sub/a", 3), link("b", "out/link")}

		It("finds the directories that it asked for, and gives back all files of one, links left out", func() {
			r := run(&job.Spec{Module: script(tree...), Dirs: []string{"out", "tmp/deep"}, Outputs: []string{"out", "tmp/deep"}})
			Expect(r.Success()).To(BeTrue(), r.Message)
			var paths []string
			for _, f := range r.Outputs {
				paths = append(paths, fmt.Sprint(f.Path, " ", f.Blob.Size))
			}
			Expect(paths).To(Equal([]string{"out/b 2", "out/sub/a 3"}))
			Expect(r.Missing).To(BeEmpty())
		})

		It("leaves copies of its streams among its outputs, in place of what was there", func() {
			r := run(&job.Spec{
				Module: script(write("log/out.txt", 1), wasmtest.Print("hello"), wasmtest.Complain("oh")),
				Dirs:   []string{"log"}, Outputs: []string{"log"}, StdoutFile: "log/out.txt", StderrFile: "new/err.txt",
				Results: []job.NamedResult{{Path: "new/err.txt", Name: "logs/err"}},
			})
			Expect(r.Outputs).To(HaveLen(1))
			Expect(string(r.Outputs[0].Blob.Inline)).To(Equal("hello"))
			Expect(string(r.Named[0].Blob.Inline)).To(Equal("oh"))
		})

		It("leaves all of a stream that goes to a file, however much that is, and nothing instead of a part", func() {
			const most = 3 << 20
			spec := &job.Spec{
				Module:     script(wasmtest.Times(most/1000, wasmtest.Print(strings.Repeat("x", 1000)))),
				StdoutFile: "out.txt", Outputs: []string{"out.txt"}, Results: []job.NamedResult{{Path: "out.txt", Name: "all"}},
			}
			r := run(spec)
			Expect(r.Success()).To(BeTrue(), r.Message)
			Expect(r.Named[0].Blob.Size).To(BeEquivalentTo(most / 1000 * 1000))
			spec.Limits.Stdout = most / 2
			r = run(spec)
			Expect(r.Kind).To(Equal(job.Incomplete))
			Expect(r.Outputs).To(BeEmpty())
			Expect(r.Missing).To(ContainElement(`output "out.txt": the program printed more than the 1572864 bytes that are kept`))
		})

		It("leaves named results: a file, all files of a directory each, and a directory as one archive, always the same", func() {
			spec := &job.Spec{Module: script(tree...), Dirs: []string{"out"}, Results: []job.NamedResult{
				{Path: "out/b", Name: "one"}, {Path: "out/*", Name: "all/*"}, {Path: "out", Name: "zip"},
			}}
			r := run(spec)
			Expect(r.Success()).To(BeTrue(), r.Message)
			var names []string
			for _, f := range r.Named {
				names = append(names, f.Name)
			}
			Expect(names).To(Equal([]string{"one", "all/b", "all/sub/a", "zip"}))
			zip := r.Named[3]
			Expect(zip.Zip).To(BeTrue())
			list, err := zipReader(zip.Blob.Inline)
			Expect(err).NotTo(HaveOccurred())
			Expect(list).To(Equal([]string{"b", "sub/", "sub/a"}))
			Expect(run(spec).Digest).To(Equal(r.Digest))
		})

		DescribeTable("fails when it ended well and others may wait for what it did not write",
			func(result job.NamedResult, why string) {
				r := run(&job.Spec{Module: script(tree...), Dirs: []string{"out"}, Outputs: []string{"out/b", "none"}, Results: []job.NamedResult{result, {Path: "out/b", Name: "one"}}})
				Expect(r.Kind).To(Equal(job.Incomplete))
				Expect(r.Success()).To(BeFalse())
				Expect(r.Message).To(Equal(why))
				Expect(r.Missing).To(ConsistOf(`output "none": the job did not write it`, why))
				Expect(r.Outputs).To(HaveLen(1), "others are kept")
				Expect(r.Named).To(HaveLen(1))
			},
			Entry("a file", job.NamedResult{Path: "out.txt", Name: "x/y"}, "named result x/y: the job did not write out.txt"),
			Entry("a directory of many", job.NamedResult{Path: "gone/*", Name: "x/*"}, "named result x/*: the job did not write gone/*"),
			Entry("a file where a directory was to be", job.NamedResult{Path: "out/b/*", Name: "x/*"}, "named result x/*: out/b: it is not a directory"),
			Entry("a link", job.NamedResult{Path: "out/link", Name: "x"}, "named result x: out/link: there is a link or a file on the way to it"),
		)

		It("keeps its own exit code when it did not write a named result", func() {
			r := run(&job.Spec{Module: script(wasmtest.Exit(3)), Results: []job.NamedResult{{Path: "x", Name: "x"}}})
			Expect(r.Kind).To(Equal(job.Exited))
			Expect(r.ExitCode).To(BeEquivalentTo(3))
			Expect(r.Missing).To(HaveLen(1))
		})

		It("has few bytes inside its result, and the rest stored", func() {
			var steps []wasmtest.Step
			for i := range 6 {
				steps = append(steps, write(fmt.Sprint("out/", i), 15_000))
			}
			r := run(&job.Spec{Module: script(steps...), Dirs: []string{"out"}, Outputs: []string{"out"}})
			inline := 0
			for _, f := range r.Outputs {
				inline += len(f.Blob.Inline)
			}
			Expect(r.Outputs).To(HaveLen(6))
			Expect(inline).To(Equal(4 * 15_000))
			Expect(s.kept).To(HaveLen(1), "equal bytes have one name")
		})

		It("is told when it left more files than a result lists, and what it left in one directory is zipped all the same", func() {
			steps := []wasmtest.Step{mkdir("out")}
			for i := range 33 {
				steps = append(steps, mkdir(fmt.Sprint("out/", i)))
				for k := range 32 {
					steps = append(steps, wasmtest.Open(0, fmt.Sprint("out/", i, "/", k), wasmtest.Create), wasmtest.Call("fd_close", wasmtest.At(wasmtest.FD(0))))
				}
			}
			r := run(&job.Spec{Module: script(steps...), Outputs: []string{"out"}, Results: []job.NamedResult{{Path: "out", Name: "all"}}})
			Expect(r.Missing).To(ConsistOf(ContainSubstring("there are more than 1024 files")))
			Expect(r.Named).To(HaveLen(1))
		})
	})
})

// zipReader lists the entries of an archive.
var _ = Describe("An executor of four slots", Label("RUN-5"), func() {
	It("compiles each module once, however many jobs want it at the same time, and not again in its next life", func(ctx SpecContext) {
		s, dir := &shelf{dir: GinkgoT().TempDir(), kept: map[[32]byte]string{}}, GinkgoT().TempDir()
		open := func() *Bench {
			b, err := Open(Config{
				Dir: filepath.Join(dir, "scratch"), CacheDir: filepath.Join(dir, "modules"), Slots: 4, Blobs: s, Log: slog.New(slog.NewTextHandler(GinkgoWriter, nil)),
			})
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(b.Close)
			return b
		}
		const modules, each = 3, 12
		var programs []job.Blob
		for i := range modules {
			programs = append(programs, s.put(wasmtest.Script([]wasmtest.Step{wasmtest.Exit(0), wasmtest.Touch(0, int64(3000+i))}))) // long enough to be met by all slots
		}
		runAll := func(b *Bench) {
			done := make(chan *job.Result, modules*each)
			for i := range modules * each {
				b.Run(Task{Spec: &job.Spec{Module: programs[i%modules]}, Home: "b1"}, func(r *job.Result) { done <- r })
			}
			for range modules * each {
				var r *job.Result
				Eventually(ctx, done).Should(Receive(&r))
				Expect(r.Kind).To(Equal(job.Exited), r.Message)
			}
		}
		first := open()
		runAll(first)
		Expect(first.Compiled()).To(BeEquivalentTo(modules))
		runAll(first)
		Expect(first.Compiled()).To(BeEquivalentTo(modules))
		first.Close()
		second := open()
		runAll(second)
		Expect(second.Compiled()).To(BeZero(), "it is on disk")
	}, SpecTimeout(2*time.Minute))
})

func zipReader(b []byte) (names []string, err error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names, nil
}
