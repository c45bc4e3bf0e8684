package link

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are those of one session. They are written once a frame.
type counters struct {
	framesOut, bytesOut, framesIn, bytesIn atomic.Uint64
}

func (c *counters) sent(n int) {
	c.framesOut.Add(1)
	c.bytesOut.Add(uint64(n))
}

func (c *counters) received(n int) {
	c.framesIn.Add(1)
	c.bytesIn.Add(uint64(n))
}

// totals are those of a node's links since its start; the counters of sessions
// are added when they end.
type totals struct {
	counters
	sessions, retries, hostile, refusedIn, refusedOut atomic.Uint64
}

func (t *totals) add(c *counters) {
	t.framesOut.Add(c.framesOut.Load())
	t.bytesOut.Add(c.bytesOut.Load())
	t.framesIn.Add(c.framesIn.Load())
	t.bytesIn.Add(c.bytesIn.Load())
}

var (
	descPeers     = prometheus.NewDesc("ucp_link_peers", "Nodes with a link.", nil, nil)
	descQueued    = prometheus.NewDesc("ucp_link_queued_bytes", "Bytes queued or unconfirmed, over all links.", nil, nil)
	descSessions  = prometheus.NewDesc("ucp_link_sessions_total", "Links that came up.", nil, nil)
	descRetries   = prometheus.NewDesc("ucp_link_dials_total", "Attempts to connect that ended.", nil, nil)
	descHostile   = prometheus.NewDesc("ucp_link_hostile_frames_total", "Links ended for a malformed frame.", nil, nil)
	descFrames    = prometheus.NewDesc("ucp_link_frames_total", "Frames, by direction.", []string{"direction"}, nil)
	descBytes     = prometheus.NewDesc("ucp_link_bytes_total", "Bytes of frames, by direction.", []string{"direction"}, nil)
	descUndeliver = prometheus.NewDesc("ucp_link_refused_total", "Messages not sent (out) or not taken (in).", []string{"direction"}, nil)
)

var _ prometheus.Collector = (*Links)(nil)

// Describe implements prometheus.Collector.
func (l *Links) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(l, ch) }

// Collect implements prometheus.Collector.
func (l *Links) Collect(ch chan<- prometheus.Metric) {
	var now totals
	now.add(&l.total.counters)
	queued, sessions := 0, *l.sessions.Load()
	for _, s := range sessions {
		now.add(&s.count)
		queued += s.out.held()
	}
	gauge := func(d *prometheus.Desc, v int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(d *prometheus.Desc, v *atomic.Uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v.Load()), labels...)
	}
	gauge(descPeers, len(sessions))
	gauge(descQueued, queued)
	count(descSessions, &l.total.sessions)
	count(descRetries, &l.total.retries)
	count(descHostile, &l.total.hostile)
	count(descFrames, &now.framesOut, "out")
	count(descFrames, &now.framesIn, "in")
	count(descBytes, &now.bytesOut, "out")
	count(descBytes, &now.bytesIn, "in")
	count(descUndeliver, &l.total.refusedOut, "out")
	count(descUndeliver, &l.total.refusedIn, "in")
}

// throttle lets one log line a second through and counts the others. It is for
// lines that a peer can cause.
type throttle struct {
	mu   sync.Mutex
	last time.Time
	held int
}

func (t *throttle) allow(now time.Time) (held int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := now.Sub(t.last); d >= 0 && d < time.Second {
		t.held++
		return 0, false
	}
	held, t.last, t.held = t.held, now, 0
	return held, true
}
