package sim

import (
	"io"
	"time"

	"github.com/urbancompute/ucp/actors"
)

// Settings say what a world is like. The actors' own settings are those of a node by default.
type Settings struct {
	Broker   actors.BrokerSettings
	Gateway  actors.GatewaySettings // its Sealer is the world's
	Resend   time.Duration          // how long an executor waits before it sends a result again
	Links    LinkSettings
	Disks    DiskSettings
	MaxSkew  time.Duration // of a node's wall clock
	MaxSloth float64       // greatest share of messages that a slow node handles late
	// MaxPace is how much may happen within a second before it is taken for a storm of messages that nothing ends.
	MaxPace int
	Content bool      // hash what messages say, not only what they are
	Honest  bool      // check that no receiver changes a message; slow
	Verbose io.Writer // the readable trace; nil: none
	Without []string  // checkers to leave out
	// DefaultDispatcher runs actors on goroutines of their own, as outside of the simulator: the same seed then gives different runs.
	DefaultDispatcher bool

	smith *smith
}

// LinkSettings say how links behave. Every directed pair of nodes draws its own character from them.
type LinkSettings struct {
	Delay      time.Duration // of a good link, at least
	Jitter     time.Duration // mean of what comes on top
	SlowShare  float64       // of directions that are ten to a hundred times as slow
	Loss       float64       // greatest share of messages that a lossy direction loses
	LossyShare float64       // of directions that lose, double and reorder
	Double     float64       // greatest share that arrives twice
	Reorder    float64       // greatest share that may be overtaken
	Silence    time.Duration // mean time until an end gives up a peer that it does not hear
	Redial     time.Duration // greatest pause between attempts to connect
}

// DiskSettings say how disks behave.
type DiskSettings struct {
	Sync   time.Duration // mean time of an fsync
	Jitter bool          // draw it each time
}

// DefaultSettings are those of a network in which things may fail.
func DefaultSettings() Settings {
	return Settings{
		Broker: actors.BrokerSettings{
			Heartbeat: 500 * time.Millisecond, LeaseTimeout: 3 * time.Second, Reconnect: 300 * time.Millisecond, LongJob: time.Second, Grace: 6 * time.Second,
			SyncInterval: time.Second, BrokerTimeout: 4 * time.Second, ForgetEvery: 3 * time.Second, Keep: 20 * time.Second, MaxQueued: 1000,
		},
		Gateway: actors.GatewaySettings{MaxMailbox: 1000, MaxSpec: 128 << 10, MaxJobs: 100},
		Resend:  2 * time.Second,
		Links: LinkSettings{
			Delay: 200 * time.Microsecond, Jitter: 2 * time.Millisecond, SlowShare: 0.05,
			LossyShare: 0.1, Loss: 0.02, Double: 0.02, Reorder: 0.05, Silence: 8 * time.Second, Redial: 3 * time.Second,
		},
		Disks:    DiskSettings{Sync: 500 * time.Microsecond, Jitter: true},
		MaxSkew:  2 * time.Second,
		MaxSloth: 0.1,
		MaxPace:  500_000,
	}
}

// Quiet is a world in which nothing fails by itself: links are quick, alike and lossless, clocks agree.
func Quiet() Option {
	return func(s *Settings) {
		s.Links = LinkSettings{Delay: time.Millisecond, Silence: 5 * time.Second, Redial: 250 * time.Millisecond}
		s.Disks.Jitter = false
		s.MaxSkew, s.MaxSloth = 0, 0
	}
}

// Verbose writes the readable trace to out.
func Verbose(out io.Writer) Option { return func(s *Settings) { s.Verbose = out } }

// Without leaves out checkers.
func Without(names ...string) Option {
	return func(s *Settings) { s.Without = append(s.Without, names...) }
}

// UnderDefaultDispatcher runs actors on goroutines of their own.
func UnderDefaultDispatcher() Option { return func(s *Settings) { s.DefaultDispatcher = true } }

// With alters the settings as it likes.
func With(change func(*Settings)) Option { return change }
