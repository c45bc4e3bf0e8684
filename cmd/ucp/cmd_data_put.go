package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/archive"
	"github.com/urbancompute/ucp/internal/job"
)

func newDataPutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "put NAME FILE|DIR|-",
		Short: "Put a file, a directory or standard input under a name",
		Long: `Put a file, a directory or standard input under a name of the form a/b/c.

What the name stood for is replaced. What somebody else puts at the same time at a broker that cannot be reached from here is kept beside
it: "ucp data stat NAME" shows it. A directory is zipped; equal directories have equal bytes.`,
		Example: "  ucp data put maps/north north.png\n  ucp data put maps tiles/\n  pg_dump city | ucp data put backups/city -",
		Args:    twoArguments("a name, and a file, a directory or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := job.ValidDataName(args[0]); err != nil { // before anything is read
				return usageError{err}
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error { return a.putData(ctx, c, args[0], args[1]) })
		},
	}
}

// twoArguments demands two arguments, which are what.
func twoArguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usageError{fmt.Errorf("%q takes %s: %s", cmd.CommandPath(), what, cmd.UseLine())}
		}
		return nil
	}
}

// putOutput is a put in JSON.
type putOutput struct {
	Name       string `json:"name"`
	ID         string `json:"id"`
	SHA256     string `json:"sha256"`
	Bytes      uint64 `json:"bytes"`
	Directory  bool   `json:"directory"`
	Durability int    `json:"durability"`
	Replaced   int    `json:"replaced"`
}

func (a *app) putData(ctx context.Context, c *connection, name, path string) (err error) {
	f, zip, done, err := a.readable(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	bar := a.progressOf("putting "+name, info.Size())
	defer bar.end()
	b, err := c.Put(ctx, bar.reader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	put, err := c.PutData(ctx, name, b, zip)
	if err != nil {
		return err
	}
	bar.end()
	out := dataOutputOf(client.Data{Blob: b})
	return a.print(putOutput{name, put.ID, out.SHA256, b.Size, zip, put.Durability, put.Replaced}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s has %s.%s\n", plain(name), bytesText(b.Size), durable(put.Durability))
		return err
	})
}

// durable says what a put could be lost with, if it is little.
func durable(disks int) string {
	if disks == 1 {
		return " It is on one disk only: no other broker is in reach."
	}
	return ""
}

// readable opens what is to be put: a file itself, a directory as a zip file, and what comes on standard input once it is all there.
func (a *app) readable(ctx context.Context, path string) (f *os.File, zip bool, done func() error, err error) {
	if path == "-" {
		f, done, err = spooled(func(w io.Writer) error {
			_, err := io.Copy(w, interruptible{ctx, a.stdin})
			return err
		})
		return f, false, done, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, false, nil, err
	case info.IsDir():
		f, done, err = spooled(func(w io.Writer) error { return zipped(ctx, w, path) })
		return f, true, done, err
	case !info.Mode().IsRegular():
		return nil, false, nil, fmt.Errorf("%s is neither a file nor a directory: use - and standard input", path)
	}
	f, err = os.Open(path)
	if err != nil {
		return nil, false, nil, err
	}
	return f, false, f.Close, nil
}

// zipped writes a directory as a zip file.
func zipped(ctx context.Context, w io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(archive.Zip(interruptibleWriter{ctx, w}, root.FS()), root.Close())
}

// spooled gathers what write writes in a file that is gone with done.
func spooled(write func(io.Writer) error) (f *os.File, done func() error, err error) {
	f, err = os.CreateTemp("", "ucp-data-*")
	if err != nil {
		return nil, nil, err
	}
	done = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	if err = write(f); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return f, done, nil
}

// interruptible ends with a context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (r interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// interruptibleWriter ends with a context.
type interruptibleWriter struct {
	ctx context.Context
	w   io.Writer
}

// Write implements io.Writer.
func (w interruptibleWriter) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(p)
}
