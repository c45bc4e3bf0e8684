// Span waits for as long as its argument says and prints when it began and when it ended, in nanoseconds since 1970: who ran beside it can tell.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	d, err := time.ParseDuration(os.Args[1])
	if err != nil {
		panic(err)
	}
	began := time.Now()
	time.Sleep(d)
	fmt.Println(began.UnixNano(), time.Now().UnixNano())
}
