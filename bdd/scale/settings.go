package scale

import (
	"time"

	"github.com/urbancompute/ucp/internal/emergency"
)

// Settings say what a network is like and what it has to do.
type Settings struct {
	Seed      uint64
	Brokers   int
	Executors int // spread evenly over the brokers
	Slots     int // of each executor
	Areas     int // brokers are spread over so many, on a ring
	Near      time.Duration
	Within    time.Duration // from a broker to another one of its area
	Between   time.Duration // what each area on the way adds
	Sync      time.Duration // an fsync
	Work      []Work
	Visitors  Visitors
	Fire      *Fire // nil: none
}

// Work is a submitter that has its whole backlog from the beginning on.
type Work struct {
	Submitter string
	Jobs      int
	Mean      time.Duration // of its programs; each is a quarter of that and an exponential rest
	From      time.Duration // when the first job comes
	Within    time.Duration // and the others come evenly
	Gates     int           // through so many brokers; 0: through all
	Picky     float64       // share of its jobs that need a label that one executor of ten has
}

// Visitors are submitters that come with a few jobs each while the network is full.
type Visitors struct {
	Parties int
	Jobs    int // each
	Mean    time.Duration
	Until   time.Duration // they come at any time up to then, each to one broker
}

// Fire is an emergency: declared at one broker, where its jobs come in too.
type Fire struct {
	At, For time.Duration
	Level   emergency.Level
	Jobs    int
	Mean    time.Duration
	Within  time.Duration // its jobs come evenly within that time after the declaration
}

// Full is a network of 100 brokers and 10,000 executors with a million jobs.
func Full() Settings {
	s := base()
	s.Brokers, s.Executors, s.Areas = 100, 10_000, 10
	s.Work = submitters(8, 350_000, 170*time.Second*2*10_000)
	s.Visitors = Visitors{Parties: 500, Jobs: 10, Mean: time.Second, Until: 150 * time.Second}
	s.Fire = &Fire{At: 60 * time.Second, For: 20 * time.Second, Level: emergency.Critical, Jobs: 5000, Mean: 2 * time.Second, Within: 2 * time.Second}
	rest := 1_000_000 - s.Jobs()
	s.Work[0].Jobs += rest // the flood
	return s
}

// Small is the same in a few seconds: 10 brokers, 200 executors.
func Small() Settings {
	s := base()
	s.Brokers, s.Executors, s.Areas = 10, 200, 5
	s.Work = submitters(4, 6000, 80*time.Second*2*200)
	s.Visitors = Visitors{Parties: 30, Jobs: 10, Mean: time.Second, Until: 60 * time.Second}
	s.Fire = &Fire{At: 30 * time.Second, For: 10 * time.Second, Level: emergency.Critical, Jobs: 300, Mean: 2 * time.Second, Within: 200 * time.Millisecond}
	return s
}

func base() Settings {
	return Settings{
		Seed: 1, Slots: 2, Near: time.Millisecond, Within: time.Millisecond, Between: 2 * time.Millisecond, Sync: 500 * time.Microsecond,
	}
}

// submitters returns one that floods the network with about as many jobs and half of the service, and n that come when it has done so, and share the
// other half: each has more to do than the one before, in longer programs. Whoever is served in the order of coming, or by the number of jobs, is
// served unfairly.
func submitters(n, flood int, service time.Duration) []Work {
	all := []Work{{Submitter: "flood", Jobs: flood, Mean: service / 2 / time.Duration(flood), Within: time.Second, Picky: 0.02}}
	parts := n*n + n*(n-1)/2 // n, n+1, …, 2n-1
	for i := range n {
		mean := time.Duration(i+2) * time.Second
		each := service / 2 * time.Duration(n+i) / time.Duration(parts)
		all = append(all, Work{Submitter: "party-" + string(rune('a'+i)), Jobs: int(each / mean), Mean: mean, From: time.Second, Within: time.Second, Picky: 0.02})
	}
	return all
}

// Jobs counts the jobs.
func (s *Settings) Jobs() int {
	n := s.Visitors.Parties * s.Visitors.Jobs
	for _, w := range s.Work {
		n += w.Jobs
	}
	if s.Fire != nil {
		n += s.Fire.Jobs
	}
	return n
}
