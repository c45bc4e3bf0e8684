// Wordcount counts words. As a map it reads text, from files or its input, and prints a line "word count" for each word,
// in alphabetical order; as a reduce (-merge) it reads such lines and adds them up, so that many jobs can count the
// parts of one text and another job their counts.
//
//	ucp run wordcount.wasm < book.txt
//	ucp run --file /book.txt=book.txt wordcount.wasm -part 0 -of 4 /book.txt > 0.counts
//	ucp run --file /0=0.counts --file /1=1.counts wordcount.wasm -merge -top 10 /0 /1
//
// For -merge a directory stands for the files in it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/urbancompute/ucp/examples/parts"
)

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	merge    bool
	top      int
	part, of int64
}

func run(args []string, in io.Reader, out, usage io.Writer) error {
	var opt options
	flags := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.BoolVar(&opt.merge, "merge", false, `read lines "word count" and add them up`)
	flags.IntVar(&opt.top, "top", 0, "print only the `N` most frequent words, the most frequent first")
	flags.Int64Var(&opt.part, "part", 0, "count only the part `I` of each file, from 0 ...")
	flags.Int64Var(&opt.of, "of", 1, "... of `N` parts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if opt.of < 1 || opt.part < 0 || opt.part >= opt.of {
		return fmt.Errorf("there is no part %d of %d: parts count from 0", opt.part, opt.of)
	}
	names := flags.Args()
	if opt.merge {
		var err error
		if names, err = parts.Files(names); err != nil {
			return err
		}
	}
	counts, err := opt.count(names, in)
	if err != nil {
		return err
	}
	return write(out, counts.sorted(opt.top))
}

// count reads all files, or in when there are none.
func (opt options) count(files []string, in io.Reader) (counts, error) {
	total := counts{}
	if len(files) == 0 {
		if opt.of > 1 {
			return nil, fmt.Errorf("only a file can be counted in parts: name one")
		}
		return total, opt.read(total, "input", in)
	}
	for _, name := range files {
		if err := opt.readFile(total, name); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func (opt options) readFile(total counts, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	if opt.of == 1 {
		return opt.read(total, name, f)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text, err := part(f, info.Size(), opt.part, opt.of)
	if err != nil {
		return err
	}
	return opt.read(total, name, text)
}

func (opt options) read(total counts, name string, r io.Reader) error {
	if opt.merge {
		return total.addCounts(name, r)
	}
	return total.addText(bufio.NewReader(r))
}

func write(out io.Writer, lines []line) error {
	w := bufio.NewWriter(out)
	for _, l := range lines {
		_, _ = fmt.Fprintf(w, "%s %d\n", l.word, l.n) // Flush tells
	}
	return w.Flush()
}
