package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/urbancompute/ucp/bdd/scale"
)

func main() {
	s := scale.Small()
	if len(os.Args) > 1 && os.Args[1] == "full" {
		s = scale.Full()
	}
	if f := os.Getenv("PROF"); f != "" {
		o, _ := os.Create(f)
		pprof.StartCPUProfile(o)
		defer pprof.StopCPUProfile()
	}
	t := time.Now()
	r := scale.Run(s)
	r.Write(os.Stdout)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println(time.Since(t), m.Sys>>20, "MiB")
	for i, x := range r.Samples {
		if i%5 == 0 {
			fmt.Printf("%+v\n", x)
		}
	}
}
