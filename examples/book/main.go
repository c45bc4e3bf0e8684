// Book writes a text of the size of a book, the same one for the same seed, for other jobs to work on.
//
//	ucp run book.wasm > book.txt
//	ucp run book.wasm -bytes 100000 -seed 7 > booklet.txt
package main

import (
	"flag"
	"io"
	"os"

	"github.com/urbancompute/ucp/examples/text"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = io.WriteString(os.Stderr, "book: "+err.Error()+"\n")
		os.Exit(1)
	}
}

func run(args []string, out, usage io.Writer) error {
	flags := flag.NewFlagSet("book", flag.ContinueOnError)
	flags.SetOutput(usage)
	size := flags.Int64("bytes", text.BookBytes, "how long the text is, or a paragraph longer")
	seed := flags.Uint64("seed", 1, "which text")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return text.Write(out, *size, *seed)
}
