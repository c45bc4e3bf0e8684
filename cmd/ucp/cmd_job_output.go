package main

import (
	"encoding/hex"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// jobOutput is a job in JSON.
type jobOutput struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	State      string            `json:"state"`
	Waiting    string            `json:"waiting,omitempty"`
	Final      bool              `json:"final"`
	Why        string            `json:"provisional,omitempty"` // why an end is not final
	Created    instant           `json:"created"`
	Submitter  string            `json:"submitter"`
	Receiver   string            `json:"receiver,omitempty"` // whom the results are meant for; whoever submitted it if there is none
	Owner      string            `json:"owner"`
	OwnerName  string            `json:"owner_name,omitempty"`
	Module     string            `json:"module"`
	Args       []string          `json:"args"`
	Labels     map[string]string `json:"labels"`
	Priority   uint8             `json:"priority"`
	Retries    uint32            `json:"retries"`
	Failures   uint32            `json:"failures"`
	Cancel     *cancelOutput     `json:"cancel,omitempty"`
	Verdict    *verdictOutput    `json:"verdict,omitempty"`
	Result     *resultOutput     `json:"result,omitempty"`
	Attempts   []attemptOutput   `json:"attempts"`
	Rejections []rejectionOutput `json:"rejections"`
}

type cancelOutput struct {
	By string  `json:"by"`
	At instant `json:"at"`
}

type verdictOutput struct {
	Kind         string  `json:"kind"`
	Attempt      uint32  `json:"attempt,omitempty"`
	Executor     string  `json:"executor,omitempty"`
	ExecutorName string  `json:"executor_name,omitempty"`
	Reason       string  `json:"reason,omitempty"`
	At           instant `json:"at"`
}

type attemptOutput struct {
	Attempt      uint32  `json:"attempt"`
	Ownership    string  `json:"ownership"`
	Executor     string  `json:"executor"`
	ExecutorName string  `json:"executor_name,omitempty"`
	State        string  `json:"state"`
	Note         string  `json:"note,omitempty"`
	Lease        uint64  `json:"lease"`
	Placed       instant `json:"placed"`
	Ended        instant `json:"ended"`
}

type rejectionOutput struct {
	Attempt      uint32  `json:"attempt"`
	Ownership    string  `json:"ownership"`
	Executor     string  `json:"executor"`
	ExecutorName string  `json:"executor_name,omitempty"`
	Why          string  `json:"why"`
	Digest       string  `json:"digest,omitempty"` // equal or different, if there is an accepted one
	At           instant `json:"at"`
}

type resultOutput struct {
	Kind     string       `json:"kind"`
	ExitCode *uint32      `json:"exit_code,omitempty"`
	Message  string       `json:"message,omitempty"`
	Trap     string       `json:"trap,omitempty"`
	Limit    string       `json:"limit,omitempty"`
	Digest   string       `json:"digest"`
	Stdout   streamOutput `json:"stdout"`
	Stderr   streamOutput `json:"stderr"`
	Outputs  []fileOutput `json:"outputs"`
	Missing  []string     `json:"missing"`
	Compile  millis       `json:"compile_ms"`
	Run      millis       `json:"run_ms"`
}

type streamOutput struct {
	Bytes     uint64 `json:"bytes"`
	Digest    string `json:"digest,omitempty"`
	Truncated bool   `json:"truncated"`
}

type fileOutput struct {
	Path   string `json:"path"`
	Bytes  uint64 `json:"bytes"`
	Digest string `json:"digest"`
}

func jobOutputOf(c client.Change) jobOutput {
	j, t := c.Job, c.Job.Current()
	out := jobOutput{
		ID: string(j.ID), Name: j.Spec.Name, State: string(j.State()), Created: instant(j.Created), Submitter: j.Spec.Submitter, Receiver: j.Spec.Receiver,
		Owner: t.Node, OwnerName: c.Names[t.Node], Module: hex.EncodeToString(j.Spec.Module.Digest[:]), Priority: j.Spec.Priority, Retries: j.Spec.Retries, Failures: t.Failures,
		Attempts: []attemptOutput{}, Rejections: []rejectionOutput{},
	}
	out.Final, out.Why = c.Final, c.Provisional()
	out.Args, out.Labels = append([]string{}, j.Spec.Args...), labelsOf(j.Spec.Needs.Labels)
	if !j.State().Terminal() {
		out.Waiting = firstOf(c.Waiting, t.Waiting)
	}
	if j.Cancel != nil {
		out.Cancel = &cancelOutput{j.Cancel.By, instant(j.Cancel.At)}
	}
	for _, t := range j.Tenures {
		for _, at := range t.Attempts {
			out.Attempts = append(out.Attempts, attemptOutputOf(at, c))
		}
		for _, r := range t.Rejected {
			out.Rejections = append(out.Rejections, rejectionOutputOf(r, c))
		}
	}
	if v, _ := j.Winner(); v != nil {
		out.Verdict = &verdictOutput{v.Kind.String(), v.Attempt.N, v.Executor, c.Names[v.Executor], v.Reason, instant(v.At)}
		out.Result = resultOutputOf(v.Result)
	}
	return out
}

// labelsOf makes no labels an empty object in JSON, not null.
func labelsOf(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

func attemptOutputOf(at client.Attempt, c client.Change) attemptOutput {
	return attemptOutput{
		Attempt: at.Name.N, Ownership: at.Name.Owner.String(), Executor: at.Executor, ExecutorName: c.Names[at.Executor],
		State: at.State.String(), Note: at.Note, Lease: at.Lease, Placed: instant(at.Placed), Ended: instant(at.Ended),
	}
}

func rejectionOutputOf(r client.Rejection, c client.Change) rejectionOutput {
	out := rejectionOutput{
		Attempt: r.Attempt.N, Ownership: r.Attempt.Owner.String(), Executor: r.Executor, ExecutorName: c.Names[r.Executor],
		Why: r.Why.String(), At: instant(r.At),
	}
	switch r.Why {
	case job.EqualDigest:
		out.Digest = "equal"
	case job.DifferentDigest:
		out.Digest = "different"
	case job.UnknownAttempt, job.AfterVerdict, job.Outdated:
	}
	return out
}

func resultOutputOf(r *client.Result) *resultOutput {
	if r == nil {
		return nil
	}
	out := &resultOutput{
		Kind: r.Kind.String(), Message: r.Message, Trap: r.Trap, Limit: r.Limit, Digest: hex.EncodeToString(r.Digest[:]),
		Stdout: streamOutputOf(r.Stdout, r.Truncated.Stdout), Stderr: streamOutputOf(r.Stderr, r.Truncated.Stderr),
		Outputs: []fileOutput{}, Missing: append([]string{}, r.Missing...), Compile: millis(r.Compile), Run: millis(r.Run),
	}
	if r.Kind == job.Exited || r.Kind == job.LimitHit && r.Trap == "" {
		out.ExitCode = &r.ExitCode
	}
	for _, f := range r.Outputs {
		out.Outputs = append(out.Outputs, fileOutput{f.Path, f.Blob.Size, hex.EncodeToString(f.Blob.Digest[:])})
	}
	return out
}

func streamOutputOf(b client.Blob, truncated bool) streamOutput {
	out := streamOutput{Bytes: b.Size, Truncated: truncated}
	if b.Size > 0 {
		out.Digest = hex.EncodeToString(b.Digest[:])
	}
	return out
}
