package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/client"
)

// entry is a file in a job's results.
type entry struct {
	path string
	client.Blob
}

// entriesOf lists what belongs into the results of a job, by path: its outputs, and what it printed unless the job has a file for that.
func entriesOf(j client.Job, r *client.Result) []entry {
	var list []entry
	taken := map[string]bool{}
	for _, f := range r.Outputs {
		list = append(list, entry{f.Path, f.Blob})
		taken[f.Path] = true
	}
	for _, s := range []struct {
		name, file string
		blob       client.Blob
	}{{"stdout", j.Spec.StdoutFile, r.Stdout}, {"stderr", j.Spec.StderrFile, r.Stderr}} {
		if s.blob.Size > 0 && s.file == "" && !taken[s.name] {
			list = append(list, entry{s.name, s.blob})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return list
}

// zipResults writes a job's results as a zip file: equal results make equal files.
func zipResults(ctx context.Context, c *client.Client, j client.Job, w io.Writer) error {
	v, _ := j.Winner()
	if v == nil || v.Result == nil {
		return fmt.Errorf("job %s has no results: it is %s", j.ID, j.State())
	}
	z := zip.NewWriter(w)
	for _, e := range entriesOf(j, v.Result) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: e.path, Method: zip.Deflate})
		if err == nil {
			err = c.Get(ctx, e.Blob, f)
		}
		if err != nil {
			return fmt.Errorf("result %s: %w", e.path, err)
		}
	}
	return z.Close()
}

// writeResults is zipResults to a file that appears whole or not at all.
func writeResults(ctx context.Context, c *client.Client, j client.Job, path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".ucp-*")
	if err != nil {
		return fmt.Errorf("results cannot be written: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("results %s cannot be written: %w", path, err), os.Remove(f.Name()))
		}
	}()
	err = errors.Join(zipResults(ctx, c, j, f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
