// Package real tells what networks of real processes do: the built binary, on real disks, over TCP, with signals, strace and file systems for
// faults. Everything here has the label real.
package real
