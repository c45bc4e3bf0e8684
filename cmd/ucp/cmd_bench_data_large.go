package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/wasm"
)

// largeOutput is the memory that nodes need while a blob passes that does not fit into it.
type largeOutput struct {
	Bytes int64         `json:"bytes"`
	In    passageOutput `json:"datastore_put"` // it comes to a datastore
	Out   passageOutput `json:"datastore_get"` // and leaves it again
	Job   passageOutput `json:"executor"`      // for an executor, which lays it out for a job
}

// passageOutput is the resident memory of one process, in bytes.
type passageOutput struct {
	Idle  int64  `json:"idle_rss_bytes"`
	Peak  int64  `json:"peak_rss_bytes"`
	Above int64  `json:"above_idle_bytes"`
	Took  millis `json:"took_ms"`
}

// large passes a blob through the network.
func (n *dataNetwork) large(ctx context.Context, size int64) (*largeOutput, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, noise(size, 0)); err != nil {
		return nil, err
	}
	out, d := &largeOutput{Bytes: size}, blob.Digest(sum.Sum(nil))
	store, executor := n.Node("s1"), n.Node("e1")
	var err error
	for node, p := range map[*lab.Node]*passageOutput{store: &out.In, executor: &out.Job} {
		if p.Idle, err = memoryOf(node, "VmRSS"); err != nil {
			return nil, fmt.Errorf("memory can be measured on Linux only: %w", err)
		}
	}
	out.Out.Idle = out.In.Idle // what the first passage leaves behind is no idling
	err = watchMemory(map[*lab.Node]*passageOutput{store: &out.In}, func() error {
		return n.blobs.Put(ctx, n.base(store.Name), d, size, noise(size, 0))
	})
	if err != nil {
		return nil, fmt.Errorf("putting %d bytes: %w", size, err)
	}
	err = watchMemory(map[*lab.Node]*passageOutput{store: &out.Out, executor: &out.Job}, func() error {
		spec := n.at(executor.Name, inline(wasm.Noop()))
		spec.Files = []client.File{{Path: "large", Blob: client.Blob{Digest: d, Size: uint64(size)}}}
		_, err := n.timedStart(ctx, spec)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("a job that gets %d bytes: %w", size, err)
	}
	return out, nil
}

// watchMemory tells what of their memory nodes need at most during a passage. The kernel keeps the peak; it is set back before.
func watchMemory(of map[*lab.Node]*passageOutput, passage func() error) error {
	for node := range of {
		if err := os.WriteFile(procFile(node, "clear_refs"), []byte("5"), 0); err != nil { // see proc_pid_clear_refs(5)
			return err
		}
	}
	began := time.Now()
	if err := passage(); err != nil {
		return err
	}
	took := millis(time.Since(began))
	for node, p := range of {
		var err error
		if p.Peak, err = memoryOf(node, "VmHWM"); err != nil {
			return err
		}
		p.Above, p.Took = p.Peak-p.Idle, took
	}
	return nil
}

func procFile(n *lab.Node, name string) string {
	return filepath.Join("/proc", strconv.Itoa(n.Pid()), name)
}

// memoryOf reads a size from the status of a node's process, in bytes.
func memoryOf(n *lab.Node, field string) (int64, error) {
	status, err := os.ReadFile(procFile(n, "status"))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), field+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel does not tell %s of node %s", field, n.Name)
}

func (l *largeOutput) rows() [][]string {
	row := func(what string, p passageOutput) []string {
		return []string{what, fmt.Sprintf("%s idle, %s at most: %s above idle, in %s", memoryText(p.Idle), memoryText(p.Peak), memoryText(p.Above), brief(p.Took))}
	}
	return [][]string{
		{"blob of " + bytesText(uint64(l.Bytes)), "resident memory"},
		row("  datastore, put", l.In), row("  datastore, got from", l.Out), row("  executor", l.Job),
	}
}

func memoryText(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
