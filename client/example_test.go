package client_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// dial connects to a network of one node inside this process. To reach another, name its brokers' addresses, and open the identity that
// its CA gave you with identity.Open.
func dial(ctx context.Context) (c *client.Client, end func()) {
	c, _, end = dialTwice(ctx)
	return c, end
}

// dialTwice connects two clients, as two programs would.
func dialTwice(ctx context.Context) (one, other *client.Client, end func()) {
	network, err := cluster.StartEmbedded(1, cluster.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	var clients [2]*client.Client
	for i := range clients {
		if clients[i], err = client.Dial(ctx, client.Options{Addresses: []string{network.Address}, Identity: network.Client}); err != nil {
			log.Fatal(err)
		}
	}
	return clients[0], clients[1], func() {
		_ = clients[0].Close()
		_ = clients[1].Close()
		_ = network.Close()
	}
}

// Give a job to the network and wait for its result.
func ExampleClient_Submit() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	module, err := c.PutBytes(ctx, wasmtest.Script([]wasmtest.Step{wasmtest.Print("hello")})) // c.PutFile takes a .wasm file
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.Submit(ctx, &client.Spec{Name: "greeting", Module: module, Args: []string{"greeting"}})
	if err != nil {
		log.Fatal(err)
	}
	j, err := s.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(j.Spec.Name, "is", j.State())
	result := j.Current().Verdict.Result
	if err := c.Get(ctx, result.Stdout, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// greeting is accepted
	// hello
}

// Let a program read what you have and write where you look.
func ExampleClient_SubmitStreamed() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	module, err := c.PutBytes(ctx, wasmtest.Script([]wasmtest.Step{wasmtest.Echo(), wasmtest.Exit(3)}))
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.SubmitStreamed(ctx, &client.Spec{Module: module}, client.Streams{
		Stdin: strings.NewReader("typed by hand\n"), Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		log.Fatal(err)
	}
	j, err := s.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("exit code", j.Current().Verdict.Result.ExitCode)
	// Output:
	// typed by hand
	// exit code 3
}

// Follow a job that another program has submitted, on any day and at any broker: its id is all that is needed.
func ExampleClient_Watch() {
	ctx := context.Background()
	one, other, end := dialTwice(ctx)
	defer end()

	module, err := one.PutBytes(ctx, wasmtest.Script([]wasmtest.Step{wasmtest.Print("hello"), wasmtest.Exit(3)}))
	if err != nil {
		log.Fatal(err)
	}
	submitted, err := one.Submit(ctx, &client.Spec{Name: "greeting", Module: module})
	if err != nil {
		log.Fatal(err)
	}
	s, err := other.Watch(ctx, submitted.ID())
	if err != nil {
		log.Fatal(err)
	}
	var last client.State
	for change := range s.Changes() { // it runs, perhaps; it is over
		last = change.Job.State()
	}
	fmt.Println("at last it has", last)
	j, err := s.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	result := j.Current().Verdict.Result
	fmt.Println(j.Spec.Name, "ended with", result.ExitCode)
	if err := other.Get(ctx, result.Stdout, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// at last it has failed
	// greeting ended with 3
	// hello
}

// See why a job does not run, and cancel it.
func ExampleClient_Cancel() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	module, err := c.PutBytes(ctx, wasmtest.Script(nil))
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.Submit(ctx, &client.Spec{
		Module: module, Needs: client.Needs{Labels: map[string]string{"location": "moon"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	now, err := c.Job(ctx, s.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(now.Job.State(), "-", now.Waiting)
	if _, err := c.Cancel(ctx, s.ID()); err != nil {
		log.Fatal(err)
	}
	j, err := s.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(j.State())
	// Output:
	// queued - no executor can take it: lacks label location=moon (1 of 1)
	// cancelled
}

// Go on elsewhere with what this client has seen: another process that gives the session to Dial reads the job, or is told ErrStale by
// a broker that has not heard of it yet.
func ExampleClient_Session() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	module, err := c.PutBytes(ctx, wasmtest.Script(nil))
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.Submit(ctx, &client.Spec{Module: module})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	session, err := c.Session(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a session is small:", len(session) < 2000)
	// Output:
	// a session is small: true
}

// Put bytes under a name, and read them by it: from any client of the network, at any broker.
func ExampleClient_PutData() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	north, err := c.PutBytes(ctx, []byte("roads and rivers")) // c.PutFile takes a file
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.PutData(ctx, "maps/north", north, false); err != nil {
		log.Fatal(err)
	}
	found, err := c.Data(ctx, "maps/north")
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Get(ctx, found.Blob, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// roads and rivers
}

// Go through all names that begin alike, page by page, and remove one.
func ExampleClient_ListData() {
	ctx := context.Background()
	c, end := dial(ctx)
	defer end()

	for _, name := range []string{"maps/north", "maps/south", "notes"} {
		b, err := c.PutBytes(ctx, []byte(name))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := c.PutData(ctx, name, b, false); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := c.RemoveData(ctx, "maps/south"); err != nil {
		log.Fatal(err)
	}
	for after, more := "", true; more; more = after != "" {
		var page []client.Data
		var err error
		if page, after, err = c.ListData(ctx, "maps/", 100, after); err != nil {
			log.Fatal(err)
		}
		for _, d := range page {
			fmt.Println(d.Name, d.Blob.Size, "bytes")
		}
	}
	// Output:
	// maps/north 10 bytes
}
