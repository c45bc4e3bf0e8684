package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// references says which bytes records still need, and by how many records each is named. What is inline travels with its record.
type references struct {
	of     map[ledger.Key]named
	count  map[[32]byte]uint32
	urgent map[[32]byte]uint32 // the same by jobs of emergencies alone
}

// named is the bytes that a record names.
type named struct {
	digests [][32]byte // sorted, each once
	urgent  bool       // it is a job of an emergency
}

func newReferences() references {
	return references{of: map[ledger.Key]named{}, count: map[[32]byte]uint32{}, urgent: map[[32]byte]uint32{}}
}

// noteJob takes what a job names now in the place of what it named before.
func (r *references) noteJob(j job.Job) { r.note(jobKey(j.ID), blobsOf(j), j.Spec.Emergency != "") }

// note takes what a record names now in the place of what it named before.
func (r *references) note(key ledger.Key, blobs []*job.Blob, urgent bool) {
	now := named{urgent: urgent}
	for _, b := range blobs {
		if b.Elsewhere() {
			now.digests = append(now.digests, b.Digest)
		}
	}
	slices.SortFunc(now.digests, func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) })
	now.digests = slices.Compact(now.digests)
	if slices.Equal(now.digests, r.of[key].digests) {
		return // whether it is urgent never changes
	}
	for _, d := range now.digests {
		r.count[d]++
		if urgent {
			r.urgent[d]++
		}
	}
	r.drop(key)
	if len(now.digests) > 0 {
		r.of[key] = now
	}
}

// drop forgets a record.
func (r *references) drop(key ledger.Key) {
	was := r.of[key]
	lessen(r.count, was.digests)
	if was.urgent {
		lessen(r.urgent, was.digests)
	}
	delete(r.of, key)
}

func lessen(count map[[32]byte]uint32, digests [][32]byte) {
	for _, d := range digests {
		if count[d]--; count[d] == 0 {
			delete(count, d)
		}
	}
}

// blobsOf returns all bytes that a job names: what it needs, and what any of its ends left behind.
func blobsOf(j job.Job) []*job.Blob {
	all := j.Spec.Blobs()
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if t.Verdict != nil && t.Verdict.Result != nil {
			all = append(all, t.Verdict.Result.Blobs()...)
		}
		for _, c := range t.Candidates {
			if c.Result != nil {
				all = append(all, c.Result.Blobs()...)
			}
		}
		for _, in := range t.Inputs {
			for k := range in.Files {
				all = append(all, &in.Files[k].Blob)
			}
		}
	}
	return all
}

// referenced says whether any record needs the bytes of that name.
func (b *Broker) referenced(digest [32]byte) bool { return b.refs.count[digest] > 0 }

// maxReferences bounds one question.
const maxReferences = 4096

// referencesRequest answers which bytes are still needed. A broker that may not know of records which others have says nothing: then nothing is
// deleted. The answer waits until what it rests on is on disk, or a crash could bring back a record whose bytes are gone.
func (b *Broker) referencesRequest(ctx actor.Context, msg *messages.ReferencesRequest) {
	asked := msg.GetDigests()
	if len(asked)%32 != 0 || len(asked) > 32*maxReferences || !b.inTouch() {
		return
	}
	answer := &messages.ReferencesResponse{Digests: asked, Referenced: make([]byte, len(asked)/32)}
	for i := range answer.Referenced {
		switch digest := [32]byte(asked[32*i:]); {
		case b.refs.urgent[digest] > 0:
			answer.Referenced[i] = 2
		case b.referenced(digest):
			answer.Referenced[i] = 1
		}
	}
	to := ctx.Sender()
	b.hold(func() { ctx.Request(to, answer) })
}

// inTouch says whether this broker knows of all records that there are: it has not been away, and reaches every other broker that is not silent for
// so long that nobody waits for it (SYNC-8).
func (b *Broker) inTouch() bool {
	if b.replica.Behind() || b.disk.full {
		return false
	}
	return !slices.ContainsFunc(b.keepers(b.Now()), func(m string) bool { return m != b.journal && !b.reaches(m) })
}
