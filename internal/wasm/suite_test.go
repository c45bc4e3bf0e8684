package wasm_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/wasm"
	"github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

func TestMain(m *testing.M) {
	if wasm.IsWorker() {
		wasm.WorkerMain()
	}
	if module := os.Getenv(nodeMark); module != "" {
		beNode(module)
	}
	os.Exit(m.Run())
}

func TestWasm(t *testing.T) {
	RegisterFailHandler(Fail)
	EnforceDefaultTimeoutsWhenUsingContexts() // else an Eventually with a context waits for ever
	SetDefaultEventuallyTimeout(20 * time.Second)
	RunSpecs(t, "The sandbox")
}

// nodeMark makes this binary a node that runs the module it names, prints the number of its worker process and stays.
const nodeMark = "UCP_WASM_TEST_NODE"

func beNode(module string) {
	cache, err := wasm.NewCache(module+".cache", 0)
	if err != nil {
		panic(err)
	}
	w, err := wasm.NewWorker(wasm.Config{Cache: cache, Log: slog.Default()})
	if err != nil {
		panic(err)
	}
	ended := make(chan wasm.Outcome)
	w.Run(wasm.Request{Module: module, Digest: sha256.Sum256(spinning())}, wasm.IO{Stdout: pidPrinter{w}}, func(o wasm.Outcome) { ended <- o })
	panic(fmt.Sprint(<-ended))
}

// spinning returns a module that says so before it loops for ever.
func spinning() []byte {
	return wasmtest.Script([]wasmtest.Step{wasmtest.Print("begun"), wasmtest.Forever()})
}

// pidPrinter takes the first output of a guest for the sign that it runs.
type pidPrinter struct{ w *wasm.Worker }

func (p pidPrinter) Write(b []byte) (int, error) {
	fmt.Println(p.w.PID())
	return len(b), nil
}
