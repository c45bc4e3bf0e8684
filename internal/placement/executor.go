package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Capacity is what a machine has for jobs, as it measured that itself: what is free, and what jobs use. With no cores it has not said.
type Capacity struct {
	Cores   uint32
	CPU     uint32 // 100 for each core that nobody else uses
	Memory  uint64 // bytes
	Disk    uint64 // bytes, where jobs' directories are
	Battery bool   // it has one
	Charge  uint32 // of the battery, percent
	Mains   bool   // the battery is not being drained
}

// Known says whether the machine has said what it has.
func (c Capacity) Known() bool { return c.Cores > 0 }

// Drained says that the machine runs on its battery.
func (c Capacity) Drained() bool { return c.Battery && !c.Mains }

// Differs says whether o is worth telling to who was told c: noise is not.
func (c Capacity) Differs(o Capacity) bool {
	return c.Cores != o.Cores || c.Battery != o.Battery || c.Mains != o.Mains ||
		apart(uint64(c.CPU), uint64(o.CPU), 10*uint64(max(c.Cores, 1))) || apart(uint64(c.Charge), uint64(o.Charge), 5) ||
		apart(c.Memory, o.Memory, max(c.Memory/8, noticeable)) || apart(c.Disk, o.Disk, max(c.Disk/8, noticeable))
}

// noticeable is how many bytes are worth a word.
const noticeable = 64 << 20

func apart(a, b, by uint64) bool { return max(a, b)-min(a, b) > by }

// Executor is what placement knows of one executor. What it has reserved is kept by the Pool that it is in.
type Executor struct {
	ID       string // node id
	Name     string
	Window   int    // attempts it takes at a time: its slots and a short queue of its own, sized so that no slot idles
	Slots    int    // attempts it runs at a time
	Used     int    // attempts reserved or under way
	Memory   uint64 // bytes for one attempt, at most
	Party    string // on whose behalf it says what it says; empty: its own
	Engine   string // that runs modules
	Labels   map[string]string
	Cordoned bool
	Cut      bool    // its connection is gone just now, and may come back
	Recent   *Recent // modules, inputs and outputs that it had lately
	Capacity Capacity

	memory, cpu, disk account
	room              int // where it stands among those with room in its pool, from 1; 0: nowhere
}

// Claim is what an attempt reserves besides its place.
type Claim struct{ Memory, CPU, Disk uint64 }

// claim returns what an attempt with this demand reserves. Who says nothing of memory gets a slot's share of it, and so always fits.
func (d *Demand) claim(e *Executor) Claim {
	c := Claim{max(d.Memory, d.Free), uint64(d.CPU), d.Disk}
	if c.Memory == 0 && e.Capacity.Known() {
		c.Memory = min(defaultMemory, e.Capacity.Memory/uint64(max(e.Slots, 1)))
	}
	return c
}

// defaultMemory is what a program may use that says nothing of memory.
const defaultMemory = 256 << 20

// account is how much of one thing the attempts of an executor have reserved.
type account struct {
	sum, most uint64
	of        map[uint64]int // amount → attempts that reserved so much
}

func (a *account) add(n uint64) {
	if n == 0 {
		return
	}
	if a.of == nil {
		a.of = map[uint64]int{}
	}
	a.of[n]++
	a.sum, a.most = a.sum+n, max(a.most, n)
}

func (a *account) remove(n uint64) {
	if n == 0 || a.of[n] == 0 {
		return
	}
	a.sum -= n
	if a.of[n]--; a.of[n] > 0 {
		return
	}
	delete(a.of, n)
	if n == a.most {
		a.most = 0
		for k := range a.of {
			a.most = max(a.most, k)
		}
	}
}

// fits says whether n more is there: beside all that is reserved, or, as no more attempts run at a time than there are slots, for any of them.
func (a *account) fits(n, total uint64, slots int) bool {
	return n == 0 || a.sum+n <= total || max(a.most, n)*uint64(max(slots, 1)) <= total
}

// suits says whether e meets every constraint, leaving alone what is taken for the moment. It is Lacks without the words.
func (d *Demand) suits(e *Executor) bool {
	c := &e.Capacity
	if e.Cordoned || e.Cut || d.Memory > e.Memory || (d.Engine != "" && d.Engine != e.Engine) || (d.Mains && c.Drained()) || d.barred(e) {
		return false
	}
	if d.asksMachine() && (c.Cores < d.Cores || c.CPU < d.CPU || c.Memory < d.Free || c.Disk < d.Disk) {
		return false
	}
	if c.Known() && d.Memory > c.Memory {
		return false
	}
	for k, v := range d.Labels {
		if e.Labels[k] != v || !has(e.Labels, k) {
			return false
		}
	}
	return true
}

// roomFor says whether what d asks for is not reserved already.
func (d *Demand) roomFor(e *Executor) bool {
	if e.Used >= e.Window || !e.Capacity.Known() {
		return e.Used < e.Window
	}
	memory, cpu, disk := e.fits(d.claim(e))
	return memory && cpu && disk
}

