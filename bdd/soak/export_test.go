package soak

import (
	"time"

	"github.com/urbancompute/ucp/client"
)

// What specs see of the package beside what it exports.
var (
	Alarming    = alarming
	EndsOf      = endsOf
	Lost        = lost
	Quarantined = quarantined
	StatusOf    = statusOf
	Unlawful    = unlawful
	Unmerited   = unmerited
	Unsettled   = unsettled
)

// Saying is what a broker says.
type Saying = saying

// Says makes what a broker says of some jobs.
func Says(broker string, records uint64, jobs ...client.Change) Saying {
	s := saying{broker: broker, records: records, jobs: map[string]client.Change{}}
	for _, c := range jobs {
		s.jobs[string(c.Job.ID)] = c
	}
	return s
}

// NoTime is what a job that has to fail is to sleep.
const NoTime = noTime

// Jobs are the jobs that it is about.
func (s saying) Jobs() map[string]client.Change { return s.jobs }

// Told reads what a process tells.
func (r *Reading) Told(line string) error { return r.told(line) }

// Judge compares two readings of a node.
func (l Limits) Judge(node string, begin, end Reading, jobs int) []string {
	return l.judge(node, begin, end, jobs)
}

// Startable says when a fault can begin.
func (f Fault) Startable(free, length time.Duration) (at time.Duration, inTime bool) {
	return f.startable(free, length)
}
