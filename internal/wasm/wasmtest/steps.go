package wasmtest

import (
	"encoding/binary"
	"math"
	"time"
)

// I32 is a number, or a descriptor, or an address.
func I32(v int64) Arg { return func(b *builder) { b.i32(v) } }

// I64 is a 64-bit number.
func I64(v int64) Arg { return func(b *builder) { b.i64(v) } }

// Str is the address of s, and its length: two arguments.
func Str(s string) Arg {
	return func(b *builder) {
		b.i32(int64(b.place(s)))
		b.i32(int64(len(s)))
	}
}

// At is the 32-bit number at an address, such as a descriptor that path_open stored there.
func At(address int64) Arg {
	return func(b *builder) {
		b.i32(address)
		b.op(opI32Load, 2, 0)
	}
}

// FD is the place, for [At], where [Open] stores the descriptor of the file opened as number n, from 0 to 99.
func FD(n int64) int64 { return scratchAt + 1024 + 4*n }

// Call calls a function and drops its result. A function that WASI does not have is imported from "env".
func Call(name string, args ...Arg) Step {
	return func(b *builder) {
		b.call(name, args)
		if wasi[name].result {
			b.op(opDrop)
		}
	}
}

func (b *builder) call(name string, args []Arg) {
	for _, a := range args {
		a(b)
	}
	b.code = binary.AppendUvarint(append(b.code, opCall), b.function(name))
}

// Record calls a function and keeps its errno for [Verdicts].
func Record(name string, args ...Arg) Step {
	return func(b *builder) {
		b.i32(int64(resultsAt + b.results))
		b.results++
		b.call(name, args)
		b.op(opI32Store8, 0, 0)
	}
}

// Verdicts writes all recorded errnos to the standard output, a byte each.
func Verdicts() Step {
	return func(b *builder) {
		write(b, 1, I32(resultsAt), I32(int64(b.results)))
	}
}

// write makes an iovec of address and length and writes it to a descriptor.
func write(b *builder, fd int64, vector ...Arg) {
	writeTo(b, I32(fd), vector...)
}

func writeTo(b *builder, fd Arg, vector ...Arg) {
	iovec(b, vector...)
	b.call("fd_write", []Arg{fd, I32(scratchAt), I32(1), I32(scratchAt + 8)})
	b.op(opDrop)
}

// iovec stores an address and a length for a read or write.
func iovec(b *builder, vector ...Arg) {
	for i, part := range vector {
		b.i32(scratchAt + 4*int64(i))
		part(b)
		b.op(opI32Store, 2, 0)
	}
}

// Print writes s to the standard output.
func Print(s string) Step { return printTo(1, s) }

// Complain writes s to the standard error.
func Complain(s string) Step { return printTo(2, s) }

func printTo(fd int64, s string) Step {
	return func(b *builder) { write(b, fd, I32(int64(b.place(s))), I32(int64(len(s)))) }
}

// Write writes n bytes of zero, up to 60 KiB, to a descriptor.
func Write(fd Arg, n int64) Step {
	return func(b *builder) { writeTo(b, fd, I32(ioAt), I32(n)) }
}

// RecordWrite writes n bytes, up to 60 KiB, and keeps the errno.
func RecordWrite(fd Arg, n int64) Step {
	return func(b *builder) {
		iovec(b, I32(ioAt), I32(n))
		Record("fd_write", fd, I32(scratchAt), I32(1), I32(scratchAt+8))(b)
	}
}

// Copy reads once, up to 60 KiB, and writes what came to the standard output.
func Copy(fd Arg) Step {
	return func(b *builder) {
		read(b, fd)
		write(b, 1, I32(ioAt), At(scratchAt+8))
	}
}

func read(b *builder, fd Arg) {
	iovec(b, I32(ioAt), I32(60<<10))
	b.call("fd_read", []Arg{fd, I32(scratchAt), I32(1), I32(scratchAt + 8)})
	b.op(opDrop)
}

// Echo copies the standard input to the standard output until it ends.
func Echo() Step {
	return func(b *builder) {
		b.op(opLoop, blockVoid)
		Copy(I32(0))(b)
		At(scratchAt + 8)(b)
		b.op(opBrIf, 0, opEnd)
	}
}

// The flags of Open.
const (
	Create    = 1
	Directory = 2
	Exclusive = 4
	Truncate  = 8
)

