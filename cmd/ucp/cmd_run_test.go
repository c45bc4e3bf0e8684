package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// module writes a module that does the steps and returns its path.
func (u person) module(steps ...Step) string {
	GinkgoHelper()
	path := filepath.Join(u.dir, "module.wasm")
	Expect(os.WriteFile(path, Script(steps), 0o600)).To(Succeed())
	return path
}

// runsOn is runs with something to read on stdin.
func (u person) runsOn(ctx context.Context, stdin string, args ...string) answer {
	return u.runsAs(ctx, stdin, nil, args...)
}

// oneSentence matches a failure told in one line that begins with who speaks and contains parts.
func oneSentence(parts ...string) OmegaMatcher {
	matchers := []OmegaMatcher{HavePrefix("ucp: "), HaveSuffix("\n"), WithTransform(func(s string) int { return strings.Count(s, "\n") }, Equal(1))}
	for _, p := range parts {
		matchers = append(matchers, ContainSubstring(p))
	}
	return And(matchers...)
}

var _ = Describe("ucp run with no network configured", func() {
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

	It("prints what the program prints and ends with 0", func(ctx SpecContext) {
		a := u.runs(ctx, "run", u.module(Print("hello\n"), Complain("well\n")))
		Expect(a).To(Equal(answer{0, "hello\n", "well\n"}))
	}, SpecTimeout(soon))

	It("ends with the program's exit code, and says nothing about it", func(ctx SpecContext) {
		a := u.runs(ctx, "run", u.module(Print("out"), Exit(7)))
		Expect(a).To(Equal(answer{7, "out", ""}))
	}, SpecTimeout(soon))

	It("never turns an exit code into success that a process cannot carry", func(ctx SpecContext) {
		Expect(u.runs(ctx, "run", u.module(Exit(256))).code).To(Equal(255))
	}, SpecTimeout(soon))

	It("gives the program its own stdin", func(ctx SpecContext) {
		a := u.runsOn(ctx, "typed\nby hand\n", "run", u.module(Echo()))
		Expect(a).To(Equal(answer{0, "typed\nby hand\n", ""}))
	}, SpecTimeout(soon))

	It("gives the program a file for stdin, and files, and brings files back", func(ctx SpecContext) {
		in, out := u.file("in.txt", "from a file"), filepath.Join(u.dir, "out.txt")
		a := u.runs(ctx, "run", "--stdin", in, u.module(Echo()))
		Expect(a).To(Equal(answer{0, "from a file\n", ""}))
		a = u.runs(ctx, "run", "--file", "/data/in.txt="+in, u.module(OpenToRead(0, "data/in.txt"), Copy(At(FD(0)))))
		Expect(a).To(Equal(answer{0, "from a file\n", ""}))
		a = u.runs(ctx, "run", "--file", "copy.txt="+in, "--out", "/copy.txt="+out, u.module())
		Expect(a).To(Equal(answer{0, "", ""}))
		Expect(os.ReadFile(out)).To(BeEquivalentTo("from a file\n"))
	}, SpecTimeout(soon))

	It("says which output was not there", func(ctx SpecContext) {
		a := u.runs(ctx, "run", "--out", "nothing.txt="+filepath.Join(u.dir, "x"), u.module())
		Expect(a.code).To(Equal(125))
		Expect(a.stderr).To(oneSentence("nothing.txt"))
	}, SpecTimeout(soon))

	It("says that output was cut at its limit", func(ctx SpecContext) {
		a := u.runs(ctx, "run", "--stdout-limit", "3B", u.module(Print("hello")))
		Expect(a.code).To(Equal(0))
		Expect(a.stdout).To(Equal("hel"))
		Expect(a.stderr).To(oneSentence("stdout was cut after 3 bytes"))
	}, SpecTimeout(soon))

	It("ends with 124 after a timeout", Label("JOB-8"), func(ctx SpecContext) {
		a := u.runs(ctx, "run", "--timeout", "100ms", u.module(Forever()))
		Expect(a.code).To(Equal(124))
		Expect(a.stderr).To(oneSentence("too long", "100ms"))
	}, SpecTimeout(soon))

	It("ends with 125 when the program traps, and shows where", Label("RUN-6"), func(ctx SpecContext) {
		a := u.runs(ctx, "run", u.module(Trap()))
		Expect(a.code).To(Equal(125))
		Expect(a.stderr).To(And(HavePrefix("ucp: the program trapped: "), ContainSubstring("unreachable")))
	}, SpecTimeout(soon))

	It("tells why the job waits, and ends with 124 when it waited for too long", Label("JOB-9"), func(ctx SpecContext) {
		a := u.runs(ctx, "run", "--label", "location=moon", "--queue-timeout", "3s", u.module())
		Expect(a.code).To(Equal(124))
		Expect(a.stderr).To(And(ContainSubstring("waits: no executor can take it"), ContainSubstring("location=moon")))
	}, SpecTimeout(soon))

	It("prints one object with everything for programs", func(ctx SpecContext) {
		a := u.runs(ctx, "run", "--output", "json", u.module(Print("out"), Complain("err"), Exit(125)))
		Expect(a.code).To(Equal(125))
		var o map[string]any
		Expect(json.Unmarshal([]byte(a.stdout), &o)).To(Succeed())
		Expect(o).To(And(HaveKeyWithValue("exit_source", "module"), HaveKeyWithValue("exit_code", 125.0),
			HaveKeyWithValue("stdout", "out"), HaveKeyWithValue("stderr", "err"), HaveKeyWithValue("state", "failed")))
	}, SpecTimeout(soon))

	DescribeTable("tells in JSON whose exit code it is",
		func(ctx SpecContext, source string, flags []string, steps ...Step) {
			a := u.runs(ctx, append(append([]string{"run", "-o", "json"}, flags...), u.module(steps...))...)
			var o struct {
				Source string `json:"exit_source"`
				Error  string
			}
			Expect(json.Unmarshal([]byte(a.stdout), &o)).To(Succeed())
			Expect(o.Source).To(Equal(source))
			if source == "module" {
				Expect(o.Error).To(BeEmpty())
			} else {
				Expect(o.Error).NotTo(BeEmpty())
			}
		},
		Entry("the module's", "module", nil, Exit(1), SpecTimeout(soon)),
		Entry("a timeout's", "timeout", []string{"--timeout", "50ms"}, Forever(), SpecTimeout(soon)),
		Entry("ucp's own", "ucp", nil, Trap(), SpecTimeout(soon)),
		Entry("ucp's own, before anything ran", "ucp", []string{"--file", "a=/nowhere"}, Exit(0), SpecTimeout(soon)),
	)

	It("cancels the job at Ctrl-C and leaves nothing behind", Label("JOB-8", "real"), func(ctx SpecContext) {
		out := gbytes.NewBuffer()
		cmd := u.command(ctx, "run", u.module(Print("running\n"), Forever()))
		cmd.Env = append(cmd.Env, "TMPDIR="+filepath.Join(u.dir, "tmp"))
		errs := gbytes.NewBuffer()
		cmd.Stdout, cmd.Stderr = out, errs
		Expect(cmd.Start()).To(Succeed())
		Eventually(out, soon).WithContext(ctx).Should(gbytes.Say("running"))
		Expect(cmd.Process.Signal(syscall.SIGINT)).To(Succeed())
		Expect(cmd.Wait()).To(MatchError("exit status 125"))
		Expect(errs).To(gbytes.Say("cancelling job"))
		Expect(errs).To(gbytes.Say("ucp: the job was cancelled\n"))
	}, SpecTimeout(soon))

	It("starts no network for a module that cannot run", Label("RUN-1"), func(ctx SpecContext) {
		whole := Script([]Step{Print("x")})
		for name, code := range map[string][]byte{
			"is truncated":                whole[:len(whole)-3],
			"is not a WebAssembly module": []byte("#!/bin/sh\n"),
			"is empty":                    nil,
			"component":                   []byte("\x00asm\x0d\x00\x01\x00"),
			"no _start":                   Script(nil, Export("main")),
		} {
			path := filepath.Join(u.dir, "bad.wasm")
			Expect(os.WriteFile(path, code, 0o600)).To(Succeed())
			a := u.runs(ctx, "run", path)
			Expect(a.code).To(Equal(125))
			Expect(a.stderr).To(oneSentence(path, name))
		}
		a := u.runs(ctx, "run", filepath.Join(u.dir, "missing.wasm"))
		Expect(a.code).To(Equal(125))
		Expect(a.stderr).To(oneSentence("missing.wasm", "no such file"))
		Expect(filepath.Join(u.dir, "cache")).NotTo(BeADirectory())
	}, SpecTimeout(soon))
})

