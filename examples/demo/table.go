package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// row is a job in the table at the end.
type row struct {
	name      string
	executors []string // one for each attempt, in their order
	accepted  []string // the executor of each accepted result: there is to be exactly one
	rejected  []string // the executor of each rejected result
	took      time.Duration
}

// rowOf tells a job's life in one row. name gives the name of a node.
func rowOf(title string, j client.Job, name func(id string) string) row {
	r := row{name: title}
	for _, t := range j.Tenures {
		for _, a := range t.Attempts {
			r.executors = append(r.executors, name(a.Executor))
		}
		for _, late := range t.Rejected {
			r.rejected = append(r.rejected, name(late.Executor))
		}
		if v := t.Verdict; v != nil && v.Kind == job.Accepted {
			r.accepted = append(r.accepted, name(v.Executor))
			r.took = time.Duration(v.At.Wall-j.Created.Wall) * time.Millisecond
		}
	}
	return r
}

// table lays rows out for people.
func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "JOB\tATTEMPTS\tEXECUTORS\tACCEPTED\tREJECTED\tTIME") // a strings.Builder never fails
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", r.name, len(r.executors), strings.Join(r.executors, " → "), // likewise
			tally(r.accepted), tally(r.rejected), took(r.took))
	}
	_ = w.Flush() // likewise
	return b.String()
}

// tally says how many there are and whose they are.
func tally(of []string) string {
	if len(of) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d of %s", len(of), strings.Join(of, ", "))
}
