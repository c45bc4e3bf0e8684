package client

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// Job returns what the broker knows of a job. A unique prefix of its id is enough. It is [ErrNotFound] if no such job is known.
func (c *Client) Job(ctx context.Context, id string) (Change, error) {
	return c.askChange(ctx, "job "+id, &messages.JobRequest{Job: id, Session: c.session.bytes()})
}

// Cancel asks for a job to be cancelled and returns it as it is then: it may be over already, or be cancelled later.
func (c *Client) Cancel(ctx context.Context, id string) (Change, error) {
	return c.askChange(ctx, "cancel job "+id, &messages.CancelJob{Job: id, Session: c.session.bytes()})
}

// Reprieve ends the quarantine of a job that took executors down, and returns it as it is then: somebody thinks it innocent.
func (c *Client) Reprieve(ctx context.Context, id string) (Change, error) {
	return c.askChange(ctx, "reprieve job "+id, &messages.ReprieveJob{Job: id, Session: c.session.bytes()})
}

// ForgetBroker gives a broker up for good: others inherit its jobs once all of them have fenced it, and it comes back only as a new broker. The
// broker is named by its node id, or by its journal if the node has had several. It returns the journals whose fences are still awaited.
func (c *Client) ForgetBroker(ctx context.Context, broker, reason string) (waiting []string, err error) {
	answer, err := ask[*messages.BrokerForgotten](ctx, c, &messages.ForgetBroker{Broker: broker, Reason: reason})
	if err != nil {
		return nil, fmt.Errorf("forget broker %s: %w", broker, err)
	}
	return answer.GetWaiting(), nil
}

func (c *Client) askChange(ctx context.Context, what string, m proto.Message) (Change, error) {
	answer, err := ask[*messages.JobChanged](ctx, c, m)
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", what, err)
	}
	return changeOf(answer)
}

func changeOf(m *messages.JobChanged) (Change, error) {
	j, err := job.Decode(m.GetRecord())
	if err != nil {
		return Change{}, fmt.Errorf("the broker's answer: %w", err)
	}
	return Change{Job: j, Waiting: m.GetWaiting(), Names: m.GetNames(), Final: m.GetFinal(), Superseded: m.GetSuperseded()}, nil
}

// Filter chooses jobs of a list. Its zero value chooses the first hundred.
type Filter struct {
	State    State  // "": any
	Receiver string // whom the results are meant for, as the jobs name it; "": whoever
	Limit    int    // 0: 100, or less if the broker answers with less at once
	After    string // the id to go on after
}

// Jobs returns jobs in the order of their making, and, if there are more, the id to go on after.
func (c *Client) Jobs(ctx context.Context, f Filter) (jobs []Change, next string, err error) {
	answer, err := ask[*messages.JobsResponse](ctx, c, &messages.JobsRequest{
		State: string(f.State), Receiver: f.Receiver, Limit: uint32(max(0, f.Limit)), After: f.After, Session: c.session.bytes(), //nolint:gosec // a count
	})
	if err != nil {
		return nil, "", fmt.Errorf("list of jobs: %w", err)
	}
	for _, m := range answer.GetJobs() {
		change, err := changeOf(m)
		if err != nil {
			return nil, "", fmt.Errorf("list of jobs: %w", err)
		}
		jobs = append(jobs, change)
	}
	return jobs, answer.GetNext(), nil
}

// Node is what the network knows of one of its nodes.
type Node struct {
	ID, Name string
	Roles    []string
	Home     string // node id of the broker that manages it, if it is an executor
	State    string // up, lost, left or unseen; of executors that are up also cordoned, draining or drained
	Reason   string // why it is not up
	Slots    int
	Used     int // of Slots, as far as the broker asked is its home
	Labels   map[string]string
	Address  string // where others can dial it; empty: nowhere
	Lease    uint64
	Seen     time.Time // when it last changed
	Store    *Store    // nil: it is no datastore
}

// Nodes returns the nodes of the network, datastores too, by name.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	answer, err := ask[*messages.NodesResponse](ctx, c, &messages.NodesRequest{Session: c.session.bytes()})
	if err != nil {
		return nil, fmt.Errorf("list of nodes: %w", err)
	}
	nodes := make([]Node, len(answer.GetNodes()))
	for i, n := range answer.GetNodes() {
		nodes[i] = Node{
			ID: n.GetId(), Name: n.GetName(), Roles: n.GetRoles(), Home: n.GetHome(), State: n.GetState(), Reason: n.GetReason(),
			Slots: int(n.GetSlots()), Used: int(n.GetUsed()), Labels: n.GetLabels(), Address: n.GetAddress(), Lease: n.GetLease(),
			Seen: time.UnixMilli(int64(min(n.GetSeenMs(), 1<<52))).UTC(),
		}
	}
	stores, err := c.Stores(ctx)
	return withStores(nodes, stores), err
}

// Status is how a broker sees itself and its network.
type Status struct {
	Node, Name, Network, Version       string
	Brokers, Executors                 int // that are up
	Slots, Used                        int
	Queued, Running, Finished, Records uint64
	Accepted, Rejected, Redeployed     uint64 // results and attempts, since the broker started
	Uptime                             time.Duration
	Clock                              string // the broker's vector clock
	Emergency                          Level  // the effective one
	Emergencies                        int    // in force
}

// Status returns the state of the broker this client speaks to.
func (c *Client) Status(ctx context.Context) (Status, error) {
	s, err := ask[*messages.StatusResponse](ctx, c, &messages.StatusRequest{})
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	return Status{
		Node: s.GetNode(), Name: s.GetName(), Network: s.GetNetwork(), Version: s.GetVersion(),
		Brokers: int(s.GetBrokers()), Executors: int(s.GetExecutors()), Slots: int(s.GetSlots()), Used: int(s.GetUsed()),
		Queued: s.GetQueued(), Running: s.GetRunning(), Finished: s.GetFinished(), Records: s.GetRecords(),
		Accepted: s.GetAccepted(), Rejected: s.GetRejected(), Redeployed: s.GetRedeployed(),
		Uptime: time.Duration(min(s.GetUptimeMs(), 1<<40)) * time.Millisecond, Clock: s.GetClock(),
		Emergency: levelOf(s.GetEmergencyLevel()), Emergencies: int(s.GetEmergencies()),
	}, nil
}
