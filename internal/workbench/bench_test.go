package workbench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

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
})
