package wasm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// RefusedError says in one sentence why a module cannot run here.
type RefusedError struct {
	Reason string
	Limit  string // the limit that it is over, if that is why
}

// Error returns the sentence.
func (e *RefusedError) Error() string { return e.Reason }

func refuse(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// Check reads a module's outline and refuses, with a [*RefusedError], what no worker could run: bytes that are no module, a
// component, a truncated module, one without _start, imports beyond WASI preview 1. It takes microseconds and does not look at
// code: a worker may still refuse what passes.
func Check(module []byte) error {
	o, err := scan(module)
	if err != nil {
		return err
	}
	return o.check()
}

// outline is what can be said of a module without compiling it.
type outline struct {
	imports     []imported
	start       bool // exports a function _start
	functions   uint64
	bodies      uint64 // must be as many
	memoryBytes int64  // what its memory starts with
}

type imported struct {
	module, name string
	kind         byte // of the binary format: 0 function, 1 table, 2 memory, 3 global, 4 tag
}

const (
	wasiModule = "wasi_snapshot_preview1"
	pageBytes  = 64 << 10
)

var importKinds = [...]string{"", " (table)", " (memory)", " (global)", " (tag)"}

func (i imported) String() string {
	s := i.module + "." + i.name
	if int(i.kind) < len(importKinds) {
		s += importKinds[i.kind]
	}
	return s
}

func (o *outline) check() error {
	var missing []string
	for _, i := range o.imports {
		if i.module != wasiModule || i.kind != 0 || !wasiFunctions()[i.name] {
			missing = append(missing, i.String())
		}
	}
	if len(missing) > 0 {
		return refuse("the module imports what does not exist here: %s; only WASI preview 1 commands run", enumerate(missing))
	}
	if !o.start {
		return refuse("the module exports no _start function: it is a library, not a WASI command")
	}
	return nil
}

// enumerate joins names, sorted and without doubles, and stops at a length that a sentence bears.
func enumerate(names []string) string {
	const most = 20
	slices.Sort(names)
	names = slices.Compact(names)
	if more := len(names) - most; more > 0 {
		names = append(names[:most:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

var (
	magic          = []byte("\x00asm")
	coreVersion    = []byte{1, 0, 0, 0}
	componentLayer = []byte{1, 0}
)

func checkHeader(b []byte) error {
	switch {
	case len(b) == 0:
		return refuse("the module is empty")
	case !bytes.HasPrefix(b, magic[:min(len(b), 4)]):
		return refuse("this is not a WebAssembly module: it starts with % x instead of % x", b[:min(len(b), 4)], magic)
	case len(b) < 8:
		return refuse("the module is truncated: it ends after %d bytes", len(b))
	case bytes.Equal(b[6:8], componentLayer):
		return refuse("this is a WebAssembly component (preview 2); only core modules for WASI preview 1 run here, so build it for the wasm32-wasip1 target")
	case !bytes.Equal(b[4:8], coreVersion):
		return refuse("the module has WebAssembly version %d; only version 1 runs here", binary.LittleEndian.Uint32(b[4:]))
	}
	return nil
}

// scan walks the sections of a module.
func scan(module []byte) (*outline, error) {
	if err := checkHeader(module); err != nil {
		return nil, err
	}
	o := &outline{}
	for at := 8; at < len(module); {
		id := module[at]
		size, n := binary.Uvarint(module[at+1:])
		if n <= 0 {
			return nil, refuse("the module is truncated: it ends inside the header of section %d", id)
		}
		at += 1 + n
		if left := uint64(len(module) - at); size > left {
			return nil, refuse("the module is truncated: section %d has %d of its %d bytes", id, left, size)
		}
		end := at + int(size) //nolint:gosec // checked against what is left
		if err := o.section(id, &fields{b: module[at:end]}); err != nil {
			return nil, err
		}
		at = end
	}
	if o.functions != o.bodies {
		return nil, refuse("the module is truncated: it has code for %d of its %d functions", o.bodies, o.functions)
	}
	return o, nil
}

func (o *outline) section(id byte, f *fields) error {
	switch id {
	case 2:
		o.readImports(f)
	case 5:
		o.readMemory(f)
	case 3:
		o.functions = f.uint()
	case 7:
		o.readExports(f)
	case 10:
		o.bodies = f.uint()
	}
	if f.bad {
		return refuse("the module is damaged: section %d makes no sense", id)
	}
	return nil
}

func (o *outline) readImports(f *fields) {
	for n := f.uint(); n > 0 && !f.bad; n-- {
		i := imported{module: f.string(), name: f.string(), kind: f.byte()}
		i.skipType(f)
		o.imports = append(o.imports, i)
	}
}

func (i imported) skipType(f *fields) {
	switch i.kind {
	case 0: // type index
		f.uint()
	case 1: // reference type, limits
		f.byte()
		f.limits()
	case 2:
		f.limits()
	case 3: // value type, mutability
		f.bytes(2)
	case 4: // attribute, type index
		f.byte()
		f.uint()
	default:
		f.bad = true
	}
}

func (o *outline) readMemory(f *fields) {
	for n := f.uint(); n > 0 && !f.bad; n-- {
		o.memoryBytes += int64(min(f.limits(), 1<<32)) * pageBytes
	}
}

func (o *outline) readExports(f *fields) {
	for n := f.uint(); n > 0 && !f.bad; n-- {
		name, kind := f.string(), f.byte()
		f.uint()
		o.start = o.start || name == "_start" && kind == 0
	}
}

func (f *fields) byte() byte {
	if b := f.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// limits reads a limits structure and returns its minimum.
func (f *fields) limits() uint64 {
	flags := f.byte()
	least := f.uint()
	if flags&1 != 0 {
		f.uint()
	}
	return least
}
