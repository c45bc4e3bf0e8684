package client

import (
	"bytes"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Named data", Label("DATA-2"), func() {
	var (
		net *link.Memory
		b1  *brokerProbe
	)
	BeforeEach(func() {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
	})
	// taken makes the broker take every put and removal.
	taken := func(b *brokerProbe, h heard) {
		switch m := h.message.(type) {
		case *messages.PutData:
			b.say(h.sender, &messages.DataPut{Id: m.GetId(), Durability: 2, Replaced: 1, Session: sessionAt("j1", 7, nil)})
		case *messages.RemoveData:
			b.say(h.sender, &messages.DataRemoved{Removed: 3, Session: sessionAt("j1", 8, nil)})
		}
	}

	It("is put under an id of the client's own, which names the broker first asked", func(ctx SpecContext) {
		b1.answers(taken)
		put, err := dialTo(ctx, net, Options{}, b1).PutData(ctx, "maps/north", blobOf([]byte("text")), true)
		Expect(err).NotTo(HaveOccurred())
		m, _ := next[*messages.PutData](ctx, b1)
		Expect(put).To(Equal(DataPut{ID: m.GetId(), Durability: 2, Replaced: 1}))
		Expect(m.GetId()).To(HaveSuffix("-node-b1"))
		Expect(m.GetZip()).To(BeTrue())
		Expect(m.GetBlob()).To(Equal(blobOf([]byte("text")).Append(nil)))
	}, SpecTimeout(10*time.Second))

	It("is sent ahead when it is too much to travel with its name", func(ctx SpecContext) {
		b1.answers(taken)
		text := bytes.Repeat([]byte("x"), MaxInlineData+1)
		_, err := dialTo(ctx, net, Options{}, b1).PutData(ctx, "big", blobOf(text), false)
		Expect(err).NotTo(HaveOccurred())
		m, _ := next[*messages.PutData](ctx, b1)
		Expect(m.GetBlob()).To(Equal(Blob{Digest: blob.Sum(text), Size: uint64(len(text))}.Append(nil)))
		r, err := b1.store.Open(ctx, blob.Sum(text))
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Close()).To(Succeed())
	}, SpecTimeout(10*time.Second))

	It("is put again under the same id when the link was lost before the answer", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		answered := make(chan error, 1)
		go func() {
			_, err := c.PutData(ctx, "plan", blobOf([]byte("text")), false)
			answered <- err
		}()
		first, _ := next[*messages.PutData](ctx, b1)
		b1.answers(taken)
		net.Break(b1.peer.ID, "node-client")
		Eventually(ctx, answered).Should(Receive(BeNil()))
		second, _ := next[*messages.PutData](ctx, b1)
		Expect(second.GetId()).To(Equal(first.GetId()))
	}, SpecTimeout(10*time.Second))

	It("is put under a later id where everything of its time is forgotten", func(ctx SpecContext) {
		later := uint64(time.Now().Add(time.Hour).UnixMilli())
		var ids []string
		b1.answers(func(b *brokerProbe, h heard) {
			m, ok := h.message.(*messages.PutData)
			if !ok {
				return
			}
			if ids = append(ids, m.GetId()); len(ids) == 1 {
				b.say(h.sender, &messages.Refused{Code: messages.Refused_RENAMED, Broker: "node-b1-j2", AfterMs: later})
				return
			}
			taken(b, h)
		})
		put, err := dialTo(ctx, net, Options{}, b1).PutData(ctx, "plan", blobOf([]byte("text")), false)
		Expect(err).NotTo(HaveOccurred())
		Expect(put.ID).To(HaveSuffix("-node-b1-j2"))
		Expect(put.ID > ids[0]).To(BeTrue())
	}, SpecTimeout(10*time.Second))

	It("tells of what others put concurrently, who put it and which job made it", func(ctx SpecContext) {
		b1.answers(func(b *brokerProbe, h heard) {
			b.say(h.sender, &messages.DataResponse{Entries: []*messages.DataEntry{{
				Name: "plan", Id: "p2", Blob: blobOf([]byte("two")).Append(nil), By: "n1", ByName: "alice", AtMs: 2000, Job: "job-0001", Provisional: true,
				Siblings: []*messages.DataEntry{{Name: "plan", Id: "p1", Blob: blobOf([]byte("one")).Append(nil), AtMs: 1000}},
			}}})
		})
		Expect(dialTo(ctx, net, Options{}, b1).Data(ctx, "plan")).To(Equal(Data{
			Name: "plan", ID: "p2", Blob: blobOf([]byte("two")), By: "n1", ByName: "alice", At: time.Unix(2, 0).UTC(), Job: "job-0001", Provisional: true,
			Siblings: []Data{{Name: "plan", ID: "p1", Blob: blobOf([]byte("one")), At: time.Unix(1, 0).UTC()}},
		}))
	}, SpecTimeout(10*time.Second))

	It("is listed page by page", func(ctx SpecContext) {
		b1.answers(func(b *brokerProbe, h heard) {
			b.say(h.sender, &messages.DataResponse{Entries: []*messages.DataEntry{{Name: "m/a"}, {Name: "m/b"}}, Next: "m/b"})
		})
		list, more, err := dialTo(ctx, net, Options{}, b1).ListData(ctx, "m/", 2, "m/0")
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(HaveExactElements(HaveField("Name", "m/a"), HaveField("Name", "m/b")))
		Expect(more).To(Equal("m/b"))
		m, _ := next[*messages.DataList](ctx, b1)
		Expect([]any{m.GetPrefix(), m.GetLimit(), m.GetAfter()}).To(Equal([]any{"m/", uint32(2), "m/0"}))
	}, SpecTimeout(10*time.Second))

	It("goes with what the client has seen of it, also by reading", Label("CLK-5"), func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		b1.answers(taken)
		Expect(c.RemoveData(ctx, "plan")).To(Equal(3))
		b1.answers(func(b *brokerProbe, h heard) {
			b.say(h.sender, &messages.DataResponse{Session: sessionAt("j2", 4, nil)})
		})
		_, _, err := c.ListData(ctx, "", 0, "")
		Expect(err).NotTo(HaveOccurred())
		m, _ := next[*messages.DataList](ctx, b1)
		Expect(m.GetSession()).To(Equal(sessionAt("j1", 8, nil)))
		_, _, err = c.ListData(ctx, "", 0, "")
		Expect(err).NotTo(HaveOccurred())
		m, _ = next[*messages.DataList](ctx, b1)
		var s session
		Expect(s.merge(m.GetSession())).To(Succeed())
		Expect(s.vector.Dots()).To(HaveLen(2))
	}, SpecTimeout(10*time.Second))

	It("is refused under a name that tries to escape before any broker is asked", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		for _, name := range []string{"../x", "/x", "a\nb", strings.Repeat("x", 4096), ""} {
			_, err := c.PutData(ctx, name, blobOf([]byte("text")), false)
			Expect(err).To(MatchError(ErrInvalid))
			_, err = c.Data(ctx, name)
			Expect(err).To(MatchError(ErrInvalid))
			_, err = c.RemoveData(ctx, name)
			Expect(err).To(MatchError(ErrInvalid))
		}
		Expect(b1.heard).To(BeEmpty())
	}, SpecTimeout(10*time.Second))
})
