package link

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("An outbox", Label("LINK-3"), func() {
	var o *outbox
	BeforeEach(func() {
		o = newOutbox(Limits{Frame: 1 << 10, Queue: 4 << 10, UrgentQueue: 4 << 10, Window: 1 << 10}.normal(), nil, time.Now)
	})

	put := func(at Lane, size int) error {
		_, err := o.put(at, &item{kind: kindUser, target: "p", typeID: 1, message: wrapperspb.Bytes(make([]byte, size))}, messages.Stamp{})
		return err
	}
	// confirm is what the peer says; nobody waits for the outbox to wake them.
	confirm := func(at Lane) {
		GinkgoHelper()
		var acks [lanes]uint64
		acks[at] = 1
		Expect(o.confirmed(acks)).To(Succeed())
		select {
		case <-o.wake:
		default:
		}
	}
	lane := func() Lane {
		GinkgoHelper()
		frame := o.take()
		Expect(frame).NotTo(BeNil())
		return Lane((*frame)[0]&^(framePrompt|frameMore)) - frameNormal
	}

	It("gives the urgent batch first", func() {
		Expect(put(Normal, 10)).To(Succeed())
		Expect(put(Urgent, 10)).To(Succeed())
		Expect(lane()).To(Equal(Urgent))
		Expect(lane()).To(Equal(Normal))
		Expect(o.take()).To(BeNil())
	})

	It("holds back what the peer has given no credit for, in each lane by itself", func() {
		Expect(put(Normal, 900)).To(Succeed())
		Expect(lane()).To(Equal(Normal))
		Expect(put(Normal, 900)).To(Succeed())
		Expect(o.take()).To(BeNil())
		Expect(put(Urgent, 10)).To(Succeed())
		Expect(lane()).To(Equal(Urgent))
		Expect(o.confirmed([lanes]uint64{1, 0})).To(Succeed())
		Expect(lane()).To(Equal(Normal))
	})

	It("refuses above its bound, and has room again when the peer confirms", func() {
		var err error
		for err == nil {
			err = put(Normal, 500)
		}
		Expect(err).To(MatchError(ErrBusy))
		Expect(o.held()).To(BeNumerically("<=", 4<<10))
		Expect(put(Urgent, 500)).To(Succeed(), "the other lane is not full")
		for o.held() > 0 {
			confirm(lane())
		}
		Expect(put(Normal, 500)).To(Succeed())
	})

	It("has a reserve for what must not be lost, and says when that is full", func() {
		for put(Normal, 500) == nil {
		}
		var fatal bool
		var err error
		for range 100 {
			if fatal, err = o.put(Normal, &item{kind: kindTerminated, target: "w", sender: "p"}, messages.Stamp{}); err != nil {
				break
			}
		}
		Expect(err).To(MatchError(ErrBusy))
		Expect(fatal).To(BeTrue())
		Expect(o.held()).To(BeNumerically(">", 4<<10))
	})

	It("confirms with the next frame, or alone when it must", func() {
		Expect(o.received(Normal, 10, false)).To(BeTrue(), "somebody should make it due after a while")
		Expect(o.take()).To(BeNil())
		Expect(put(Normal, 10)).To(Succeed())
		Expect(string(*o.take())).To(HaveSuffix(string(appendAcks(nil, [lanes]uint64{1, 0}))))
		Expect(o.received(Urgent, 10, false)).To(BeFalse(), "one timer is enough")
		o.confirmNow()
		Expect(*o.take()).To(Equal(append([]byte{frameControl}, appendAcks(nil, [lanes]uint64{0, 1})...)))
		Expect(o.received(Urgent, 300, false)).To(BeTrue())
		Expect(o.take()).NotTo(BeNil(), "a quarter of the credit does not wait")
	})

	Describe("on a link of 256 kbit/s", Label("EMG-4"), func() {
		const rate = 32 << 10 // bytes a second
		var at time.Time
		BeforeEach(func() {
			at = time.Unix(0, 0)
			o = newOutbox(Limits{}.normal(), nil, func() time.Time { return at })
		})

		// fill puts so many messages of a size in the normal lane, and line lets frames through one after the other until done, and returns the most
		// that was under way since the first two seconds.
		fill := func(n, size int) {
			for range n {
				Expect(put(Normal, size)).To(Succeed())
			}
		}
		line := func(done func(frame []byte) bool) (under time.Duration) {
			GinkgoHelper()
			type way struct {
				frame []byte
				at    Lane
			}
			var ways []way
			begin := at
			for {
				for f := o.take(); f != nil; f = o.take() {
					ways = append(ways, way{*f, Lane((*f)[0]&^(framePrompt|frameMore)) - frameNormal})
				}
				Expect(ways).NotTo(BeEmpty())
				bytes := 0
				for _, w := range ways {
					bytes += len(w.frame)
				}
				if at.Sub(begin) > 2*time.Second {
					under = max(under, time.Duration(bytes)*time.Second/rate)
				}
				w := ways[0]
				ways = ways[1:]
				at = at.Add(time.Duration(len(w.frame)) * time.Second / rate)
				confirm(w.at)
				if done(w.frame) {
					return under
				}
			}
		}

		It("has no more under way than goes through in about 100 ms, or 4 KiB", func() {
			fill(15, 200<<10)
			sent := 0
			under := line(func(f []byte) bool { sent += len(f); return sent > 1<<20 })
			Expect(under).To(BeNumerically("<=", 170*time.Millisecond), "100 ms, and as long as the first frame took")
		})

		It("lets an urgent message by between the pieces of a large one", func() {
			fill(10, 200<<10)
			sent := 0
			line(func(f []byte) bool { sent += len(f); return sent > 500<<10 })
			before := at
			Expect(put(Urgent, 500)).To(Succeed())
			line(func(f []byte) bool { return Lane(f[0]&^(framePrompt|frameMore))-frameNormal == Urgent })
			Expect(at.Sub(before)).To(BeNumerically("<=", 200*time.Millisecond))
		})

		It("has all its credit again when the link is fast", func() {
			fill(10, 200<<10)
			sent := 0
			line(func(f []byte) bool { sent += len(f); return sent > 500<<10 })
			Expect(o.pace.window).To(BeNumerically("<", 8<<10))
			for f := o.take(); f != nil || len(o.lanes[Normal].unacked) > 0; f = o.take() {
				at = at.Add(100 * time.Microsecond)
				confirm(Normal)
			}
			Expect(o.held()).To(BeZero())
			fill(10, 200<<10)
			for f := o.take(); f != nil; f = o.take() {
				at = at.Add(100 * time.Microsecond)
				confirm(Normal)
			}
			Expect(o.pace.window).To(BeNumerically(">=", 64<<10))
		})
	})

	It("says goodbye when everything before was confirmed", func() {
		Expect(put(Normal, 10)).To(Succeed())
		o.finish([]byte("bye"), errClosed)
		Expect(put(Normal, 10)).To(MatchError(errClosed))
		Expect(lane()).To(Equal(Normal))
		Expect(o.take()).To(BeNil())
		Expect(o.confirmed([lanes]uint64{1, 0})).To(Succeed())
		Expect(*o.take()).To(Equal([]byte("bye")))
	})

	It("gives back what was not confirmed, in order, and tells what had left", func() {
		Expect(put(Normal, 1)).To(Succeed())
		Expect(o.take()).NotTo(BeNil())
		Expect(put(Normal, 2)).To(Succeed())
		left := o.drain(errors.New("over"))
		Expect(left).To(HaveLen(2))
		Expect(left[0].sent).To(BeTrue())
		Expect(left[1].sent).To(BeFalse())
		Expect(put(Normal, 1)).To(MatchError("over"))
		Expect(o.drain(errClosed)).To(BeEmpty())
	})
})
