package real_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/examples/modules"
)

func TestReal(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	suite, reporter := GinkgoConfiguration()
	if suite.LabelFilter == "" {
		suite.LabelFilter = "!long" // who asks for labels gets them: make real does
	}
	RunSpecs(t, "Real processes", suite, reporter)
}

// soon is more than anything here takes on a busy machine.
const soon = 30 * time.Second

// built is what all specs use: the binary, a program that sleeps, one that draws a number, one that turns the bits of a file, one that combines files, one that tells
// when it ran, and a place where nodes keep what they compiled.
var built struct{ ucp, sleep, dice, flip, weave, span, cache string }

var _ = SynchronizedBeforeSuite(func(ctx SpecContext) []byte {
	dir, err := os.MkdirTemp("", "ucp-real-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "ucp"), "github.com/urbancompute/ucp/cmd/ucp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", said)
	_, err = modules.Build(ctx, "sleep", dir)
	Expect(err).NotTo(HaveOccurred())
	for _, program := range []string{"dice", "flip", "weave", "span"} {
		build = exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, program+".wasm"), "-ldflags=-s -w", "github.com/urbancompute/ucp/bdd/real/"+program)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		said, err = build.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", said)
	}
	return []byte(dir)
}, func(dir []byte) {
	built.ucp, built.cache = filepath.Join(string(dir), "ucp"), filepath.Join(string(dir), "cache")
	built.sleep, built.dice = filepath.Join(string(dir), "sleep.wasm"), filepath.Join(string(dir), "dice.wasm")
	built.flip, built.weave = filepath.Join(string(dir), "flip.wasm"), filepath.Join(string(dir), "weave.wasm")
	built.span = filepath.Join(string(dir), "span.wasm")
}, NodeTimeout(10*time.Minute))
