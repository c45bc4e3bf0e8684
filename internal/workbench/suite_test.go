package workbench

import (
	"os"
	"testing"
	"time"

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

func TestWorkbench(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(10 * time.Second)
	RunSpecs(t, "The workbench")
}
