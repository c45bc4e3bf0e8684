package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

// launchTeller tells the user what happens to a launch, and selects its network once all is up.
type launchTeller struct {
	ctx      context.Context // for what must be done also after the launch was told to end
	app      *app
	cluster  config.Cluster
	selected *selection
}

// tell prints an event: what is up on stdout, what went wrong on stderr.
func (t *launchTeller) tell(event launch.Event) {
	if all, ok := event.(launch.AllUp); ok {
		t.selectNetwork(all)
	}
	if t.app.json() {
		_ = t.app.printLine(t.line(event)) // nobody listens any more; the network runs on
		return
	}
	switch e := event.(type) {
	case launch.NodeUp:
		t.print("%-12s %-20s %-22s pid %d\n", e.Node.Name, strings.Join(e.Node.Roles, ","), cmp.Or(e.Address, "dials out"), e.PID)
	case launch.NodeDied:
		t.warn("node %s died: %v; it is started again in %s", e.Node.Name, e.Reason, config.FormatDuration(e.Pause))
	case launch.NodeKilled:
		t.warn("node %s (pid %d) did not end by itself and was killed", e.Node.Name, e.PID)
	case launch.AllUp:
		t.print("%s\n", t.invitation(len(e.Nodes)))
	case launch.Ending:
		t.print("Ending %s …\n", t.cluster.Network)
	}
}

// invitation says that the network is up, and what to do with it.
func (t *launchTeller) invitation(nodes int) string {
	up := fmt.Sprintf("%s is up: %d of its %d nodes run here.", t.cluster.Network, nodes, len(t.cluster.Nodes))
	if t.selected == nil {
		return up + " Ctrl-C ends them."
	}
	return up + " Ctrl-C ends them.\nIn another terminal, try: ucp node list, ucp status, ucp run MODULE.wasm"
}

func (t *launchTeller) print(format string, args ...any) {
	_, _ = fmt.Fprintf(t.app.stdout, format, args...) // nobody listens any more; the network runs on
}

func (t *launchTeller) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(t.app.stderr, "ucp launch: "+format+"\n", args...) // likewise
}

// launchLine is an event as JSON has it.
type launchLine struct {
	Event     string    `json:"event"`
	Time      time.Time `json:"time"`
	Network   string    `json:"network"`
	Node      string    `json:"node,omitempty"`
	NodeID    string    `json:"node_id,omitempty"`
	Roles     []string  `json:"roles,omitempty"`
	Address   string    `json:"address,omitempty"`
	PID       int       `json:"pid,omitempty"`
	Starts    int       `json:"starts,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	RestartMS int64     `json:"restart_ms,omitempty"`
	Nodes     int       `json:"nodes,omitempty"`
	Context   string    `json:"context,omitempty"`
	Brokers   []string  `json:"brokers,omitempty"`
	Dir       string    `json:"dir,omitempty"`
}

func (t *launchTeller) line(event launch.Event) launchLine {
	l := launchLine{Time: time.Now().UTC(), Network: t.cluster.Network}
	switch e := event.(type) {
	case launch.NodeUp:
		l.Event, l.Node, l.NodeID, l.Roles = "node_up", e.Node.Name, e.ID, e.Node.Roles
		l.Address, l.PID, l.Starts = e.Address, e.PID, e.Starts
	case launch.NodeDied:
		l.Event, l.Node, l.Reason, l.RestartMS = "node_died", e.Node.Name, e.Reason.Error(), e.Pause.Milliseconds()
	case launch.NodeKilled:
		l.Event, l.Node, l.PID = "node_killed", e.Node.Name, e.PID
	case launch.AllUp:
		l.Event, l.Nodes, l.Brokers, l.Dir = "up", len(e.Nodes), t.cluster.Brokers(), t.cluster.Dir
		if t.selected != nil {
			l.Context = t.selected.name
		}
	case launch.Ending:
		l.Event = "ending"
	}
	return l
}

// selectNetwork lets other commands find the network. Without that it runs just as well.
func (t *launchTeller) selectNetwork(all launch.AllUp) {
	var err error
	t.selected, err = selectNetwork(t.ctx, t.app, t.cluster.Network, config.Context{
		Network: t.cluster.Network, Brokers: t.cluster.Brokers(), CA: all.Directory.CA, Identity: all.Directory.Client,
	}, true)
	if err != nil {
		t.warn("other commands will not find %s by themselves: %v", t.cluster.Network, err)
	}
}

func (t *launchTeller) deselect() {
	if t.selected == nil {
		return
	}
	if err := t.selected.restore(t.ctx); err != nil {
		t.warn("%s is still the network that other commands use: %v", t.cluster.Network, err)
	}
}
