package wasm

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// module is a compiled module, with a runtime of its own so that closing it frees everything it took.
type module struct {
	runtime     wazero.Runtime
	cache       wazero.CompilationCache
	compiled    wazero.CompiledModule
	size        int64 // of the file
	cost        int64 // what it takes in memory, about
	memoryBytes int64 // what a guest starts with
}

func (m *module) close() {
	ctx := context.Background()
	_ = m.runtime.Close(ctx) // nothing of it runs: there is nothing to fail
	_ = m.cache.Close(ctx)
}

// moduleCache keeps the modules used last, as many as fit in limit bytes, and always the newest.
type moduleCache struct {
	limit, used int64
	entries     map[Digest]*list.Element
	recent      *list.List // of *cachedModule, most recent first
}

type cachedModule struct {
	digest Digest
	*module
}

func newModuleCache(limit int64) *moduleCache {
	return &moduleCache{limit: limit, entries: make(map[Digest]*list.Element), recent: list.New()}
}

func (c *moduleCache) get(d Digest) *module {
	e, ok := c.entries[d]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cachedModule).module
}

func (c *moduleCache) add(d Digest, m *module) {
	c.entries[d] = c.recent.PushFront(&cachedModule{digest: d, module: m})
	c.used += m.cost
	for c.used > c.limit && c.recent.Len() > 1 {
		last := c.recent.Back()
		old := c.recent.Remove(last).(*cachedModule)
		delete(c.entries, old.digest)
		c.used -= old.cost
		old.close()
	}
}

// loadModule reads the module at path and compiles it, or takes its machine code from cacheDir, which holds that of this module
// alone. Errors are sentences for people.
func loadModule(path, cacheDir string, limit int64) (m *module, cached bool, err error) {
	// Compiling makes much garbage and keeps little: collecting less often is an eighth of the time. Not to collect at all needs a bound
	// on memory, and near that bound the collector takes all the time there is.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	code, err := readModule(path, limit)
	if err != nil {
		return nil, false, err
	}
	o, err := scan(code)
	if err != nil {
		return nil, false, err
	}
	if err := o.check(); err != nil {
		return nil, false, err
	}
	had := machineCode(cacheDir)
	m, err = compile(code, cacheDir)
	if err != nil && len(had) > 0 { // what is on disk may be damaged
		if err := os.RemoveAll(cacheDir); err != nil {
			return nil, false, fmt.Errorf("the cache of compiled modules cannot be mended: %w", err)
		}
		had = nil
		m, err = compile(code, cacheDir)
	}
	if err != nil {
		return nil, false, err
	}
	m.size, m.memoryBytes = int64(len(code)), o.memoryBytes
	have := machineCode(cacheDir)
	m.cost = m.size
	for _, f := range have {
		m.cost += f.bytes
	}
	return m, len(had) > 0 && maps.Equal(have, had), nil
}

func tooLarge(size, limit int64) error {
	return &RefusedError{
		Reason: fmt.Sprintf("the module has %d bytes, more than the limit of %d", size, limit),
		Limit:  LimitModule,
	}
}

func readModule(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the module cannot be read: %w", errors.Unwrap(err))
	}
	if st.Size() > limit {
		return nil, tooLarge(st.Size(), limit)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the module cannot be read: %w", err)
	}
	return code, nil
}

// codeFile tells a file that was written anew from one that was there.
type codeFile struct {
	bytes    int64
	modified int64 // in ns
}

// machineCode returns the files that wazero completed below dir, by name.
func machineCode(dir string) map[string]codeFile {
	files := make(map[string]codeFile)
	paths, _ := filepath.Glob(filepath.Join(dir, "*", "*")) // the pattern is well-formed
	for _, p := range paths {
		if st, err := os.Stat(p); err == nil && !strings.HasSuffix(p, ".tmp") {
			files[p] = codeFile{st.Size(), st.ModTime().UnixNano()}
		}
	}
	return files
}

func compile(code []byte, cacheDir string) (*module, error) {
	ctx := experimental.WithCompilationWorkers(context.Background(), runtime.NumCPU())
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("the cache of compiled modules cannot be used: %w", err)
	}
	config := wazero.NewRuntimeConfig().WithCompilationCache(cache).WithCoreFeatures(features)
	m := &module{cache: cache, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	if err := m.compile(ctx, code); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// compile refuses a module that makes the compiler panic like any other that is not valid: it is not the worker's fault.
func (m *module) compile(ctx context.Context, code []byte) (err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = refuse("the module is not valid: %s", firstLine(fmt.Sprint(failure)))
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return fmt.Errorf("WASI cannot be set up: %w", err)
	}
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err != nil {
		return refuse("the module is not valid: %s", firstLine(err.Error()))
	}
	return checkSignatures(m.runtime.Module(wasiModule), m.compiled)
}

// features are what guests may use: WebAssembly 2.0 and what compilers emit by default since.
const features = api.CoreFeaturesV2

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
