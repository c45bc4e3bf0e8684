//go:build unix

package wasm

import "golang.org/x/sys/unix"

// niceness is how much a worker leaves the processor to others, as nice(1) counts.
const niceness = 5

// stepBack gives the node precedence over the guest: on a machine at full load its heartbeats must still be on time. All threads of the worker
// are meant, which a process group of its own reaches. Where this is refused they share alike.
func stepBack() { _ = unix.Setpriority(unix.PRIO_PGRP, 0, niceness) }
