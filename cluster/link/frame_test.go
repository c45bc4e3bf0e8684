package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// one is a Codec of one type.
type one struct{}

func (one) TypeID(proto.Message) (uint32, bool) { return 1, true }
func (one) NewMessage(id uint32) (proto.Message, bool) {
	return &wrapperspb.StringValue{}, id == 1
}

func clockOf(node string) *messages.NodeClock {
	return messages.NewNodeClock(vclock.Key{Node: node, Incarnation: 1}, time.Now)
}

func decoderFor(node string) *decoder {
	return &decoder{maxFrame: 256 << 10, owner: vclock.Key{Node: node, Incarnation: 1}}
}

// encodeAll is a batch of records, without the lane.
func encodeAll(clock *messages.NodeClock, items ...item) []byte {
	var e encoder
	var b []byte
	for _, it := range items {
		if it.message != nil {
			proto.Size(it.message)
		}
		var err error
		if b, err = e.append(b, &it, clock.Tick()); err != nil {
			panic(err)
		}
	}
	return b
}

var _ = Describe("Records", func() {
	It("arrive as they were sent", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			ids := rapid.SampledFrom([]string{"broker", "broker/sync", "executor", "future$1a", "x"})
			many := rapid.StringN(1, 8, -1) // more names than the ring holds
			clock := clockOf("a")
			var enc encoder
			dec := decoderFor("a")
			for range rapid.IntRange(1, 40).Draw(t, "batches") {
				var b []byte
				var sent []item
				for range rapid.IntRange(1, 20).Draw(t, "records") {
					it := item{
						kind: kind(rapid.IntRange(int(kindUser), int(kindRefused)).Draw(t, "kind")),
						why:  byte(rapid.IntRange(0, 2).Draw(t, "why")), target: rapid.OneOf(ids, many).Draw(t, "target"), sender: ids.Draw(t, "sender"),
						targetRequest: rapid.Uint32().Draw(t, "request"), senderRequest: rapid.Uint32Range(0, 1).Draw(t, "sender request"),
						typeID: 1, message: wrapperspb.String(rapid.String().Draw(t, "body")), text: rapid.StringN(0, 20, 100).Draw(t, "text"),
					}
					proto.Size(it.message)
					var err error
					if b, err = enc.append(b, &it, clock.Tick()); err != nil {
						t.Fatal(err)
					}
					sent = append(sent, it)
				}
				recs, err := dec.decode(b, nil)
				if err != nil || len(recs) != len(sent) {
					t.Fatalf("%d of %d records: %v", len(recs), len(sent), err)
				}
				for i, r := range recs {
					same(t, sent[i], r)
				}
			}
		})
	})

	It("take one byte for a name that was used before", func() {
		clock := clockOf("a")
		it := item{kind: kindWatch, target: "a-rather-long/name-of-an-actor", sender: "another-rather-long-name"}
		once, thrice := encodeAll(clock, it), encodeAll(clock, it, it, it)
		Expect((len(thrice)-len(once))/2).To(BeNumerically("<=", 3+3), "head, two names and a small stamp")
	})

	It("are refused by the decoder if there are too many in a frame", func() {
		_, err := decoderFor("a").decode(bytes.Repeat(appendAcks(nil, [lanes]uint64{}), maxRecords+1), nil)
		Expect(err).To(MatchError(errMalformed))
	})
})

func same(t *rapid.T, it item, r record) {
	ok := r.kind == it.kind && r.target.id == it.target && r.sender.id == it.sender &&
		r.targetRequest == it.targetRequest && r.senderRequest == it.senderRequest && !r.stamp.IsZero()
	switch it.kind {
	case kindUser:
		m := &wrapperspb.StringValue{}
		ok = ok && r.typeID == it.typeID && proto.Unmarshal(r.body, m) == nil && proto.Equal(m, it.message)
	case kindTerminated:
		ok = ok && r.why == it.why
	case kindRefused:
		ok = ok && r.why == it.why && string(r.body) == it.text
	}
	if !ok {
		t.Fatalf("sent %+v, got %+v", it, r)
	}
}

