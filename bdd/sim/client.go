package sim

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/oklog/ulid/v2"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// Client is a node that asks brokers the way the client library does, without its comforts: every answer is kept.
type Client struct {
	Name string
	Told []Told // everything brokers said about jobs, in order

	node    *Node
	w       *World
	asked   int
	open    map[string]func(answer any) // what waits for an answer, by the name it was asked under
	session []byte                      // what it has seen
	names   map[*Node]string            // what new ids have behind their ULID, of brokers that are called otherwise
	onDown  []func(broker *Node)

	submitted []job.ID // by the customers of a campaign
}

// Told is one answer, or one piece of news, as a client got it.
type Told struct {
	At      time.Duration
	Broker  string
	To      string // the name under which the client had asked
	Message proto.Message
}

// Client adds a client with links to these brokers, to all if none is named.
func (w *World) Client(name string, brokers ...string) *Client {
	c := &Client{Name: name, w: w, open: map[string]func(any){}, names: map[*Node]string{}}
	c.node = w.addNode(name, messages.Client)
	c.node.mailTo = c.receive
	c.node.start()
	w.clients = append(w.clients, c)
	for _, n := range w.nodes {
		if n.Is(messages.Broker) && len(brokers) == 0 {
			w.net.connect(c.node, n)
		}
	}
	for _, b := range brokers {
		w.net.connect(c.node, w.Node(b))
	}
	return c
}

// receive takes what brokers answer and tell.
func (c *Client) receive(to string, broker *Node, message any) {
	if down, ok := message.(*messages.PeerDown); ok {
		for _, do := range c.onDown {
			do(c.w.byID[down.Node])
		}
	}
	m, ok := message.(proto.Message)
	if !ok || broker == nil {
		return
	}
	c.Told = append(c.Told, Told{c.w.now, broker.Name, to, m})
	switch m := m.(type) {
	case *messages.JobSubmitted:
		c.saw(m.GetSession())
	case *messages.DataPut:
		c.saw(m.GetSession())
	case *messages.DataRemoved:
		c.saw(m.GetSession())
	case *messages.DataResponse:
		c.saw(m.GetSession())
	}
	if answer, ok := c.open[to]; ok {
		answer(m)
	}
}

// saw adds to what the client has seen.
func (c *Client) saw(session []byte) {
	if len(session) > 0 {
		c.session = seenBoth(c.session, session)
	}
}

// ask sends a question; every answer to it goes to then.
func (c *Client) ask(broker *Node, m proto.Message, then func(any)) (forget func()) {
	if _, ok := m.(*messages.DeclareEmergency); ok {
		c.w.alarmed = true
	}
	c.asked++
	name := fmt.Sprintf("client-%d", c.asked)
	c.open[name] = then
	p := &parcel{kind: userKind, target: messages.GatewayActor, sender: name, message: m}
	c.node.post(p, broker.ID)
	return func() { delete(c.open, name) }
}

// seenBoth is the session of a client that has seen what two say.
func seenBoth(a, b []byte) []byte {
	var x, y messages.Session
	if proto.Unmarshal(a, &x) != nil || proto.Unmarshal(b, &y) != nil {
		panic("sim: a broker gave a session that cannot be read")
	}
	v, errV := ledger.DecodeVector(x.GetVector())
	w, errW := ledger.DecodeVector(y.GetVector())
	if errV != nil && len(a) > 0 || errW != nil {
		panic("sim: a broker gave a session that cannot be read")
	}
	both, err := proto.MarshalOptions{Deterministic: true}.Marshal(&messages.Session{Vector: v.Merge(w).Append(nil), Wall: max(x.GetWall(), y.GetWall())})
	if err != nil {
		panic(err.Error())
	}
	return both
}

// connected says whether the client has a connection to a broker.
func (c *Client) connected(broker *Node) bool {
	_, err := c.node.way(broker.ID)
	return err == nil
}

