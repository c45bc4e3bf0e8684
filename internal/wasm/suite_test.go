package wasm_test

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/wasm"
)

func TestMain(m *testing.M) {
	if wasm.IsWorker() {
		wasm.WorkerMain()
	}
	os.Exit(m.Run())
}

func TestWasm(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The sandbox")
}