// seeds are frames, honest and otherwise, for the fuzzer and the unit test.
func seeds() map[string][]byte {
	clock := clockOf("peer")
	user := item{kind: kindUser, target: "p", sender: "q", typeID: 1, message: wrapperspb.String("hello")}
	honest := append([]byte{frameNormal}, encodeAll(clock, user, item{kind: kindWatch, target: "p", sender: "w"}, user)...)
	long := binary.AppendUvarint(append([]byte{frameNormal, byte(kindUser)}, 1), 1<<40)
	return map[string][]byte{
		"honest":                          honest,
		"honest and urgent":               append([]byte{frameNormal + byte(Urgent)}, honest[1:]...),
		"empty":                           {},
		"control without kind":            {frameControl},
		"control of unknown kind":         {frameControl, 99},
		"hello in the middle":             hello{version: 1, id: 1}.encode(),
		"farewell without goodbye":        {frameControl, controlFarewell},
		"acknowledges what was not sent":  append([]byte{frameControl}, appendAcks(nil, [lanes]uint64{5, 0})...),
		"acknowledges too much":           append([]byte{frameControl}, appendAcks(nil, [lanes]uint64{maxUint64, 1})...),
		"cut acknowledgement":             {frameControl, byte(kindAcks), 0x80},
		"unknown lane":                    {frameNormal + lanes, byte(kindWatch)},
		"unknown kind of record":          {frameNormal, 0},
		"cut short":                       honest[:len(honest)-3],
		"body longer than the frame":      long,
		"body longer than memory":         append(binary.AppendUvarint([]byte{frameNormal, byte(kindUser), 1}, 1<<62), 1),
		"name from an empty ring":         {frameNormal, byte(kindWatch) | flagSender, nameFirst + 5, nameFirst},
		"name beyond the ring":            {frameNormal, byte(kindDeadLetter), nameFirst + ringSize},
		"name longer than names are":      append([]byte{frameNormal, byte(kindDeadLetter), nameOnce}, appendString(nil, strings.Repeat("x", maxID+1))...),
		"watch without watcher":           {frameNormal, byte(kindWatch), nameOnce, 1, 'p'},
		"terminated for no known reason":  {frameNormal, byte(kindTerminated) | flagSender, 7, nameOnce, 1, 'p', nameOnce, 1, 'q'},
		"stamp of another node":           append([]byte{frameNormal}, encodeAll(clockOf("somebody-else"), user)...),
		"stamp of nothing known":          append(append([]byte{frameNormal}, []byte{byte(kindDeadLetter) | flagStamp, nameOnce, 1, 'p'}...), 0xff, 0xff, 0xff, 0xff, 0xff),
		"message that does not parse":     {frameNormal, byte(kindUser), 1, 2, 0xff, 0xff, nameOnce, 1, 'p'},
		"request id beyond what fits":     append([]byte{frameNormal, byte(kindDeadLetter) | flagTargetRequest, nameOnce, 1, 'p'}, binary.AppendUvarint(nil, 1<<33)...),
		"number that never ends":          append([]byte{frameNormal, byte(kindUser)}, bytes.Repeat([]byte{0x80}, 100)...),
		"refusal longer than reasons are": append([]byte{frameNormal, byte(kindRefused), 1}, appendString(nil, strings.Repeat("x", maxReason+1))...),
	}
}

// victim is a node with one actor, on a network in memory, whose log is kept.
type victim struct {
	links  *Links
	memory *Memory
	mu     sync.Mutex
	log    bytes.Buffer
}

func (v *victim) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.log.Write(b)
}

func (v *victim) said() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.log.String()
}

func newVictim() (*victim, error) {
	v := &victim{memory: NewMemory()}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	if _, err := system.Root.SpawnNamed(actor.PropsFromFunc(func(actor.Context) {}), "p"); err != nil {
		return nil, err
	}
	var err error
	v.links, err = Start(Config{
		System: system, Endpoint: v.memory.Endpoint(identity.Peer{ID: "node", Name: "node"}), Listen: "node",
		Clock: clockOf("node"), Codec: one{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(v, nil)),
		Allow: func(identity.Peer, string, uint32) error { return nil },
	})
	return v, err
}

