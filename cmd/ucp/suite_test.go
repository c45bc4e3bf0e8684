package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/wasm"
)

// asUCP is the variable that makes this test binary the program ucp.
const asUCP = "RUN_AS_UCP"

func TestMain(m *testing.M) {
	if wasm.IsWorker() || os.Getenv(asUCP) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestUCP(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The command line")
}

// soon is more than anything here takes on a busy machine.
const soon = 30 * time.Second

// person is somebody with directories of their own.
type person struct{ dir string }

func somebody() person { return person{GinkgoT().TempDir()} }

// variables are the user's whole environment.
func (u person) variables(more ...string) []string {
	return append([]string{
		"HOME=" + u.dir, "UCP_CONFIG_DIR=" + filepath.Join(u.dir, "config"), "UCP_DATA_DIR=" + filepath.Join(u.dir, "data"),
		"UCP_CACHE_DIR=" + filepath.Join(u.dir, "cache"),
	}, more...)
}

// network starts one with an executor of so many slots in this process, which is the user's from now on.
func (u person) network(ctx context.Context, slots int) {
	GinkgoHelper()
	dev, err := cluster.StartDev(ctx, cluster.DevConfig{
		Dir: filepath.Join(u.dir, "dev"), Host: "127.0.0.1", Executors: 1, Slots: slots, Version: "v-test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(dev.Close)
	Expect(config.SaveContexts(filepath.Join(u.dir, "config", "contexts.yaml"), config.Contexts{
		Current: "dev", Items: map[string]config.Context{"dev": {Network: "dev", Brokers: []string{dev.Broker.Addr()}, Identity: dev.Client}},
	})).To(Succeed())
}

// file writes a file of the user's and returns its path.
func (u person) file(name string, lines ...string) string {
	GinkgoHelper()
	path := filepath.Join(u.dir, name)
	Expect(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)).To(Succeed())
	return path
}

// contexts are the user's saved networks.
func (u person) contexts() config.Contexts {
	GinkgoHelper()
	saved, err := config.LoadContexts(filepath.Join(u.dir, "config", "contexts.yaml"))
	Expect(err).NotTo(HaveOccurred())
	return saved
}

// answer is what a command said.
type answer struct {
	code           int
	stdout, stderr string
}

// runs runs ucp in this process.
func (u person) runs(ctx context.Context, args ...string) answer {
	return u.runsWith(ctx, nil, args...)
}

// runsWith is runs with more variables.
func (u person) runsWith(ctx context.Context, variables []string, args ...string) answer {
	return u.runsAs(ctx, "", variables, args...)
}

func (u person) runsAs(ctx context.Context, stdin string, variables []string, args ...string) answer {
	out, errs := gbytes.NewBuffer(), gbytes.NewBuffer() // as a terminal, they take what several goroutines say
	a := &app{stdin: strings.NewReader(stdin), stdout: out, stderr: errs, env: config.NewEnvironment(u.variables(variables...), 1000)}
	code := a.main(ctx, args)
	return answer{code, string(out.Contents()), string(errs.Contents())}
}

// command is ucp in a process of its own, not started yet.
func (u person) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env, cmd.Dir = u.variables(asUCP+"=1", "GORACE=atexit_sleep_ms=0"), u.dir
	return cmd
}
