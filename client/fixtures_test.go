package client

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

var quiet = slog.New(slog.NewTextHandler(GinkgoWriter, &slog.HandlerOptions{Level: slog.LevelDebug}))

// heard is a message that the broker got.
type heard struct {
	sender  *actor.PID
	message any
}

// brokerProbe stands for a broker: what clients ask lands in heard, and is answered by hand or by answer.
type brokerProbe struct {
	peer  identity.Peer
	addr  string
	links *link.Links
	sys   *actor.ActorSystem
	heard chan heard
	store *blob.Store

	serving sync.WaitGroup // connections for bytes
	stopped sync.Once

	mu     sync.Mutex
	answer func(b *brokerProbe, h heard)
}

func startBroker(m *link.Memory, name string) *brokerProbe {
	GinkgoHelper()
	b := &brokerProbe{
		peer: identity.Peer{ID: identity.NodeID("node-" + name), Name: name, Roles: []string{identity.RoleBroker}},
		addr: name + ":7420", heard: make(chan heard, 1024),
	}
	b.sys = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	var err error
	b.links, err = link.Start(link.Config{
		System: b.sys, Endpoint: m.Endpoint(b.peer), Listen: b.addr, Now: time.Now, Log: quiet,
		Clock: messages.NewNodeClock(vclock.Key{Node: string(b.peer.ID), Incarnation: 1}, time.Now),
	})
	Expect(err).NotTo(HaveOccurred())
	b.store, err = blob.OpenStore(GinkgoT().TempDir(), blob.Options{})
	Expect(err).NotTo(HaveOccurred())
	_, err = b.sys.Root.SpawnNamed(actor.PropsFromFunc(b.receive), messages.GatewayActor)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(b.stop)
	return b
}

func (b *brokerProbe) receive(ctx actor.Context) {
	m := messages.Unstamp(ctx.Message())
	switch m.(type) {
	case actor.SystemMessage, actor.AutoReceiveMessage:
		return
	}
	h := heard{ctx.Sender(), m}
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		answer(b, h)
	}
	b.heard <- h
}

// answers makes the broker answer by itself.
func (b *brokerProbe) answers(with func(b *brokerProbe, h heard)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = with
}

func (b *brokerProbe) say(to *actor.PID, m any) { b.sys.Root.Send(to, m) }

// ask sends m to the client as the gateway does, so that the client's answer is heard.
func (b *brokerProbe) ask(to *actor.PID, m any) {
	b.sys.Root.RequestWithCustomSender(to, m, actor.NewPID(string(b.peer.ID), messages.GatewayActor))
}

func (b *brokerProbe) stop() {
	b.stopped.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b.links.Close(ctx)
		b.sys.Shutdown()
		_ = b.store.Close()
	})
}

// next returns the next message of type M that the broker hears.
func next[M any](ctx context.Context, b *brokerProbe) (M, *actor.PID) {
	GinkgoHelper()
	for {
		select {
		case h := <-b.heard:
			if m, ok := h.message.(M); ok {
				return m, h.sender
			}
		case <-ctx.Done():
			Fail("the broker was not asked in time")
		}
	}
}

// bytes connects to the broker's store, as links over TCP do.
func (b *brokerProbe) bytes(context.Context, string, identity.NodeID) (net.Conn, error) {
	here, there := net.Pipe()
	b.serving.Go(func() {
		blob.ServeConn(there, blob.Handler(b.store, func(*http.Request) error { return nil }))
	})
	return here, nil
}

// dialTo connects a client that the spec closes.
func dialTo(ctx context.Context, m *link.Memory, o Options, brokers ...*brokerProbe) *Client {
	GinkgoHelper()
	for _, b := range brokers {
		o.Addresses = append(o.Addresses, b.addr)
	}
	o.endpoint = m.Endpoint(identity.Peer{ID: "node-client", Name: "client", Roles: []string{identity.RoleClient}})
	o.Log, o.bytes = quiet, brokers[0].bytes
	c, err := Dial(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(c.Close()).To(Succeed()) })
	return c
}

var helloSpec = &Spec{Name: "hello", Module: Blob{Digest: blob.Sum([]byte("module")), Size: 6, Inline: []byte("module")}}

// owner is who owns every job of these specs.
var owner = job.Ownership{Journal: "j1"}

func queued(id string) Job {
	return job.New(job.ID(id), helloSpec, owner, owner, "node-b1", vclock.Hybrid{Wall: 1})
}

func running(id string) Job {
	j, _, err := queued(id).Apply(owner, job.Deployable{Executor: "e1", Lease: 1, Incarnation: 1})
	Expect(err).NotTo(HaveOccurred())
	return j
}

func attemptOf(id string, n uint32) job.Name {
	return job.Name{Job: job.ID(id), Owner: owner, Incarnation: 1, N: n}
}

// over is the job after its first attempt's result.
func over(id string, res *Result) Job {
	GinkgoHelper()
	res.Seal()
	j, _, err := running(id).Apply(owner, job.Finished{Attempt: attemptOf(id, 1), Executor: "e1", Result: res})
	Expect(err).NotTo(HaveOccurred())
	return j
}

func done(id string) Job { return over(id, &Result{Kind: job.Exited}) }

func changedTo(j Job) *messages.JobChanged { return &messages.JobChanged{Record: j.Append(nil)} }

// sessionAt is a session that has seen n writes of a journal.
func sessionAt(journal string, n uint64, seal []byte) []byte {
	v := ledger.Vector{}.With(ledger.Dot{Origin: ledger.Origin{Journal: journal, Incarnation: 1, Lane: ledger.Normal}, Seq: n})
	return encodeSession(v, vclock.Hybrid{Wall: int64(n)}, seal)
}

// acknowledge takes every submission.
func acknowledge(b *brokerProbe, h heard) {
	if m, ok := h.message.(*messages.SubmitJob); ok {
		b.say(h.sender, &messages.JobSubmitted{Job: m.GetJob(), Durability: 2, Session: sessionAt("j1", 1, nil)})
	}
}

// perform takes every submission and finishes it at once.
func perform(b *brokerProbe, h heard) {
	acknowledge(b, h)
	if m, ok := h.message.(*messages.SubmitJob); ok {
		b.say(h.sender, changedTo(done(m.GetJob())))
	}
}

// blobOf names data; small data is inline.
func blobOf(data []byte) Blob {
	b := Blob{Digest: blob.Sum(data), Size: uint64(len(data))}
	if len(data) <= MaxInline {
		b.Inline = data
	}
	return b
}

// inlineOnly opens blobs that carry their bytes.
func inlineOnly(_ context.Context, b Blob) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline)), nil
}
