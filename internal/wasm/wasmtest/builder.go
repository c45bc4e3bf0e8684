// Package wasmtest makes small WASI modules for specs and benchmarks, without any tool.
//
// A [Script] is a command whose _start is a list of steps: calls of WASI functions with constant arguments, loops, traps. Strings
// that arguments name lie in the module's memory. It is an assembler for programs that misbehave in one way each, and no more.
package wasmtest

import (
	"encoding/binary"
	"math"
	"slices"
)

// Arg is an argument of a call: it appends the code that pushes it.
type Arg func(b *builder)

// Step is a piece of code that leaves the stack as it was.
type Step func(b *builder)

// Opcodes and types of the binary format.
const (
	opUnreachable = 0x00
	opLoop        = 0x03
	opIf          = 0x04
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opCall        = 0x10
	opDrop        = 0x1a
	opI32Load     = 0x28
	opI32Store    = 0x36
	opI32Store8   = 0x3a
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42
	opI32Ne       = 0x47
	opI32Add      = 0x6a
	opI32LtU      = 0x49

	typeI32     = 0x7f
	typeI64     = 0x7e
	typeFuncref = 0x70
	blockVoid   = 0x40
)

// Memory layout of a script: results of calls from 0 on, strings above.
const (
	resultsAt = 0    // one byte an errno, in the order of Record steps
	scratchAt = 4096 // 4 KiB that steps may use as they like
	ioAt      = 8192 // a 60 KiB buffer for reads and writes
	stringsAt = 128 << 10
	pageBytes = 64 << 10
)

type signature struct {
	params string // 'i' for i32, 'I' for i64
	result bool   // an i32
}

// wasi are the functions a script may call.
var wasi = map[string]signature{
	"args_sizes_get":        {"ii", true},
	"clock_time_get":        {"iIi", true},
	"random_get":            {"ii", true},
	"proc_exit":             {"i", false},
	"sched_yield":           {"", true},
	"fd_read":               {"iiii", true},
	"fd_write":              {"iiii", true},
	"fd_close":              {"i", true},
	"fd_allocate":           {"iII", true},
	"fd_filestat_set_size":  {"iI", true},
	"path_open":             {"iiiiiIIii", true},
	"path_create_directory": {"iii", true},
	"path_remove_directory": {"iii", true},
	"path_unlink_file":      {"iii", true},
	"path_symlink":          {"iiiii", true},
	"path_link":             {"iiiiiii", true},
	"path_rename":           {"iiiiii", true},
	"path_readlink":         {"iiiiii", true},
	"path_filestat_get":     {"iiiii", true},
	"poll_oneoff":           {"iiii", true},
}

type builder struct {
	imports []string
	code    []byte
	data    []byte
	results int
	memory  uint32 // pages
	start   string
	table   bool
	wrong   bool // import fd_write with parameters it does not have
}

// Option changes what Script makes.
type Option func(b *builder)

// Memory makes the module start with so many pages of 64 KiB.
func Memory(pages uint32) Option { return func(b *builder) { b.memory = pages } }

// Export names the function otherwise called _start.
func Export(name string) Option { return func(b *builder) { b.start = name } }

// Script returns a module that does the steps, in order.
func Script(steps []Step, options ...Option) []byte {
	b := &builder{start: "_start", memory: stringsAt/pageBytes + 1}
	for _, o := range options {
		o(b)
	}
	for _, s := range steps {
		s(b)
	}
	return b.module()
}

func (b *builder) function(name string) uint64 {
	i := slices.Index(b.imports, name)
	if i < 0 {
		i = len(b.imports)
		b.imports = append(b.imports, name)
	}
	return uint64(i)
}

// place puts s into memory and returns its address.
func (b *builder) place(s string) uint32 {
	at := stringsAt + len(b.data)
	b.data = append(b.data, s...)
	for len(b.data)%8 != 0 {
		b.data = append(b.data, 0)
	}
	return uint32(at) //nolint:gosec // modules here are small
}

func (b *builder) op(ops ...byte) { b.code = append(b.code, ops...) }

func (b *builder) i32(v int64) { b.code = appendSigned(append(b.code, opI32Const), int64(int32(v))) } //nolint:gosec // addresses and flags
func (b *builder) i64(v int64) { b.code = appendSigned(append(b.code, opI64Const), v) }

// module puts the sections together.
func (b *builder) module() []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = appendSection(m, 1, b.types())
	m = appendSection(m, 2, b.importSection())
	m = appendSection(m, 3, []byte{1, 0})
	if b.table {
		m = appendSection(m, 4, []byte{1, typeFuncref, 0, 0})
	}
	m = appendSection(m, 5, binary.AppendUvarint([]byte{1, 0}, uint64(b.memory)))
	m = appendSection(m, 7, b.exports())
	body := append([]byte{0}, b.code...) // no locals
	body = append(body, opEnd)
	m = appendSection(m, 10, append(binary.AppendUvarint([]byte{1}, uint64(len(body))), body...))
	if len(b.data) > 0 {
		data := appendSigned([]byte{1, 0, opI32Const}, stringsAt)
		data = binary.AppendUvarint(append(data, opEnd), uint64(len(b.data)))
		m = appendSection(m, 11, append(data, b.data...))
	}
	return m
}

// types are the one of _start, then one for each import.
func (b *builder) types() []byte {
	t := binary.AppendUvarint(nil, uint64(len(b.imports)+1))
	t = append(t, 0x60, 0, 0)
	for _, name := range b.imports {
		s, known := wasi[name]
		if !known || b.wrong {
			s = signature{}
		}
		t = binary.AppendUvarint(append(t, 0x60), uint64(len(s.params)))
		for _, p := range s.params {
			t = append(t, map[rune]byte{'i': typeI32, 'I': typeI64}[p])
		}
		if s.result {
			t = append(t, 1, typeI32)
		} else {
			t = append(t, 0)
		}
	}
	return t
}

func (b *builder) importSection() []byte {
	s := binary.AppendUvarint(nil, uint64(len(b.imports)))
	for i, name := range b.imports {
		from := "wasi_snapshot_preview1"
		if _, known := wasi[name]; !known {
			from = "env"
		}
		s = appendName(appendName(s, from), name)
		s = binary.AppendUvarint(append(s, 0), uint64(i+1))
	}
	return s
}

func (b *builder) exports() []byte {
	s := appendName([]byte{2}, b.start)
	s = binary.AppendUvarint(append(s, 0), uint64(len(b.imports)))
	return append(appendName(s, "memory"), 2, 0)
}

func appendSection(m []byte, id byte, content []byte) []byte {
	return append(binary.AppendUvarint(append(m, id), uint64(len(content))), content...)
}

func appendName(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendSigned appends a signed LEB128.
func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// all is a right set with every bit, as programs ask for.
const all = math.MaxInt64
