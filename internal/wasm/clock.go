package wasm

import (
	"crypto/rand"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// now measures how long guests and compilations take, and when output has waited long enough. Nothing else is decided by it.
var now = time.Now

// sleep waits for d; a worker that is to wake earlier is killed.
func sleep(ns int64) {
	if ns > 0 {
		<-time.NewTimer(time.Duration(ns)).C
	}
}

// realTime gives the guest the host's clocks, sleep and randomness.
func realTime(c wazero.ModuleConfig, beforeSleep func()) wazero.ModuleConfig {
	return c.WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader).
		WithNanosleep(func(ns int64) {
			beforeSleep()
			sleep(ns)
		})
}

// virtualClock is the clock of a deterministic guest: it moves a microsecond each time it is read, and by what is slept.
type virtualClock struct{ ns int64 }

// The first instant of a deterministic guest: 2022-01-01T00:00:00Z, as wazero has it.
const virtualEpoch = 1640995200

func (v *virtualClock) tick() int64 {
	v.ns += 1000
	return v.ns
}

func (v *virtualClock) walltime() (sec int64, nsec int32) {
	t := v.tick()
	return virtualEpoch + t/1e9, int32(t % 1e9)
}

func (v *virtualClock) sleep(ns int64) { v.ns += max(ns, 0) }

// virtualTime gives the guest a virtual clock. Randomness stays wazero's own, which is the same for each run.
func virtualTime(c wazero.ModuleConfig) wazero.ModuleConfig {
	v := &virtualClock{}
	resolution := sys.ClockResolution(1000)
	return c.WithWalltime(v.walltime, resolution).WithNanotime(v.tick, resolution).WithNanosleep(v.sleep)
}
