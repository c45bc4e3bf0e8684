// Exitcode ends with the exit code that its argument names, 0 to 255; without one with 0.
//
//	ucp run exitcode.wasm 3; echo $?
package main

import (
	"os"
	"strconv"
)

// usage is what the shell expects of a command that was called wrongly.
const usage = 2

func main() {
	code, ok := exitCode(os.Args[1:])
	if !ok {
		_, _ = os.Stderr.WriteString("exitcode: give one number from 0 to 255\n")
	}
	os.Exit(code)
}

// exitCode returns the code to end with; ok is false if the arguments make no sense.
func exitCode(args []string) (code int, ok bool) {
	if len(args) == 0 {
		return 0, true
	}
	n, err := strconv.ParseUint(args[0], 10, 8)
	if err != nil || len(args) > 1 {
		return usage, false
	}
	return int(n), true
}
