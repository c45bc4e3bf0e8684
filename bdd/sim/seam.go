package sim

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// This file is where the simulator meets what the actors can do, and the words of the vocabulary that it looks for by name.

// able says what the actors can do.
var able = struct {
	Journal  bool // brokers keep their ledger on a disk: they may crash
	Takeover bool // jobs of a lost owner go on elsewhere
	Cancel   bool // a job may be cancelled at a broker that does not own it, without a future
	Forget   bool // brokers can be given up for good
}{true, true, true, true}

// newBroker returns the props of a broker whose journal is on a disk.
func newBroker(n *actors.Node, s actors.BrokerSettings, d *Disk) *actor.Props {
	s.Journal, s.First = d, d.born == 0
	props, err := actors.NewBroker(n, s)
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return props
}

// newExecutor returns the props of an executor whose results are on a disk.
func newExecutor(n *actors.Node, s actors.ExecutorSettings, d *Disk) *actor.Props {
	s.Results = shelf{d}
	props, err := actors.NewExecutor(n, s)
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return props
}

type (
	// SavedRecord is a record in a journal.
	SavedRecord = actors.SavedRecord
	// Batch is what a broker writes at once.
	Batch = actors.Batch
	// Saved is what a disk holds.
	Saved = actors.Saved
)

// winner is the verdict that a record shows as the job's end, nil if there is none.
func winner(j job.Job) *job.Verdict {
	if len(j.Tenures) == 0 {
		return nil
	}
	v, _ := j.Winner()
	return v
}

// isFinal says whether an answer tells an end that never changes.
func isFinal(m *messages.JobChanged) bool {
	f, ok := any(m).(interface{ GetFinal() bool })
	return ok && f.GetFinal()
}

// isSuperseded says whether an answer tells that an end told as provisional did not become final.
func isSuperseded(m *messages.JobChanged) bool {
	s, ok := any(m).(interface{ GetSuperseded() bool })
	return ok && s.GetSuperseded()
}

// newName is what new job ids have behind their ULID at a broker that says it was renamed; empty if it does not.
func newName(m *messages.Refused) string {
	if r, ok := any(m).(interface{ GetBroker() string }); ok {
		return r.GetBroker()
	}
	return ""
}

// messageNamed returns a message of the vocabulary with its text fields set, nil if the vocabulary does not have it.
func messageNamed(name string, texts map[string]string) proto.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("ucp." + name))
	if err != nil {
		return nil
	}
	m := t.New()
	for field, text := range texts {
		m.Set(t.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(text))
	}
	return m.Interface()
}

// seals is the Sealer of every gateway: the seal is a hash.
type seals struct{}

// Seal implements actors.Sealer.
func (seals) Seal(content []byte) ([]byte, error) {
	h := sha256.Sum256(content)
	return h[:], nil
}

var errForged = errors.New("forged")

// Verify implements actors.Sealer.
func (seals) Verify(content, seal []byte) error {
	if h := sha256.Sum256(content); string(h[:]) != string(seal) {
		return errForged
	}
	return nil
}
