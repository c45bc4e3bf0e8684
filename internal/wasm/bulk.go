package wasm

import (
	"encoding/binary"
	"math/rand/v2"
)

// Bulk returns a WASI command of about that many bytes, nearly all of them code, which is compiled and never run: its _start does nothing. It measures
// what a large module costs before it runs. Modules of different seeds differ.
func Bulk(size int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, uint64(max(0, size))))
	code := []byte{0x02, 0x00, 0x0b} // the code of function 0, _start: 2 bytes, no locals, end
	count := uint64(1)
	for ; len(code) < size; count++ {
		code = appendSized(code, bulkFunction(random))
	}
	types := make([]byte, count) // all of type 0
	module := []byte{
		0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version 1
		0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // type 0: func()
	}
	module = appendSection(module, 0x03, binary.AppendUvarint(nil, count), types)
	module = append(module, 0x05, 0x03, 0x01, 0x00, 0x01)                                     // a memory of one page
	module = append(module, 0x07, 0x0a, 0x01, 0x06, '_', 's', 't', 'a', 'r', 't', 0x00, 0x00) // export _start
	return appendSection(module, 0x0a, binary.AppendUvarint(nil, count), code)
}

// bulkSteps makes a function of about 2 KiB.
const bulkSteps = 64

// bulkFunction is code as compilers make it, in kind: arithmetic on locals, loads and stores, branches, and calls.
func bulkFunction(random *rand.Rand) []byte {
	f := []byte{0x01, 0x03, 0x7f} // three locals of type i32
	for range bulkSteps {
		f = append(f, 0x20, 0x00, 0x41) // local.get 0, i32.const
		f = appendSigned(f, random.Int32())
		f = append(f, 0x6a, 0x22, 0x01) // i32.add, local.tee 1
		f = append(f, 0x41)             // i32.const
		f = appendSigned(f, random.Int32N(32))
		f = append(f, 0x77, 0x20, 0x02, 0x73, 0x21, 0x00) // i32.rotl, local.get 2, i32.xor, local.set 0
		f = append(f, 0x41)                               // i32.const: an address
		f = appendSigned(f, random.Int32N(1<<14)*4)
		f = append(f, 0x20, 0x00, 0x36, 0x02, 0x00)                   // local.get 0, i32.store
		f = append(f, 0x20, 0x01, 0x04, 0x40, 0x10, 0x00, 0x05, 0x20) // local.get 1, if, call 0, else, local.get
		f = append(f, 0x00, 0x21, 0x02, 0x0b)                         // 0, local.set 2, end
	}
	return append(f, 0x0b)
}

func appendSection(to []byte, id byte, parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return appendSized(append(to, id), all)
}

func appendSized(to, what []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(what))), what...)
}

// appendSigned appends v as signed LEB128.
func appendSigned(to []byte, v int32) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(to, low)
		}
		to = append(to, low|0x80)
	}
}