var _ = Describe("The command line of ucp run", func() {
	It("leaves everything after the module to the module", func() {
		cmd := newRunCommand(&app{})
		Expect(cmd.Flags().Parse([]string{"--env", "A=1", "m.wasm", "--timeout", "x", "--", "-v"})).To(Succeed())
		Expect(cmd.Flags().Args()).To(Equal([]string{"m.wasm", "--timeout", "x", "--", "-v"}))
		cmd = newRunCommand(&app{})
		Expect(cmd.Flags().Parse([]string{"--", "-odd-name.wasm", "-v"})).To(Succeed())
		Expect(cmd.Flags().Args()).To(Equal([]string{"-odd-name.wasm", "-v"}))
	})

	DescribeTable("ends with 125 and a sentence when it is wrong",
		func(ctx SpecContext, says string, args ...string) {
			u := somebody()
			a := u.runs(ctx, append([]string{"run"}, args...)...)
			Expect(a.code).To(Equal(125))
			Expect(a.stderr).To(oneSentence(says))
		},
		Entry("no module", "name the module to run"),
		Entry("an unknown flag", "unknown flag: --bogus", "--bogus", "m.wasm"),
		Entry("a size of two meanings", "64MiB", "--memory", "64M", "m.wasm"),
		Entry("a duration without a unit", "needs a unit", "--timeout", "5", "m.wasm"),
		Entry("half a pair", "A=B", "--file", "x", "m.wasm"),
	)
})

