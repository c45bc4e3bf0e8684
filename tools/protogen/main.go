// Protogen turns messages/*.proto into the Go code beside them, with nothing installed but Go: the compiler is a library
// pinned in tools/go.mod, and the code is written by the protoc-gen-go that the main go.mod pins together with the runtime.
//
// With -check it writes nothing, names every file that differs from what it would write, and exits 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "..", "the `folder` that holds messages/")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()

	if err := run(context.Background(), *root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

// run generates the code of every proto file under root/messages, then writes it or compares it with what is there.
func run(ctx context.Context, root string, check bool) error {
	sources, err := protoFiles(root)
	if err != nil {
		return err
	}
	files, err := compile(ctx, root, sources)
	if err != nil {
		return err
	}
	generated, err := generate(ctx, root, sources, files)
	if err != nil {
		return err
	}
	if check {
		return compare(root, generated)
	}
	return write(root, generated)
}

// protoFiles returns the proto files of messages/ by their names relative to root, which is how Go's registry of
// protobuf files knows them.
func protoFiles(root string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, "messages", "*.proto"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("messages/ holds no .proto file")
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = "messages/" + filepath.Base(path)
	}
	return names, nil
}
