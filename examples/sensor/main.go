// Sensor classifies what the sensors of a district report, so that people look at the right line first. It reads lines
// "time sensor kind value" and prints each with its level before it: ok, low, medium, high or critical. Lines that make
// no sense are named on stderr, where a summary ends the output.
//
//	ucp run sensor.wasm < examples/sensor/alarms.txt
//	ucp run sensor.wasm -min high < examples/sensor/alarms.txt
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "sensor:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out, notes io.Writer) error {
	flags := flag.NewFlagSet("sensor", flag.ContinueOnError)
	flags.SetOutput(notes)
	least := flags.String("min", "ok", "print only lines of this `LEVEL` or above")
	if err := flags.Parse(args); err != nil {
		return err
	}
	from, err := parseLevel(*least)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	seen, err := classifyAll(in, func(level level, line string) {
		if level >= from {
			_, _ = fmt.Fprintf(w, "%-8s %s\n", level, line) // Flush tells
		}
	}, func(number int, err error) {
		_, _ = fmt.Fprintf(notes, "line %d: %v\n", number, err)
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(notes, seen)
	return w.Flush()
}