var _ = Describe("Verbs that need a network", func() {
	DescribeTable("end with 3 when none is configured, and say what to do",
		func(ctx SpecContext, args ...string) {
			a := somebody().runs(ctx, args...)
			Expect(a.code).To(Equal(3))
			Expect(a.stderr).To(oneSentence("ucp dev", "--broker"))
		},
		Entry("status", "status"),
		Entry("node list", "node", "list"),
		Entry("job list", "job", "list"),
		Entry("job show", "job", "show", "01ABC"),
	)

	It("end with 3 within 5 s when the broker does not answer", func(ctx SpecContext) {
		u := somebody()
		ca, err := identity.NewEphemeralCA("lab", time.Now())
		Expect(err).NotTo(HaveOccurred())
		dir := filepath.Join(u.dir, "identity")
		_, err = identity.Create(dir, ca, identity.Subject{Name: "me", Roles: []string{identity.RoleClient}}, time.Now(), 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(config.SaveContexts(filepath.Join(u.dir, "config", "contexts.yaml"), config.Contexts{
			Current: "lab", Items: map[string]config.Context{"lab": {Network: "lab", Brokers: []string{"127.0.0.1:1"}, Identity: dir}},
		})).To(Succeed())
		began := time.Now()
		a := u.runs(ctx, "status")
		Expect(a.code).To(Equal(3))
		Expect(a.stderr).To(oneSentence("127.0.0.1:1", "nobody listens there"))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Expect(u.runs(ctx, "run", u.module()).code).To(Equal(125), "the codes below are the module's")
	}, SpecTimeout(soon))

	DescribeTable("end with 2 when the command line is wrong",
		func(ctx SpecContext, says string, args ...string) {
			a := somebody().runs(ctx, args...)
			Expect(a.code).To(Equal(2))
			Expect(a.stderr).To(ContainSubstring(says))
		},
		Entry("an unknown verb", "did you mean status?", "stauts"),
		Entry("an unknown verb below one", "did you mean cancel?", "job", "cancle"),
		Entry("half a verb", "wants one of its commands", "job"),
		Entry("an argument too many", "extra", "status", "extra"),
		Entry("an argument too few", "the id of a job", "job", "show"),
		Entry("an unknown state", "queued, running", "job", "list", "--state", "lost"),
		Entry("an unknown form of output", "text or json", "status", "-o", "yaml"),
		Entry("an unknown level", "debug, info, warn or error", "status", "--log-level", "loud"),
		Entry("no jobs to bench", "--count must be from 1", "bench", "jobs", "--count", "0"),
		Entry("no rounds to bench", "--rounds must be from 1", "bench", "loss", "--rounds", "0"),
		Entry("an unknown loss", "kill, freeze, cut, broker", "bench", "loss", "--kind", "flood"),
	)
})
