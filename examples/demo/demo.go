package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// demo is one showing, from the empty directory to the empty directory.
type demo struct {
	teller
	ucp     string   // the binary
	dir     string   // everything but the picture
	picture string   // file that stays
	env     []string // of every ucp process
	network *network
	modules map[string]string // program → its module
	number  string            // what the long work ends with
	story
}

// play shows scene after scene. The first error ends it.
func (d *demo) play(ctx context.Context) error {
	scenes := []struct {
		title string
		play  func(context.Context) error
	}{
		{"Programs become WebAssembly modules", d.build},
		{"A network: two brokers and three executors, each a process of its own", d.launch},
		{"Word count over a book", d.countWords},
		{"A picture of the Mandelbrot set, as an array of jobs and one that joins their tiles", d.paint},
		{"An executor is killed while it works", d.kill},
		{"Another executor is frozen until its job is done elsewhere", d.freeze},
		{"What both brokers have on record", d.conclude},
	}
	for _, scene := range scenes {
		d.scene(scene.title)
		if err := scene.play(ctx); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// explain adds what the nodes had to say to an error.
func (d *demo) explain(err error) error {
	complaints := d.network.complaints()
	if len(complaints) == 0 || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w\nthe last complaints of the nodes:\n  %s", err, strings.TrimSpace(strings.Join(complaints, "  ")))
}

// environment returns environ with directories for ucp below dir, and without what else configures it.
func environment(environ []string, dir string) []string {
	var env []string
	for _, pair := range environ {
		if !strings.HasPrefix(pair, "UCP_") {
			env = append(env, pair)
		}
	}
	return append(env,
		config.EnvConfigDir+"="+configDir(dir),
		config.EnvDataDir+"="+filepath.Join(dir, "data"),
		config.EnvCacheDir+"="+filepath.Join(dir, "cache"))
}

func configDir(dir string) string { return filepath.Join(dir, "config") }

// patience bounds everything that is waited for: far more than it takes, also on a busy machine.
const patience = 3 * time.Minute

// eventually waits until done says so or fails; what is for the error when it takes too long.
func eventually(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s, not within %s", what, config.FormatDuration(patience)))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// dial returns a client of the broker called name. The caller closes it.
func (d *demo) dial(ctx context.Context, name string) (*client.Client, error) {
	contexts, err := config.LoadContexts(config.Directories{Config: configDir(d.dir)}.Contexts())
	if err != nil {
		return nil, err
	}
	id, err := identity.Open(contexts.Items[d.network.saved()].Identity)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, client.Options{Addresses: []string{d.network.node(name).Address}, Identity: id})
}

// letGo closes a client that has nothing under way.
func letGo(c io.Closer) { _ = c.Close() } // there is nothing to lose

// put makes the module of a program known to the network.
func (d *demo) put(ctx context.Context, c *client.Client, program string) (client.Blob, error) {
	b, err := c.PutFile(ctx, d.modules[program])
	if err != nil {
		return client.Blob{}, fmt.Errorf("module %s: %w", program, err)
	}
	return b, nil
}

// note remembers a job for the table at the end.
func (d *demo) note(name, id string) { d.jobs = append(d.jobs, submitted{name, id}) }

// unhurried are the limits of jobs on a machine that may be busy.
var unhurried = client.Limits{Timeout: patience, CompileTimeout: patience}

// kept is how long jobs of the demo are kept: longer than the demo.
const kept = time.Hour

// readFile is os.ReadFile for a file that may not be there yet.
func readFile(path string) string {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return ""
	}
	return string(text)
}
