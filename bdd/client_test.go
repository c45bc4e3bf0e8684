package bdd_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// client asks brokers the way the client library does, without its comforts: a spec sees every answer.
type client struct {
	g      Gomega
	system *actor.ActorSystem
	links  *link.Links
	jobs   int
}

func (n *network) client(name string, brokers ...string) *client {
	c := &client{g: n.g, system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet() }))}
	var err error
	c.links, err = link.Start(link.Config{
		System: c.system, Endpoint: n.memory.Endpoint(identity.Peer{ID: idOf(name), Name: name, Roles: []string{messages.Client}}),
		Now: time.Now, Log: quiet(),
	})
	n.g.Expect(err).NotTo(HaveOccurred())
	for _, b := range brokers {
		c.links.Dial(b)
	}
	pass(time.Second)
	return c
}

func (c *client) close() {
	c.links.Close(already())
	c.system.Shutdown()
}

// ask sends m to a broker's gateway and returns the answer.
func (c *client) ask(broker string, m any) any {
	res, err := c.system.Root.RequestFuture(actor.NewPID(string(idOf(broker)), messages.GatewayActor), m, 5*time.Second).Result()
	c.g.Expect(err).NotTo(HaveOccurred(), "%T at %s", m, broker)
	return messages.Unstamp(res)
}

// spec is a job that takes as long as its program is told to.
func spec(args ...string) *job.Spec {
	return &job.Spec{Name: "job", Module: job.Blob{Digest: [32]byte{1}, Size: 8}, Args: args, Retention: time.Hour}
}

// submit hands a job in and returns its id.
func (c *client) submit(broker string, s *job.Spec) job.ID {
	c.jobs++
	id := fmt.Sprintf("01J00000000000000000000%03d-%s", c.jobs, idOf(broker))
	res := c.ask(broker, &messages.SubmitJob{Job: id, Spec: s.Append(nil)})
	c.g.Expect(res).To(BeAssignableToTypeOf(&messages.JobSubmitted{}), "%v", res)
	return job.ID(id)
}

// show asks a broker for a job.
func (c *client) show(broker string, id job.ID) job.Job {
	res := c.ask(broker, &messages.JobRequest{Job: string(id)})
	c.g.Expect(res).To(BeAssignableToTypeOf(&messages.JobChanged{}), "%v", res)
	j, err := job.Decode(res.(*messages.JobChanged).GetRecord())
	c.g.Expect(err).NotTo(HaveOccurred())
	return j
}

func (c *client) waiting(broker string, id job.ID) string {
	return c.ask(broker, &messages.JobRequest{Job: string(id)}).(*messages.JobChanged).GetWaiting()
}

// typist is a client that submits a streamed job and gives the program the input it asks for.
type typist struct {
	*client
	input string
	pid   *actor.PID
}

func (c *client) typist(input string) *typist {
	t := &typist{client: c, input: input}
	var err error
	t.pid, err = c.system.Root.SpawnNamed(actor.PropsFromFunc(func(ctx actor.Context) {
		if ask, ok := ctx.Message().(*messages.ReadStdin); ok {
			rest := t.input[min(int(ask.GetOffset()), len(t.input)):]
			data := rest[:min(len(rest), 4)]
			ctx.Request(ctx.Sender(), &messages.StdinChunk{Attempt: ask.GetAttempt(), Offset: ask.GetOffset(), Data: []byte(data), Eof: data == ""})
		}
	}), messages.ClientActor)
	c.g.Expect(err).NotTo(HaveOccurred())
	return t
}

// submit hands a streamed job in, in the name of the actor that types.
func (t *typist) submit(broker string) job.ID {
	t.jobs++
	s := spec("0s")
	s.Streamed = true
	id := fmt.Sprintf("01J00000000000000000000%03d-%s", t.jobs, idOf(broker))
	t.system.Root.RequestWithCustomSender(actor.NewPID(string(idOf(broker)), messages.GatewayActor), &messages.SubmitJob{Job: id, Spec: s.Append(nil), Watch: true}, t.pid)
	return job.ID(id)
}
