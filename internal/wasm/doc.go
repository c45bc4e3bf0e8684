// Package wasm runs WASI preview 1 commands in a sandbox.
//
// The model: a [Worker] is one slot. It owns one long-lived worker process, which is this same binary executed again with a
// marker as its first argument, and feeds it one request at a time over a pipe. The guest runs inside that process, on wazero;
// the process border is what makes an endless loop stoppable and a crash cheap. A [Cache] is shared by all slots of a node: it
// lets each module be compiled once and keeps the machine code on disk.
//
//	node process                                   worker process (one a slot)
//	┌───────────────────────────┐   requests  →   ┌──────────────────────────────┐
//	│ Worker ── Cache (by hash) │   stdin    ⇄    │ modules in memory (LRU)      │
//	│   Run, Stop, Close        │   ←  stdout     │ guest: mmap memory, job FS,  │
//	└───────────────────────────┘   ←  outcome    │ counted stdio, own clock     │
//	                                              └──────────────────────────────┘
//
// Guarantees: the outcome callback of a run is called exactly once. After [Worker.Stop] it is called within 100 ms, whatever the
// guest, the standard input or the receiver of the output do. A worker never outlives its node. No host file is reachable but
// those below the job's directory. What ended a run is decided from records kept outside the guest; its exit code is only reported.
//
// What a crash loses: a killed worker process loses the run it was at and its modules in memory. The slot starts a new process
// with the next run, and loads modules from disk again.
//
// A binary that uses this package starts with:
//
//	if wasm.IsWorker() {
//		wasm.WorkerMain()
//	}
package wasm