// intrude connects to the victim as a proper peer and returns the connection.
// Its id is greater than the victim's, which therefore decides.
func (v *victim) intrude() (carrier, error) {
	c, err := v.memory.Endpoint(identity.Peer{ID: "peer", Name: "peer"}).dial(context.Background(), "node")
	if err != nil {
		return nil, err
	}
	if err := send(c, hello{version: version, id: 7, incarnation: 1}.encode()); err != nil {
		return nil, err
	}
	for range 2 { // hello, verdict
		if _, err := c.Recv(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// close ends the victim; its links have nobody to wait for.
func (v *victim) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v.links.Close(ctx)
}

var _ = Describe("A node whose part changes during a handshake", Label("DISC-2"), func() {
	It("makes no link under the old one", func(ctx SpecContext) {
		v, err := newVictim()
		Expect(err).NotTo(HaveOccurred())
		defer v.close()
		c, err := v.memory.Endpoint(identity.Peer{ID: "a", Name: "a"}).dial(ctx, "node") // its id is less: it decides
		Expect(err).NotTo(HaveOccurred())
		Expect(send(c, hello{version: version, id: 7, incarnation: 1}.encode())).To(Succeed())
		theirs, err := recvHello(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(theirs.roles).To(BeEmpty())
		v.links.Play([]string{"broker"})
		Expect(send(c, encodeVerdict(verdictAccepted, ""))).To(Succeed())
		_, err = c.Recv()
		Expect(err).To(HaveOccurred())
		Expect(v.links.Peers()).To(BeEmpty())
	}, SpecTimeout(10*time.Second))
})

var _ = Describe("A hostile frame", Label("LINK-6"), func() {
	for name, frame := range seeds() {
		if strings.HasPrefix(name, "honest") {
			continue
		}
		It("ends that link with a logged reason: "+name, func(ctx SpecContext) {
			v, err := newVictim()
			Expect(err).NotTo(HaveOccurred())
			defer v.close()
			c, err := v.intrude()
			Expect(err).NotTo(HaveOccurred())
			Expect(send(c, frame)).To(Succeed())
			_, err = c.Recv()
			Expect(err).To(HaveOccurred())
			Eventually(ctx, v.said).Should(ContainSubstring("no honest peer sends"))
			Eventually(ctx, v.links.Peers).Should(BeEmpty())
			_, err = v.intrude()
			Expect(err).NotTo(HaveOccurred(), "the node lives")
		}, SpecTimeout(10*time.Second))
	}

	It("ends that link when pieces never end", func(ctx SpecContext) {
		v, err := newVictim()
		Expect(err).NotTo(HaveOccurred())
		defer v.close()
		c, err := v.intrude()
		Expect(err).NotTo(HaveOccurred())
		go func() {
			for err := error(nil); err == nil; {
				piece := make([]byte, 32<<10)
				piece[0] = frameNormal | frameMore
				err = c.Send(&piece)
			}
		}()
		for err == nil {
			_, err = c.Recv()
		}
		Eventually(ctx, v.said).Should(ContainSubstring("malformed frame: pieces of more than"))
	}, SpecTimeout(10*time.Second))

	It("is no reason to end a link when it is honest", func(ctx SpecContext) {
		v, err := newVictim()
		Expect(err).NotTo(HaveOccurred())
		defer v.close()
		c, err := v.intrude()
		Expect(err).NotTo(HaveOccurred())
		Expect(send(c, seeds()["honest"])).To(Succeed())
		b, err := c.Recv()
		Expect(err).NotTo(HaveOccurred())
		Expect(b).To(Equal(append([]byte{frameControl}, appendAcks(nil, [lanes]uint64{1, 0})...)), "it is confirmed")
	}, SpecTimeout(10*time.Second))

	DescribeTable("ends a handshake", func(ctx SpecContext, first []byte, says string) {
		v, err := newVictim()
		Expect(err).NotTo(HaveOccurred())
		defer v.close()
		c, err := v.memory.Endpoint(identity.Peer{ID: "peer", Name: "peer"}).dial(ctx, "node")
		Expect(err).NotTo(HaveOccurred())
		Expect(send(c, first)).To(Succeed())
		for err == nil {
			_, err = c.Recv()
		}
		Eventually(ctx, v.said).Should(ContainSubstring(says))
		Expect(v.links.Peers()).To(BeEmpty())
	},
		Entry("of noise", []byte("noise"), "malformed frame", SpecTimeout(10*time.Second)),
		Entry("of records before it", seeds()["honest"], "malformed frame", SpecTimeout(10*time.Second)),
		Entry("of a hello cut short", hello{version: version, id: 1}.encode()[:4], "malformed frame", SpecTimeout(10*time.Second)),
		Entry("of too many addresses", hello{version: version, advertise: make([]string, maxAddresses+1)}.encode(), "malformed frame", SpecTimeout(10*time.Second)),
		Entry("of too many roles", hello{version: version, roles: make([]string, maxRoles+1)}.encode(), "malformed frame", SpecTimeout(10*time.Second)),
		Entry("of another version", hello{version: version + 1}.encode(), "upgrade the older one", SpecTimeout(10*time.Second)),
	)
})

// FuzzFrame gives frames to a running session. Whatever they are it must not
// panic, nor block; it may end.
func FuzzFrame(f *testing.F) {
	for _, frame := range seeds() {
		f.Add(frame)
	}
	v, err := newVictim()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(v.close)
	f.Fuzz(func(t *testing.T, frame []byte) {
		c := &memoryConn{memory: v.memory, peer: identity.Peer{ID: "peer"}, out: v.memory.pipe("node", "peer"), in: v.memory.pipe("peer", "node")}
		s := newSession(v.links, c, 1, hello{incarnation: 1}, false)
		s.ackTimer = time.NewTimer(time.Hour)
		defer s.ackTimer.Stop()
		if err := s.receive(frame); err != nil && !strings.Contains(fmt.Sprint(err), "malformed") {
			t.Fatalf("refused for no stated reason: %v", err)
		}
		if got := len(s.records); got > maxRecords {
			t.Fatalf("%d records of one frame", got)
		}
	})
}
