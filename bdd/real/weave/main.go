// Weave makes a result of large inputs in parts, so that who has the inputs knows every byte of it.
//
//	weave part I N FILE KEY…   the I-th of N parts of FILE, each byte combined (xor) with those of the KEYs at its place, over and over to their ends
//	weave join DIR             the files 0, 1, 2 … of DIR, one after the other
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "weave:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if args[0] == "join" {
		return join(args[1])
	}
	i, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	return part(i, n, args[3], args[4:])
}

func part(i, n int, file string, keys []string) error {
	data, err := os.ReadFile(file) //nolint:gosec // in a sandbox
	if err != nil {
		return err
	}
	from, to := len(data)*i/n, len(data)*(i+1)/n
	for _, name := range keys {
		key, err := os.ReadFile(name) //nolint:gosec // in a sandbox
		if err != nil {
			return err
		}
		for at := from; at < to; at++ {
			data[at] ^= key[at%len(key)]
		}
	}
	_, err = os.Stdout.Write(data[from:to])
	return err
}

func join(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for i := range list {
		data, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i))) //nolint:gosec // in a sandbox
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(data); err != nil {
			return err
		}
	}
	return nil
}
