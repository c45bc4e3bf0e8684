package actors_test

import (
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var suite *testing.T

func TestActors(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	RunSpecs(t, "Actors")
}

// inVirtualTime runs body in a bubble where hours pass as soon as every goroutine waits, and fails the spec with
// body's first failed expectation.
func inVirtualTime(body func(g Gomega)) {
	GinkgoHelper()
	type failed struct{}
	var failure string
	synctest.Test(suite, func(*testing.T) {
		defer pass(time.Minute) // let the engine's own throttles and timers end
		defer func() {
			if r := recover(); r != nil && r != any(failed{}) {
				panic(r)
			}
		}()
		body(NewGomega(func(message string, _ ...int) {
			failure = message
			panic(failed{})
		}))
	})
	if failure != "" {
		Fail(failure)
	}
}

// pass lets d go by and every actor come to rest. Use it inside inVirtualTime.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// newSystem is an actor system at an address, which says what it has to say where it is read only if a spec fails.
func newSystem(address string, log io.Writer) *actor.ActorSystem {
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(log, nil))
	}))
	system.ProcessRegistry.Address = address
	return system
}
