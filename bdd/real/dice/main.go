// Dice waits for as long as its argument says and prints a number that no other run prints: who ran it twice can tell.
package main

import (
	"crypto/rand"
	"os"
	"time"
)

func main() {
	d, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	time.Sleep(d)
	_, _ = os.Stdout.WriteString(rand.Text() + "\n")
}
