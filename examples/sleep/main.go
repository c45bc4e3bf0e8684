// Sleep waits for as long as its argument says, and then says so. It is there to be stopped half-way.
//
//	ucp run sleep.wasm 1.5s
package main

import (
	"os"
	"strconv"
	"time"
)

func main() {
	d, err := duration(os.Args[1:])
	if err != nil {
		_, _ = os.Stderr.WriteString("sleep: give one duration, such as 1.5s or 30 (seconds)\n")
		os.Exit(2)
	}
	timer := time.NewTimer(d)
	<-timer.C
	_, _ = os.Stdout.WriteString("slept " + d.String() + "\n")
}

// duration reads the one argument: a Go duration or a number of seconds.
func duration(args []string) (time.Duration, error) {
	if len(args) != 1 {
		return 0, strconv.ErrSyntax
	}
	if seconds, err := strconv.ParseFloat(args[0], 64); err == nil {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	return time.ParseDuration(args[0])
}
