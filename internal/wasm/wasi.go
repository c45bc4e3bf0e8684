package wasm

import (
	"context"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Engine names what executes guests on this machine: "wazero-compiler" or, 60 to 140 times slower, "wazero-interpreter".
// Executors advertise it and placement weighs it.
func Engine() string {
	if compilerExists() {
		return "wazero-compiler"
	}
	return "wazero-interpreter"
}

func compilerExists() bool {
	switch runtime.GOOS {
	case "linux", "darwin", "freebsd", "netbsd", "dragonfly", "windows", "solaris", "illumos":
		return runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"
	}
	return false
}

// wasiFunctions returns the names of all functions of WASI preview 1 that exist here.
var wasiFunctions = sync.OnceValue(func() map[string]bool {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	names := make(map[string]bool)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return names
	}
	for name := range r.Module(wasiModule).ExportedFunctionDefinitions() {
		names[name] = true
	}
	return names
})

// checkSignatures refuses a module that imports a WASI function with parameters or results other than its own.
func checkSignatures(wasi api.Module, module wazero.CompiledModule) error {
	have := wasi.ExportedFunctionDefinitions()
	var wrong []string
	for _, f := range module.ImportedFunctions() {
		from, name, _ := f.Import()
		if d, ok := have[name]; !ok || !sameSignature(d, f) {
			wrong = append(wrong, from+"."+name)
		}
	}
	if len(wrong) > 0 {
		return refuse("the module imports WASI functions with the wrong parameters: %s", enumerate(wrong))
	}
	return nil
}

func sameSignature(a, b api.FunctionDefinition) bool {
	return string(a.ParamTypes()) == string(b.ParamTypes()) && string(a.ResultTypes()) == string(b.ResultTypes())
}
