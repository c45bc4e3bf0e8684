// Flip reads the file in, waits for as long as its argument says, and writes the file out with every bit turned: who has in knows what out must be.
package main

import (
	"os"
	"time"
)

func main() {
	d, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	data, err := os.ReadFile("in")
	if err != nil {
		panic(err)
	}
	time.Sleep(d)
	for i := range data {
		data[i] = ^data[i]
	}
	if err := os.WriteFile("out", data, 0o600); err != nil { //nolint:gosec // a name of our own, in the job's directory
		panic(err)
	}
}