// patience is how long a client waits for an answer.
const patience = 5 * time.Second

// Ask puts a question to a broker's gateway, lets time go by until it is answered, and returns the answer: nil if there is none within 5 s.
func (c *Client) Ask(broker string, m proto.Message) any {
	b := c.w.Node(broker)
	c.w.RunUntil(patience, func() bool { return c.connected(b) })
	var answer any
	defer c.ask(b, m, func(a any) {
		if answer == nil && answers(m, a) {
			answer = a
		}
	})()
	c.w.RunUntil(patience, func() bool { return answer != nil })
	return answer
}

// answers says whether a is the answer to m, and not news of the job that it asked to watch.
func answers(m proto.Message, a any) bool {
	_, submission := m.(*messages.SubmitJob)
	_, news := a.(*messages.JobChanged)
	return !submission || !news
}

// Submit hands in a job and returns its id. It panics if the job is not acknowledged: ask with a SubmitJob where that is the point.
func (c *Client) Submit(broker string, spec *job.Spec) job.ID {
	id := c.NewID(broker)
	answer := c.Ask(broker, c.Submission(id, spec))
	if _, ok := answer.(*messages.JobSubmitted); !ok {
		panic(fmt.Sprintf("sim: %s does not acknowledge the job: %v", broker, answer))
	}
	return id
}

// Submission is the message that hands in a job and watches it.
func (c *Client) Submission(id job.ID, spec *job.Spec) *messages.SubmitJob {
	c.w.chronicle.submits(c, id, spec)
	return &messages.SubmitJob{Job: string(id), Spec: spec.Append(nil), Session: c.session, Watch: true}
}

// NewID returns an id for a job that a broker is to be asked first to take.
func (c *Client) NewID(broker string) job.ID {
	c.w.jobs++
	b := c.w.Node(broker)
	owner := b.ID
	if name, ok := c.names[b]; ok {
		owner = name
	}
	made := ulid.MustNew(ulid.Timestamp(epoch.Add(c.w.now)), nil).String()[:10] // the part that says when
	return job.ID(fmt.Sprintf("%s%011dX%04d-%s", made, c.w.jobs, c.w.jobs, owner))
}

// Show asks a broker for a job. It panics if the broker does not know it.
func (c *Client) Show(broker string, id job.ID) job.Job {
	j, _ := decoded(c.Ask(broker, &messages.JobRequest{Job: string(id)}), id)
	return j
}

// Waiting is the reason that a broker gives for a job that does not run.
func (c *Client) Waiting(broker string, id job.ID) string {
	_, m := decoded(c.Ask(broker, &messages.JobRequest{Job: string(id)}), id)
	return m.GetWaiting()
}

// Final says whether a broker calls the job's end final.
func (c *Client) Final(broker string, id job.ID) bool {
	_, m := decoded(c.Ask(broker, &messages.JobRequest{Job: string(id)}), id)
	return isFinal(m)
}

// Cancel asks a broker to cancel a job, and returns the answer.
func (c *Client) Cancel(broker string, id job.ID) any {
	return c.Ask(broker, &messages.CancelJob{Job: string(id)})
}

// Superseded counts how often the client was told that an end it had been told of did not stand.
func (c *Client) Superseded(id job.ID) int {
	n := 0
	for _, t := range c.Told {
		if m, ok := t.Message.(*messages.JobChanged); ok && isSuperseded(m) {
			if j, err := job.Decode(m.GetRecord()); err == nil && j.ID == id {
				n++
			}
		}
	}
	return n
}

func decoded(answer any, id job.ID) (job.Job, *messages.JobChanged) {
	m, ok := answer.(*messages.JobChanged)
	if !ok {
		panic(fmt.Sprintf("sim: job %s is not told: %v", id, answer))
	}
	j, err := job.Decode(m.GetRecord())
	if err != nil {
		panic(fmt.Sprintf("sim: job %s: %v", id, err))
	}
	return j, m
}
