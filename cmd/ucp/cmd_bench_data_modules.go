package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// moduleOutput is what it took to start a module that nobody knew.
type moduleOutput struct {
	Bytes  int           `json:"bytes"`
	Upload millis        `json:"upload_ms"`
	Starts []startOutput `json:"starts"`
}

// startOutput is one run of it.
type startOutput struct {
	Executor string `json:"executor"`
	Run      int    `json:"run"`
	Started  millis `json:"started_ms"`
	Finished millis `json:"finished_ms"`
	Compile  millis `json:"compile_ms"`
}

// compilePatience is what the greatest modules may take to compile beside other work.
const compilePatience = 10 * time.Minute

// startsAtEach is how often a module is run at each executor.
const startsAtEach = 2

func (n *dataNetwork) firstStarts(ctx context.Context, size int64) (*moduleOutput, error) {
	code := wasm.Bulk(int(size), 1)
	began := time.Now()
	module, err := n.client.PutBytes(ctx, code)
	if err != nil {
		return nil, err
	}
	out := &moduleOutput{Bytes: len(code), Upload: millis(time.Since(began))}
	for _, executor := range []string{"e1", "e2"} {
		for run := range startsAtEach {
			start, err := n.timedStart(ctx, n.at(executor, module))
			if err != nil {
				return nil, fmt.Errorf("run %d at %s: %w", run+1, executor, err)
			}
			start.Executor, start.Run = executor, run+1
			out.Starts = append(out.Starts, start)
		}
	}
	return out, nil
}

// timedStart runs a job and watches it.
func (n *dataNetwork) timedStart(ctx context.Context, spec *client.Spec) (out startOutput, err error) {
	spec.Limits.CompileTimeout = compilePatience
	spec.Limits.Module = spec.Module.Size
	began := time.Now()
	s, err := n.client.Submit(ctx, spec)
	if err != nil {
		return out, err
	}
	for c := range s.Changes() {
		if out.Started == 0 && runner(c) != "" {
			out.Started = millis(time.Since(began))
		}
	}
	j, err := s.Wait(ctx)
	if err != nil {
		return out, err
	}
	if j.State() != job.StateAccepted {
		return out, fmt.Errorf("job %s is %s: %s", j.ID, j.State(), endOf(j).message)
	}
	out.Finished = millis(time.Since(began))
	if out.Started == 0 { // its end overtook the news that it runs
		out.Started = out.Finished
	}
	if r := endOf(j).result; r != nil {
		out.Compile = millis(r.Compile)
	}
	return out, nil
}

func (m *moduleOutput) rows() [][]string {
	rows := [][]string{{fmt.Sprintf("module of %s", bytesText(uint64(m.Bytes))), "uploaded in " + brief(m.Upload)}}
	for _, s := range m.Starts {
		rows = append(rows, []string{
			fmt.Sprintf("  %s, run %d", s.Executor, s.Run),
			fmt.Sprintf("started after %s, finished after %s, of which compiling %s", brief(s.Started), brief(s.Finished), brief(s.Compile)),
		})
	}
	return rows
}