// Open opens a path below the job directory, following links, keeps the errno, and stores the descriptor at FD(n).
func Open(n int64, path string, flags int64) Step {
	rights := int64(all)
	if flags&Directory != 0 {
		rights = 1 << 1 // to read it
	}
	return Record("path_open", I32(3), I32(1), Str(path), I32(flags), I64(rights), I64(all), I32(0), I32(FD(n)))
}

// OpenToRead opens a path to read it.
func OpenToRead(n int64, path string) Step {
	return Record("path_open", I32(3), I32(1), Str(path), I32(0), I64(1<<1), I64(0), I32(0), I32(FD(n)))
}

// Sleep waits with poll_oneoff.
func Sleep(d time.Duration) Step {
	sub := make([]byte, 48) // userdata, clock, realtime
	binary.LittleEndian.PutUint64(sub[24:], uint64(d))
	return func(b *builder) {
		b.call("poll_oneoff", []Arg{I32(int64(b.place(string(sub)))), I32(scratchAt), I32(1), I32(scratchAt + 64)})
		b.op(opDrop)
	}
}

// AwaitInput waits with poll_oneoff until there is standard input, or a time has passed.
func AwaitInput(d time.Duration) Step {
	subs := make([]byte, 96) // the clock, then the input
	binary.LittleEndian.PutUint64(subs[24:], uint64(d))
	subs[48+8] = 1 // fd_read
	return func(b *builder) {
		b.call("poll_oneoff", []Arg{I32(int64(b.place(string(subs)))), I32(scratchAt), I32(2), I32(scratchAt + 64)})
		b.op(opDrop)
	}
}

// Exit ends the run with a code.
func Exit(code uint32) Step { return Call("proc_exit", I32(int64(code))) }

// Trap executes unreachable.
func Trap() Step { return func(b *builder) { b.op(opUnreachable) } }

// Forever repeats steps without end; with none it is the endless loop.
func Forever(steps ...Step) Step {
	return func(b *builder) {
		b.op(opLoop, blockVoid)
		for _, s := range steps {
			s(b)
		}
		b.op(opBr, 0, opEnd)
	}
}

// Times repeats steps n times. It does not nest.
func Times(n int64, steps ...Step) Step {
	const counter = scratchAt + 2048
	return func(b *builder) {
		store(b, counter, I32(0))
		b.op(opLoop, blockVoid)
		for _, s := range steps {
			s(b)
		}
		store(b, counter, func(b *builder) {
			At(counter)(b)
			b.i32(1)
			b.op(opI32Add)
		})
		At(counter)(b)
		b.i32(n)
		b.op(opI32LtU, opBrIf, 0, opEnd)
	}
}

func store(b *builder, at int64, v Arg) {
	b.i32(at)
	v(b)
	b.op(opI32Store, 2, 0)
}

// Grow asks for so many pages of memory, and traps if it is refused them.
func Grow(pages int64) Step {
	return func(b *builder) {
		b.i32(pages)
		b.op(opMemoryGrow, 0)
		b.i32(-1)
		b.op(opI32Ne, opIf, blockVoid, 0x05, opUnreachable, opEnd) // if … else unreachable
	}
}

// TryGrow asks for so many pages of memory, and does not care.
func TryGrow(pages int64) Step {
	return func(b *builder) {
		b.i32(pages)
		b.op(opMemoryGrow, 0, opDrop)
	}
}

// GrowTable asks for n more elements of a table, and does not care.
func GrowTable(n int64) Step {
	return func(b *builder) {
		b.table = true
		b.op(0xd0, typeFuncref) // ref.null func
		b.i32(n)
		b.op(0xfc, 0x0f, 0, opDrop) // table.grow
	}
}

// Touch writes to the first byte of each page of memory from one number up to another, so that the system has to provide them.
func Touch(from, to int64) Step {
	return func(b *builder) {
		for p := from; p < to; p++ {
			b.i32(p * pageBytes)
			b.i32(1)
			b.op(opI32Store8, 0, 0)
		}
	}
}

// WrongSignature makes all imports take no parameters.
func WrongSignature() Option { return func(b *builder) { b.wrong = true } }

// Component returns the header of a component, and a custom section.
func Component() []byte { return append([]byte("\x00asm\x0d\x00\x01\x00"), 0, 2, 1, 'x') }

// Endless returns the endless loop.
func Endless() []byte { return Script([]Step{Forever()}) }

// Sizes of memory, in pages.
const (
	FourGiB = math.MaxUint16 + 1 // the most that WebAssembly has addresses for
	TooMuch = FourGiB + 1
)
