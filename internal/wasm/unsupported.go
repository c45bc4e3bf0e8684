//go:build !unix

package wasm

import (
	"errors"
	"os"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
	esys "github.com/tetratelabs/wazero/experimental/sys"
)

// errUnsupported is returned where the sandbox cannot be built: it needs the calls of a Unix.
var errUnsupported = errors.New("modules cannot be run on this system: the sandbox needs Linux or another Unix")

func confine(workerSettings) error { return errUnsupported }

func newPipe() (pipe, error) { return pipe{}, errUnsupported }

func sandboxed() *syscall.SysProcAttr { return nil }

func selfExe() (string, error) { return "", errUnsupported }

func pollReadable(*os.File, int32) bool { return false }

type guestMemory struct {
	limit  uint64
	denied bool
}

type noMemory struct{ err error }

func (m *guestMemory) Allocate(uint64, uint64) experimental.LinearMemory {
	panic(noMemory{errUnsupported})
}

func (m *guestMemory) Free() {}

type jobFS struct {
	esys.UnimplementedFS
	quota *quota
}

func openJobFS(string, Limits) (*jobFS, error) { return nil, errUnsupported }

func (f *jobFS) close() {}

// Output is a regular file that a job left behind.
type Output struct {
	Name string
	Size int64
}

// Collect is not possible where nothing can be run.
func Collect(*os.Root, ...string) ([]Output, error) { return nil, errUnsupported }

// CollectUpTo is not possible where nothing can be run.
func CollectUpTo(*os.Root, int, ...string) ([]Output, error) { return nil, errUnsupported }

// OpenOutput is not possible where nothing can be run.
func OpenOutput(*os.Root, string) (*os.File, error) { return nil, errUnsupported }
