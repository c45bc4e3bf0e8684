package blob_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/urbancompute/ucp/internal/blob"
)

// Two nodes, a pipe between them where a network would have TLS, and a blob that goes across.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "blob-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	here, _ := blob.OpenStore(dir+"/here", blob.Options{})
	there, _ := blob.OpenStore(dir+"/there", blob.Options{MaxBytes: 1 << 30})
	d, size, _ := here.Add(ctx, strings.NewReader("hello"))
	fmt.Println(d, size)

	handler := blob.Handler(there, func(*http.Request) error { return nil })
	transport := blob.NewTransport(func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go blob.ServeConn(theirs, handler)
		return ours, nil
	})
	defer transport.Close()
	if err := blob.NewClient(transport).Send(ctx, "http://datastore-1", d, here); err != nil {
		log.Fatal(err)
	}
	r, _ := there.Open(ctx, d)
	defer r.Close()
	text, _ := io.ReadAll(r)
	fmt.Println(string(text))
	// Output:
	// 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 5
	// hello
}
