package sim

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// inspector is the address of the world itself, which asks brokers without a link and without delay.
const inspector = "inspector"

// questions are those that the world has put to brokers.
type questions struct {
	asked int
	open  map[string]func(any)
}

// inspect asks a broker's gateway; then gets the answer, if there is one.
func (w *World) inspect(n *Node, m proto.Message, then func(any)) {
	l := n.life
	if l == nil || l.paused {
		return
	}
	gateway, ok := l.system.ProcessRegistry.GetLocal(messages.GatewayActor)
	if !ok {
		return
	}
	w.questions.asked++
	name := fmt.Sprintf("q%d", w.questions.asked)
	if w.questions.open == nil {
		w.questions.open = map[string]func(any){}
	}
	w.questions.open[name] = then
	gateway.SendUserMessage(actor.NewPID(n.ID, messages.GatewayActor), &actor.MessageEnvelope{Message: m, Sender: actor.NewPID(inspector, name)})
}

// answered plans what is done with an answer. It comes from an actor's handler.
func (q *questions) answered(w *World, name string, answer any) {
	then, ok := q.open[name]
	if !ok {
		return
	}
	delete(q.open, name)
	w.plan(nil, 0, func() { then(answer) })
}

// Look asks a broker without a client, and lets no time go by beyond what the broker itself needs. It returns nil if there is no answer.
func (w *World) Look(broker string, m proto.Message) any {
	var answer any
	w.inspect(w.Node(broker), m, func(a any) { answer = a })
	w.RunUntil(100*time.Millisecond, func() bool { return answer != nil })
	return answer
}

// Job is a job as a broker tells it, and whether it knows it.
func (w *World) Job(broker string, id job.ID) (job.Job, bool) {
	m, ok := w.Look(broker, &messages.JobRequest{Job: string(id)}).(*messages.JobChanged)
	if !ok {
		return job.Job{}, false
	}
	j, err := job.Decode(m.GetRecord())
	return j, err == nil
}

// Status is what a broker tells of itself, nil if it does not answer.
func (w *World) Status(broker string) *messages.StatusResponse {
	s, _ := w.Look(broker, &messages.StatusRequest{}).(*messages.StatusResponse)
	return s
}

// view is a broker's ledger as it tells it: the records of jobs in the order of their ids.
type view struct {
	node *Node
	jobs []*messages.JobChanged
	byID map[job.ID]job.Job
	raw  map[job.ID]string

	final map[job.ID]bool
	puts  []string // ids of named data
	data  string   // all of it, in order
}

// views asks every broker that runs for its whole ledger.
func (w *World) views() []*view {
	var all []*view
	for _, n := range w.nodes {
		if n.Is(messages.Broker) && n.responds() {
			all = append(all, w.view(n))
		}
	}
	return all
}

func (w *World) view(n *Node) *view {
	v := &view{node: n, byID: map[job.ID]job.Job{}, raw: map[job.ID]string{}, final: map[job.ID]bool{}}
	after := ""
	for {
		page, ok := w.Look(n.Name, &messages.JobsRequest{After: after, Limit: 100}).(*messages.JobsResponse)
		if !ok {
			return v
		}
		for _, m := range page.GetJobs() {
			v.jobs = append(v.jobs, m)
			if j, err := job.Decode(m.GetRecord()); err == nil {
				v.byID[j.ID], v.raw[j.ID], v.final[j.ID] = j, string(m.GetRecord()), isFinal(m)
			}
		}
		if after = page.GetNext(); after == "" {
			w.viewData(v)
			return v
		}
	}
}
