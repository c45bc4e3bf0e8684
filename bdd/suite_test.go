package bdd_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/wasm"
)

var suite *testing.T

func TestMain(m *testing.M) {
	if wasm.IsWorker() {
		wasm.WorkerMain()
	}
	os.Exit(m.Run())
}

func TestBehaviour(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(10 * time.Second)
	RunSpecs(t, "UCP")
}

// inVirtualTime runs body in a bubble in which hours pass as soon as every goroutine waits. The spec fails with body's first failed
// expectation.
func inVirtualTime(body func(g Gomega)) {
	GinkgoHelper()
	type stop struct{}
	failure := ""
	synctest.Test(suite, func(*testing.T) {
		defer pass(time.Minute) // the engine's own throttles and timers end
		defer func() {
			if r := recover(); r != nil && r != any(stop{}) {
				panic(r)
			}
		}()
		body(NewGomega(func(message string, _ ...int) {
			failure = message
			panic(stop{})
		}))
	})
	if failure != "" {
		Fail(failure)
	}
}

// pass lets d go by and everything come to rest. Only inside inVirtualTime.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
