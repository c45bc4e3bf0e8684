// Package machine measures what a machine has for jobs: cores, CPU capacity, memory, disk and power. What jobs use themselves counts as theirs: it is what
// others use that is missing. A reading that fails keeps what was read before, and says so once.
//
// The measures are those of the whole machine, by gopsutil; a container that was given less of it looks as large as its host, but for its cores.
package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/urbancompute/ucp/internal/placement"
)

// Meter measures again and again. It is for one goroutine.
type Meter struct {
	dir   string // where jobs' directories are
	power string // where the system tells of its power supplies
	last  sample
}

// sample is what CPU time was used until a moment, in seconds.
type sample struct {
	at        time.Time
	all, jobs float64
}

// NewMeter returns a meter of the machine that this process runs on.
func NewMeter(dir string) *Meter { return &Meter{dir: dir, power: powerSupplies} }

// Measure returns what there is for jobs now. CPU capacity is that since the last call; before the second all of it counts as free. What cannot be
// measured is zero, and named in the error.
func (m *Meter) Measure(now time.Time) (placement.Capacity, error) {
	c := placement.Capacity{Cores: cores(), CPU: 100 * cores()}
	var errs []error
	jobs, memory, err := ours()
	errs = append(errs, err)
	if busy, err := busySeconds(); err != nil {
		errs = append(errs, err)
	} else {
		c.CPU = m.free(sample{now, busy, jobs}, c.CPU)
	}
	if v, err := mem.VirtualMemory(); err != nil {
		errs = append(errs, fmt.Errorf("memory: %w", err))
	} else {
		c.Memory = min(v.Available+memory, v.Total)
	}
	if u, err := disk.Usage(m.dir); err != nil {
		errs = append(errs, fmt.Errorf("disk: %w", err))
	} else {
		c.Disk = u.Free
	}
	err = readPower(m.power, &c)
	return c, errors.Join(append(errs, err)...)
}

// free returns the CPU capacity that others left since the last sample.
func (m *Meter) free(s sample, all uint32) uint32 {
	last := m.last
	m.last = s
	span := s.at.Sub(last.at).Seconds()
	if last.at.IsZero() || span <= 0 {
		return all
	}
	others := max(0, (s.all-last.all)-max(0, s.jobs-last.jobs)) / span // cores
	return uint32(max(0, float64(all)-100*others))
}

func cores() uint32 { return uint32(runtime.NumCPU()) } //nolint:gosec // few

// busySeconds is the CPU time that the machine used so far.
func busySeconds() (float64, error) {
	all, err := cpu.Times(false)
	if err != nil || len(all) == 0 {
		return 0, fmt.Errorf("CPU time: %w", errors.Join(err))
	}
	t := all[0]
	return t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal, nil
}

// ours returns the CPU time and the memory of this process's workers, which jobs run in, and of this process.
func ours() (seconds float64, memory uint64, err error) {
	self, err := process.NewProcess(int32(os.Getpid())) //nolint:gosec // a process id fits
	if err != nil {
		return 0, 0, fmt.Errorf("own process: %w", err)
	}
	children, err := self.Children()
	if err != nil && !errors.Is(err, process.ErrorNoChildren) {
		return 0, 0, fmt.Errorf("workers: %w", err)
	}
	for _, p := range append(children, self) {
		t, err := p.Times()
		m, err2 := p.MemoryInfo()
		if err != nil || err2 != nil {
			continue // it has ended meanwhile
		}
		seconds += t.User + t.System
		if p != self {
			memory += m.RSS
		}
	}
	return seconds, memory, nil
}

// Watch measures each interval and tells what it measured, until stop is called, which waits. Warn is told of what cannot be measured, once for each
// different reason.
func Watch(m *Meter, every time.Duration, now func() time.Time, tell func(placement.Capacity), warn func(error)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(every)
		defer t.Stop()
		told := ""
		for {
			select {
			case <-done:
				return
			case <-t.C:
			}
			c, err := m.Measure(now())
			if err != nil && err.Error() != told {
				told = err.Error()
				warn(err)
			}
			tell(c)
		}
	}()
	return func() { close(done); <-ended }
}
