package main

import (
	"errors"
	"slices"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
)

// lossKind is a way to lose a node, and what is expected then.
type lossKind struct {
	name, does string
	brokers    int
	work       time.Duration // what the job takes: it runs still when it is to be seen elsewhere
	redeploys  int           // attempts that a round costs
	late       bool          // what is lost goes on, and its result comes too late
	relayed    bool          // executors reach the broker over relays

	victim    func(client.Change) string              // the node to lose, by its id; "" while the job is not where it should be
	strike    func(*lossNetwork, *lab.Node) error     // loses it
	elsewhere func(c client.Change, lost string) bool // the job goes on without it
}

// Every network has as many executors as are needed to go on without one, with a slot each.
const lossExecutors = 2

// lossKinds are all of them. What is silent is not lost before its lease is over, hence jobs of twice that, and of more than brokers wait for another.
var lossKinds = []lossKind{
	{
		name: "kill", does: "SIGKILL to the executor that runs the job; it is started again after the round",
		brokers: 1, work: 1500 * time.Millisecond, redeploys: 1, victim: runner, strike: killNode, elsewhere: runsElsewhere,
	},
	{
		name: "freeze", does: "SIGSTOP to the executor that runs the job, and SIGCONT after the round, when its own result comes too late",
		brokers: 1, work: 2 * config.Defaults().Lease.Timeout, redeploys: 1, late: true, victim: runner, strike: freezeNode, elsewhere: runsElsewhere,
	},
	{
		name: "cut", does: "the executor that runs the job is cut off its broker without a word, until after the round, when its own result comes too late",
		brokers: 1, work: 2 * config.Defaults().Lease.Timeout, redeploys: 1, late: true, relayed: true, victim: runner, strike: cutNode, elsewhere: runsElsewhere,
	},
	{
		name: "broker", does: "SIGKILL to the broker that acts for the job, one of two; it is started again after the round",
		brokers: 2, work: config.Defaults().BrokerTimeout + 5*time.Second, victim: owner, strike: killNode, elsewhere: ownedElsewhere,
	},
}

// runner is the executor that runs a job.
func runner(c client.Change) string {
	attempts := c.Job.Current().Attempts
	if i := slices.IndexFunc(attempts, runs); i >= 0 {
		return attempts[i].Executor
	}
	return ""
}

// owner is the broker whose attempt at a job runs.
func owner(c client.Change) string {
	if runner(c) == "" {
		return ""
	}
	return c.Job.Current().Node
}

func runs(at client.Attempt) bool { return at.State == job.Running }

// runsElsewhere says that an executor other than the lost one runs the job.
func runsElsewhere(c client.Change, lost string) bool {
	return slices.ContainsFunc(c.Job.Tenures, func(t job.Tenure) bool {
		return slices.ContainsFunc(t.Attempts, func(at client.Attempt) bool { return runs(at) && at.Executor != lost })
	})
}

// ownedElsewhere says that a broker other than the lost one has taken the job over with what runs of it.
func ownedElsewhere(c client.Change, lost string) bool {
	return slices.ContainsFunc(c.Job.Tenures, func(t job.Tenure) bool {
		return t.Node != lost && t.Verdict == nil && slices.ContainsFunc(t.Attempts, runs)
	})
}

func killNode(_ *lossNetwork, n *lab.Node) error {
	n.Kill()
	return nil
}

func freezeNode(_ *lossNetwork, n *lab.Node) error { return n.Freeze() }

func cutNode(l *lossNetwork, n *lab.Node) error {
	if l.cut != nil {
		return errors.New("another node is cut off still")
	}
	l.cut = l.relays[n.Name]
	return l.cut.Cut()
}
