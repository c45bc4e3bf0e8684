package link

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("An outbox", Label("LINK-3"), func() {
	var o *outbox
	BeforeEach(func() {
		o = newOutbox(Limits{Frame: 1 << 10, Queue: 4 << 10, UrgentQueue: 4 << 10, Window: 1 << 10}.normal(), nil)
	})

	put := func(at Lane, size int) error {
		_, err := o.put(at, &item{kind: kindUser, target: "p", typeID: 1, message: wrapperspb.Bytes(make([]byte, size))}, messages.Stamp{})
		return err
	}
	lane := func() Lane {
		GinkgoHelper()
		frame := o.take()
		Expect(frame).NotTo(BeNil())
		return Lane((*frame)[0]) - frameNormal
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
		Expect(o.take()).NotTo(BeNil())
		Expect(o.take()).NotTo(BeNil())
		Expect(o.confirmed([lanes]uint64{1, 1})).To(Succeed())
		Expect(o.held()).To(BeZero())
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
		Expect(o.received(Normal, 10)).To(BeTrue(), "somebody should make it due after a while")
		Expect(o.take()).To(BeNil())
		Expect(put(Normal, 10)).To(Succeed())
		Expect(string(*o.take())).To(HaveSuffix(string(appendAcks(nil, [lanes]uint64{1, 0}))))
		Expect(o.received(Urgent, 10)).To(BeFalse(), "one timer is enough")
		o.confirmNow()
		Expect(*o.take()).To(Equal(append([]byte{frameControl}, appendAcks(nil, [lanes]uint64{0, 1})...)))
		Expect(o.received(Urgent, 300)).To(BeTrue())
		Expect(o.take()).NotTo(BeNil(), "a quarter of the credit does not wait")
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
