package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

func newDataCommand(a *app) *cobra.Command {
	return group("data", "Put, get, list and remove named data",
		newDataPutCommand(a), newDataGetCommand(a), newDataListCommand(a), newDataStatCommand(a), newDataRemoveCommand(a))
}

// dataOutput is named data in JSON.
type dataOutput struct {
	Name        string       `json:"name"`
	ID          string       `json:"id,omitempty"`
	SHA256      string       `json:"sha256,omitempty"`
	Bytes       uint64       `json:"bytes"`
	Directory   bool         `json:"directory"`
	By          string       `json:"by"`
	ByName      string       `json:"by_name,omitempty"`
	At          instant      `json:"at"`
	Job         string       `json:"job,omitempty"`
	Provisional bool         `json:"provisional"`
	Waiting     string       `json:"waiting,omitempty"`
	Siblings    []dataOutput `json:"siblings"`
}

func dataOutputOf(d client.Data) dataOutput {
	o := dataOutput{
		Name: d.Name, ID: d.ID, Bytes: d.Blob.Size, Directory: d.Zip, By: d.By, ByName: d.ByName, Job: d.Job,
		Provisional: d.Provisional, Waiting: d.Waiting, Siblings: []dataOutput{},
	}
	if !d.Blob.IsZero() {
		o.SHA256 = hex.EncodeToString(d.Blob.Digest[:])
	}
	if !d.At.IsZero() {
		o.At = instant(vclock.Hybrid{Wall: d.At.UnixMilli()})
	}
	for _, s := range d.Siblings {
		o.Siblings = append(o.Siblings, dataOutputOf(s))
	}
	return o
}

// size is how much there is, for people.
func (o dataOutput) size() string {
	if o.SHA256 == "" {
		return "-"
	}
	return bytesText(o.Bytes)
}

// origin says who put it, or what made it.
func (o dataOutput) origin() string {
	if o.Job != "" {
		return "job " + o.Job
	}
	return firstOf(o.ByName, o.By)
}

// note says what is out of the ordinary.
func (o dataOutput) note() string {
	var notes []string
	if o.Waiting != "" {
		notes = append(notes, o.Waiting)
	}
	if o.Directory {
		notes = append(notes, "directory")
	}
	if o.Provisional {
		notes = append(notes, "provisional")
	}
	if n := len(o.Siblings); n > 0 {
		notes = append(notes, fmt.Sprintf("%d put at the same time: ucp data stat", n))
	}
	return strings.Join(notes, ", ")
}

func newDataListCommand(a *app) *cobra.Command {
	var limit int
	var after string
	cmd := &cobra.Command{
		Use:     "ls [PREFIX]",
		Short:   "List names, all or those that begin with PREFIX",
		Example: "  ucp data ls\n  ucp data ls maps/",
		Args:    atMostOneArgument("how the names begin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usageError{fmt.Errorf("--limit must be at least 1, not %d", limit)}
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				list, next, err := listData(ctx, c.Client, firstOf(args...), limit, after)
				if err != nil {
					return err
				}
				return a.printData(list, next)
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "go on after this name")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	return cmd
}

// listData asks page by page until it has as many as are wanted.
func listData(ctx context.Context, c *client.Client, prefix string, limit int, after string) (list []client.Data, next string, err error) {
	for {
		var page []client.Data
		if page, next, err = c.ListData(ctx, prefix, limit-len(list), after); err != nil {
			return nil, "", err
		}
		list = append(list, page...)
		if next == "" || len(page) == 0 || len(list) >= limit {
			return list, next, nil
		}
		after = next
	}
}

func (a *app) printData(list []client.Data, next string) error {
	out := make([]dataOutput, len(list))
	for i, d := range list {
		out[i] = dataOutputOf(d)
	}
	all := listOf(out)
	all.Next = next
	return a.print(all, func(w io.Writer) error {
		rows := [][]string{{"NAME", "SIZE", "FROM", "AGE", "NOTE"}}
		for _, o := range out {
			rows = append(rows, []string{o.Name, o.size(), firstOf(o.origin(), "-"), firstOf(o.At.age(time.Now()), "-"), o.note()})
		}
		if err := table(w, rows...); err != nil || next == "" {
			return err
		}
		_, err := fmt.Fprintf(w, "There are more: the same with --after %q\n", next)
		return err
	})
}

func newDataStatCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stat NAME",
		Short: "Tell all that is known of a name",
		Long:  "Tell all that is known of a name: digest, size, who put it and when, or which job made it, and what others put at the same time.",
		Args:  oneArgument("the name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := validNames(args); err != nil {
				return err
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				d, err := c.Data(ctx, args[0])
				if err != nil {
					return err
				}
				out := dataOutputOf(d)
				return a.print(out, func(w io.Writer) error { return writeStat(w, out) })
			})
		},
	}
}

func writeStat(w io.Writer, o dataOutput) error {
	rows := [][]string{{"name", o.Name}}
	if o.Waiting != "" {
		rows = append(rows, []string{"waiting", o.Waiting})
	} else {
		rows = append(rows, o.rows()...)
	}
	for _, s := range o.Siblings {
		rows = append(rows, []string{"at the same time", ""})
		rows = append(rows, s.rows()...)
	}
	return table(w, rows...)
}

// rows tell of one thing that a name stands for, or nearly did.
func (o dataOutput) rows() [][]string {
	kind := "file"
	if o.Directory {
		kind = "directory, zipped"
	}
	rows := [][]string{{"sha256", o.SHA256}, {"size", fmt.Sprintf("%d bytes", o.Bytes)}, {"kind", kind}, {"put by", firstOf(o.ByName, o.By, "-")}}
	if o.Job != "" {
		rows = append(rows, []string{"made by", "job " + o.Job})
	}
	if o.Provisional {
		rows = append(rows, []string{"", "provisional: the end of that job is not final"})
	}
	return append(rows, []string{"at", o.At.time().Format(time.RFC3339)}, []string{"id", o.ID})
}

func newDataRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove names",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%q needs the names: %s", cmd.CommandPath(), cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := validNames(args); err != nil {
				return err
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error { return a.removeData(ctx, c, args) })
		},
	}
}

// validNames refuses, before anybody is asked, what can be nothing's name.
func validNames(names []string) error {
	for _, name := range names {
		if err := job.ValidDataName(name); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// removedOutput is a name that was removed, in JSON.
type removedOutput struct {
	Name    string `json:"name"`
	Removed int    `json:"removed"`
}

// removeData removes what it can, and says what it cannot.
func (a *app) removeData(ctx context.Context, c *connection, names []string) error {
	var out []removedOutput
	var errs []error
	for _, name := range names {
		n, err := c.RemoveData(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, removedOutput{name, n})
	}
	err := a.print(listOf(out), func(w io.Writer) error {
		for _, o := range out {
			if _, err := fmt.Fprintf(w, "%s is removed.\n", plain(o.Name)); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}
