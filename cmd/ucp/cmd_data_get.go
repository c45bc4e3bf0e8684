package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/archive"
	"github.com/urbancompute/ucp/internal/job"
)

func newDataGetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME [FILE|DIR/|-]",
		Short: "Write what a name stands for to standard output, a file or a directory",
		Long: `Write what a name stands for to standard output, or to a file. With DIR/, or a directory that exists, a directory is unpacked there and a file
gets the last part of its name; a/* gets everything below a/ into it. A file that exists is replaced; a directory must be new or empty.
The file is the second argument: -o is what to print about it, text or json, as everywhere.

Nothing half-written is left behind. A terminal is only written to with -.`,
		Example: "  ucp data get maps/north north.png\n  ucp data get maps tiles/\n  ucp data get 'results/*' results/\n  ucp data get backups/city | psql city",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("%q takes a name and where to write it: %s", cmd.CommandPath(), cmd.UseLine())}
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if a.output != "text" && a.output != "json" {
				return usageError{fmt.Errorf("-o says what to print, text or json, and the file comes behind the name: %s %s %s", cmd.CommandPath(), args[0], a.output)}
			}
			return a.begin()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			g := getting{app: a, name: args[0], to: "-"}
			if len(args) == 2 {
				g.to = args[1]
			}
			if err := g.check(len(args) == 2); err != nil {
				return usageError{err}
			}
			return a.withNetwork(cmd, g.get)
		},
	}
}

// getting is what a get is to do.
type getting struct {
	*app
	name, to string
	into     bool // to is a directory
}

// check refuses what cannot be done before anybody is asked.
func (g *getting) check(chosen bool) error {
	if err := job.ValidDataPattern(g.name); err != nil {
		return err
	}
	info, err := os.Stat(g.to)
	g.into = g.to != "-" && (strings.HasSuffix(g.to, "/") || strings.HasSuffix(g.to, string(filepath.Separator)) || err == nil && info.IsDir())
	switch {
	case strings.HasSuffix(g.name, "*") && !g.into:
		return fmt.Errorf("%s stands for several files: name a directory for them, such as results/", g.name)
	case g.to == "-" && g.json():
		return errors.New("--output json has no room for the data itself: name a file for it")
	case g.to == "-" && !chosen && isTerminal(g.stdout):
		return errors.New("the data would go to the terminal: name a file for it, or - if that is what you want")
	}
	return nil
}

func (g *getting) get(ctx context.Context, c *connection) error {
	if below, ok := strings.CutSuffix(g.name, "*"); ok {
		return g.getAll(ctx, c, below)
	}
	d, err := c.Data(ctx, g.name)
	if err != nil {
		return err
	}
	to := g.to
	if g.into && !d.Zip {
		to = filepath.Join(g.to, path.Base(d.Name))
	}
	if err := g.bring(ctx, c, d, to); err != nil {
		return err
	}
	if len(d.Siblings) > 0 {
		g.notice("%s was put %d times at once, and this is the latest: \"ucp data stat %s\" shows the others", d.Name, 1+len(d.Siblings), d.Name)
	}
	if g.to == "-" {
		return nil
	}
	return g.told([]client.Data{d}, []string{to})
}

// getAll gets everything below a name into a directory.
func (g *getting) getAll(ctx context.Context, c *connection, below string) error {
	list, _, err := listData(ctx, c.Client, below, math.MaxInt32, "")
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: %w", g.name, client.ErrNotFound)
	}
	paths := make([]string, len(list))
	for i, d := range list {
		rest := filepath.FromSlash(strings.TrimPrefix(d.Name, below))
		if job.ValidDataName(d.Name) != nil || !filepath.IsLocal(rest) {
			return fmt.Errorf("%q cannot be a file here", d.Name)
		}
		paths[i] = filepath.Join(g.to, rest)
		if err := g.bring(ctx, c, d, paths[i]); err != nil {
			return err
		}
	}
	return g.told(list, paths)
}

// gotOutput is what was got in JSON.
type gotOutput struct {
	dataOutput
	Path string `json:"path"`
}

func (g *getting) told(list []client.Data, paths []string) error {
	out := make([]gotOutput, len(list))
	for i, d := range list {
		out[i] = gotOutput{dataOutputOf(d), paths[i]}
	}
	return g.print(listOf(out), func(io.Writer) error { return nil })
}

// bring writes what one name stands for.
func (g *getting) bring(ctx context.Context, c *connection, d client.Data, to string) error {
	if d.Waiting != "" {
		return fmt.Errorf("%s is not there yet: %s", d.Name, d.Waiting)
	}
	bar := g.progressOf("getting "+d.Name, int64(min(d.Blob.Size, math.MaxInt64)))
	defer bar.end()
	fetch := func(w io.Writer) error { return c.Get(ctx, d.Blob, io.MultiWriter(w, bar)) }
	if g.to == "-" {
		return fetch(g.stdout)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(to)), 0o755); err != nil { //nolint:gosec // like any directory that a user makes
		return err
	}
	if d.Zip && g.into {
		return unpack(fetch, to)
	}
	return writeWhole(fetch, to)
}

// writeWhole writes a file whole or not at all.
func writeWhole(write func(io.Writer) error, to string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(to), ".ucp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

// unpacking bounds what a directory may grow to that somebody else put. Its size is known; a person who wants it has room for it.
var unpacking = archive.Limits{Entries: 1 << 20, Bytes: math.MaxInt64 >> 1, Ratio: 200}

// unpack unpacks a zip file into a directory that is new or empty. What is in it appears there when all of it is right.
func unpack(write func(io.Writer) error, to string) (err error) {
	f, done, err := spooled(write)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	fresh, err := emptyDirectory(to)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(to, ".ucp-*")
	if err != nil {
		return err
	}
	if err = unzip(f, dir); err == nil {
		err = moveUp(dir, to)
	}
	err = errors.Join(err, os.RemoveAll(dir))
	if err != nil && fresh {
		err = errors.Join(err, os.Remove(to))
	}
	return err
}

// emptyDirectory makes a directory, unless there is one already, which must be empty.
func emptyDirectory(path string) (fresh bool, err error) {
	if err := os.Mkdir(path, 0o755); !errors.Is(err, fs.ErrExist) { //nolint:gosec // like any directory that a user makes
		return err == nil, err
	}
	list, err := os.ReadDir(path)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("directory %s is not empty: name a new one", path)
	}
	return false, err
}

// moveUp moves everything in dir to a directory of the same disk.
func moveUp(dir, to string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		err = errors.Join(err, os.Rename(filepath.Join(dir, e.Name()), filepath.Join(to, e.Name())))
	}
	return err
}

func unzip(f *os.File, dir string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(archive.Unzip(f, info.Size(), root, unpacking), root.Close())
}
