package client

import (
	"context"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// Cordon has an executor given nothing new, until Uncordon. The node is named by its id, or by a name that no other has. It returns how many attempts the
// executor still has in hand, as far as the broker asked is its home.
func (c *Client) Cordon(ctx context.Context, node string) (running int, err error) {
	return c.wish(ctx, "cordon", &messages.CordonNode{Node: node, Wish: messages.CordonNode_CORDON})
}

// Uncordon has an executor given work again that was cordoned or drained.
func (c *Client) Uncordon(ctx context.Context, node string) (running int, err error) {
	return c.wish(ctx, "uncordon", &messages.CordonNode{Node: node, Wish: messages.CordonNode_UNCORDON})
}

// Drain has an executor given nothing new, and what it runs handed over to others when patience is over. It costs these jobs no retry.
func (c *Client) Drain(ctx context.Context, node string, patience time.Duration) (running int, err error) {
	ms := uint64(max(0, patience.Milliseconds()))
	return c.wish(ctx, "drain", &messages.CordonNode{Node: node, Wish: messages.CordonNode_DRAIN, PatienceMs: ms})
}

func (c *Client) wish(ctx context.Context, what string, m *messages.CordonNode) (int, error) {
	m.Session = c.session.bytes()
	answer, err := ask[*messages.NodeCordoned](ctx, c, m)
	if err != nil {
		return 0, fmt.Errorf("%s node %s: %w", what, m.GetNode(), err)
	}
	return int(answer.GetRunning()), nil
}

// Why is what a job waits for, and how each executor that the broker asked knows of would do for it.
type Why struct {
	Job       string
	Waiting   string // "" if it waits for nothing
	Executors []Suitability
}

// Suitability is how an executor would do for a job.
type Suitability struct {
	Node, Name string
	Home       string   // node id of its home broker
	Lacks      []string // constraints that it does not meet, and what other jobs have taken; of another broker's executor, as far as that is known
	Used       int
	Slots      int
	Chosen     bool // of those that could take it now it suits best
}

// Why tells why a job does not run. A unique prefix of its id is enough.
func (c *Client) Why(ctx context.Context, id string) (Why, error) {
	answer, err := ask[*messages.WhyResponse](ctx, c, &messages.WhyRequest{Job: id, Session: c.session.bytes()})
	if err != nil {
		return Why{}, fmt.Errorf("why job %s waits: %w", id, err)
	}
	w := Why{Job: answer.GetJob(), Waiting: answer.GetWaiting()}
	for _, v := range answer.GetExecutors() {
		w.Executors = append(w.Executors, Suitability{
			Node: v.GetNode(), Name: v.GetName(), Home: v.GetHome(), Lacks: v.GetLacks(), Used: int(v.GetUsed()), Slots: int(v.GetSlots()), Chosen: v.GetChosen(),
		})
	}
	return w, nil
}
