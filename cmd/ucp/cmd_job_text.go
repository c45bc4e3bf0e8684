package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
)

// short is the part of a job's id that tells it from others.
func (j jobOutput) short() string {
	id, _, _ := strings.Cut(j.ID, "-")
	return id
}

// executor is where the job runs, or ran last.
func (j jobOutput) executor() string {
	switch {
	case j.Verdict != nil && j.Verdict.Executor != "":
		return firstOf(j.Verdict.ExecutorName, j.Verdict.Executor)
	case len(j.Attempts) > 0:
		last := j.Attempts[len(j.Attempts)-1]
		return firstOf(last.ExecutorName, last.Executor)
	}
	return ""
}

// note is what a line of a list has room for.
func (j jobOutput) note() string {
	switch {
	case j.Waiting != "":
		return "waiting: " + strings.TrimPrefix(j.Waiting, "waiting for a free slot: ")
	case j.Verdict != nil && j.Verdict.Reason != "":
		return j.Verdict.Reason
	case len(j.Rejections) > 0:
		return fmt.Sprintf("%d late results rejected", len(j.Rejections))
	}
	return ""
}

// writeJob tells a job's story.
func writeJob(w io.Writer, j jobOutput, now time.Time) error {
	rows := [][]string{
		{"job", j.ID},
		{"name", j.Name},
		{"state", j.stateText()},
		{"waiting", j.Waiting},
		{"submitted", fmt.Sprintf("%s, %s ago, by %s", j.Created.time().Format(time.RFC3339), j.Created.age(now), firstOf(j.Submitter, "nobody"))},
		{"results for", j.Receiver},
		{"owner", firstOf(j.OwnerName, j.Owner)},
		{"arguments", strings.Join(j.Args, " ")},
		{"labels", labelsText(j.Labels)},
		{"retries", fmt.Sprintf("%d of %d used", min(j.Failures, j.Retries), j.Retries)},
		{"cancel", j.cancelText()},
		{"verdict", j.verdictText()},
	}
	rows = append(rows, j.Result.rows()...)
	var told [][]string
	for _, row := range rows {
		if row[1] != "" {
			told = append(told, row)
		}
	}
	if err := table(w, told...); err != nil {
		return err
	}
	return j.writeHistory(w)
}

// stateText says of an end whether it is final.
func (j jobOutput) stateText() string {
	switch {
	case j.Why != "":
		return j.State + ", provisional: " + j.Why
	case j.Final:
		return j.State + ", final"
	}
	return j.State
}

func (j jobOutput) cancelText() string {
	if j.Cancel == nil {
		return ""
	}
	return "asked for by " + j.Cancel.By
}

func (j jobOutput) verdictText() string {
	v := j.Verdict
	switch {
	case v == nil:
		return ""
	case v.Kind == job.Accepted.String():
		return fmt.Sprintf("accepted: attempt %d on %s", v.Attempt, firstOf(v.ExecutorName, v.Executor))
	case v.Reason == "":
		return v.Kind
	}
	return v.Kind + ": " + v.Reason
}

func (r *resultOutput) rows() [][]string {
	if r == nil {
		return nil
	}
	how := r.Kind
	if r.ExitCode != nil {
		how = fmt.Sprintf("%s with %d", how, *r.ExitCode)
	}
	rows := [][]string{
		{"result", how},
		{"message", r.Message},
		{"limit", r.Limit},
		{"stdout", r.Stdout.text()},
		{"stderr", r.Stderr.text()},
		{"took", fmt.Sprintf("%s, and %s to load the module", brief(r.Run), brief(r.Compile))},
	}
	for _, f := range r.Outputs {
		rows = append(rows, []string{"output", fmt.Sprintf("%s, %s", f.Path, config.Size(f.Bytes))})
	}
	for _, m := range r.Missing {
		rows = append(rows, []string{"missing", m})
	}
	for line := range strings.Lines(r.Trap) {
		rows = append(rows, []string{"trap", line})
	}
	return rows
}

func (s streamOutput) text() string {
	if s.Truncated {
		return fmt.Sprintf("%d bytes, cut at the limit", s.Bytes)
	}
	return fmt.Sprintf("%d bytes", s.Bytes)
}

// brief is a duration with the digits that matter.
func brief(m millis) string {
	d := time.Duration(m)
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// writeHistory lists the attempts and the results that came too late.
func (j jobOutput) writeHistory(w io.Writer) error {
	if len(j.Attempts) > 0 {
		rows := [][]string{{"ATTEMPT", "EXECUTOR", "STATE", "PLACED", "TOOK", "NOTE"}}
		for _, at := range j.Attempts {
			rows = append(rows, []string{
				fmt.Sprint(at.Attempt), firstOf(at.ExecutorName, at.Executor), at.State, at.Placed.time().Format(time.RFC3339), at.took(), at.Note,
			})
		}
		if err := section(w, rows); err != nil {
			return err
		}
	}
	if len(j.Rejections) == 0 {
		return nil
	}
	rows := [][]string{{"REJECTED", "EXECUTOR", "WHY", "AT"}}
	for _, r := range j.Rejections {
		rows = append(rows, []string{fmt.Sprintf("attempt %d", r.Attempt), firstOf(r.ExecutorName, r.Executor), r.Why, r.At.time().Format(time.RFC3339)})
	}
	return section(w, rows)
}

func section(w io.Writer, rows [][]string) error {
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return table(w, rows...)
}

func (at attemptOutput) took() string {
	if at.Ended.Wall == 0 {
		return "-"
	}
	return brief(millis(at.Ended.time().Sub(at.Placed.time())))
}