// fits says of what a claim names what is there.
func (e *Executor) fits(c Claim) (memory, cpu, disk bool) {
	return e.memory.fits(c.Memory, e.Capacity.Memory, e.Slots), e.cpu.fits(c.CPU, uint64(e.Capacity.CPU), e.Slots), e.disk.fits(c.Disk, e.Capacity.Disk, e.Slots)
}

func (d *Demand) asksMachine() bool { return d.Cores > 0 || d.CPU > 0 || d.Free > 0 || d.Disk > 0 }

func (d *Demand) barred(e *Executor) bool { return d.Barred[e.party()] || d.Barred[e.ID] }

// Lacks names the constraints that e does not meet.
func (d *Demand) Lacks(e *Executor) []string {
	var why []string
	lack := func(is bool, format string, args ...any) {
		if is {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	c := &e.Capacity
	lack(e.Cordoned, "cordoned")
	lack(d.barred(e), "has a say in its result already")
	lack(e.Cut, "connection lost a moment ago")
	lack(d.Engine != "" && d.Engine != e.Engine, "does not run engine %s", d.Engine)
	lack(d.Memory > e.Memory, "less than %d MiB of memory a job", d.Memory>>20)
	lack(c.Cores < d.Cores, "fewer than %d CPU cores", d.Cores)
	lack(c.CPU < d.CPU, "less than %d of CPU capacity free", d.CPU)
	free := d.Free
	if c.Known() {
		free = max(free, d.Memory)
	}
	lack(c.Memory < free, "less than %d MiB of memory free", free>>20)
	lack(c.Disk < d.Disk, "less than %d MiB of disk free", d.Disk>>20)
	lack(d.Mains && c.Drained(), "runs on its battery")
	for _, k := range sortedKeys(d.Labels) {
		lack(e.Labels[k] != d.Labels[k] || !has(e.Labels, k), "lacks label %s=%s", k, d.Labels[k])
	}
	return why
}

// taken names what e has, and other jobs have reserved.
func (d *Demand) taken(e *Executor, why []string) []string {
	if e.Used >= e.Window {
		return append(why, noSlot)
	}
	if !e.Capacity.Known() {
		return why
	}
	before := len(why)
	memory, cpu, disk := e.fits(d.claim(e))
	for what, there := range map[string]bool{"memory": memory, "CPU capacity": cpu, "disk": disk} {
		if !there {
			why = append(why, "its "+what+" is taken by other jobs")
		}
	}
	slices.Sort(why[before:])
	return why
}

const noSlot = "no free slot"

// standing is how good a place an executor is for a job, as far as that does not depend on others: each line of it decides only between equals of
// those before. It is one number, because a broker compares a thousand of them for one job.
//
//	fresh   not one that had the job before
//	free    a free slot now
//	suited  more of the labels that suit its emergency
//	near    more of its module and inputs there, by worth
//	mains   mains before battery, so that no battery is drained while a socket is free
type standing uint64

const (
	mains  standing     = 1 << iota
	near                // up to 2^40 of worth
	suited = near << 40 // up to 2^20 labels
	free   = suited << 20
	fresh  = free << 1
)

func (d *Demand) standing(e *Executor) (s standing) {
	if !d.Avoid[e.ID] {
		s |= fresh
	}
	if e.Used < e.Slots {
		s |= free
	}
	if len(d.Prefer) > 0 {
		s |= suited * standing(min(d.suited(e), 1<<20-1))
	}
	if len(d.Bytes) > 0 {
		s |= near * standing(min(d.near(e), 1<<40-1))
	}
	if !e.Capacity.Drained() {
		s |= mains
	}
	return s
}

// prefers says whether a is a better place than b, whose standings are s and t: by those, then the least load, the greatest charge, the least id.
func prefers(a *Executor, s standing, b *Executor, t standing) bool {
	if s != t {
		return s > t
	}
	if x, y := a.Used*max(b.Slots, 1), b.Used*max(a.Slots, 1); x != y {
		return x < y
	}
	if x, y := a.charge(), b.charge(); x != y {
		return x > y
	}
	return a.ID < b.ID
}

// suited counts the labels that suit the job's emergency.
func (d *Demand) suited(e *Executor) int {
	n := 0
	for k, v := range d.Prefer {
		for name, value := range e.Labels {
			if (k == Any || k == name) && (v == Any || v == value) {
				n++
			}
		}
	}
	return n
}

// charge is that of the battery, and full without one.
func (e *Executor) charge() uint32 {
	if !e.Capacity.Drained() {
		return 100
	}
	return e.Capacity.Charge
}

func (e *Executor) party() string { return cmp.Or(e.Party, e.ID) }

func has(labels map[string]string, k string) bool {
	_, ok := labels[k]
	return ok
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
