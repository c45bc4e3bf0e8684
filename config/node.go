package config

import (
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"
)

// The roles a node can play; it may play several.
const (
	RoleBroker    = "broker"    // keeps the records and places jobs
	RoleExecutor  = "executor"  // runs jobs in a sandbox
	RoleDatastore = "datastore" // keeps bytes by content hash
	// RoleAuto is an executor that becomes a broker too where one is missing. It stands in a configuration only: certificates and peers know
	// the roles that come of it.
	RoleAuto = "auto"
)

// Words for [Node.MDNS] besides the names of interfaces.
const (
	MDNSOn  = "on"
	MDNSOff = "off"
)

// The ports a network uses unless told otherwise.
const (
	DefaultPort     = 7420 // link, enrolment and blobs, over mutual TLS
	DefaultHTTPPort = 7421 // HTTP API and dashboard
)

// Node is the whole configuration of one node. The zero value is not useful; start from [Defaults].
type Node struct {
	// Name is the label people know the node by, fit to be a file name. Default: the machine's host name.
	Name string `mapstructure:"name"`
	// Network is the label of the network the node belongs to. Default "ucp".
	Network string `mapstructure:"network"`
	// Dir is the directory the node keeps its data in. Default: the data directory of this machine, see [Directories].
	Dir string `mapstructure:"dir"`
	// Identity is the directory of the node's own key and certificate. Default: identity, in Dir.
	Identity string `mapstructure:"identity"`
	// CA is the directory of the network's CA certificate. Default: ca, in Dir.
	CA string `mapstructure:"ca"`
	// LogFile is the file the log is appended to; empty means stderr, the default.
	LogFile string `mapstructure:"log_file"`
	// Roles are the roles the node plays, at least one of broker, executor, datastore and auto. No default.
	Roles []string `mapstructure:"roles"`
	// Host is the address or host name to listen on; empty means every interface, the default.
	Host string `mapstructure:"host"`
	// Port is the TCP port to listen on; 0 listens nowhere and only dials out. Default 7420.
	Port int `mapstructure:"port"`
	// Advertise is the host:port others are told to dial when it differs from what the node listens on. Default empty: Host and Port.
	Advertise string `mapstructure:"advertise"`
	// Seeds are the host:port addresses of brokers to dial first. Default none.
	Seeds []string `mapstructure:"seeds"`
	// MDNS says whether brokers are found on the local network by mDNS, and announce themselves there: on, off, or the name of the one interface to
	// do so on. Default on, which a node whose host is a loopback address takes for off.
	MDNS string `mapstructure:"mdns"`
	// Auto says when a node of role auto becomes a broker.
	Auto Auto `mapstructure:"auto"`
	// HTTP is the host:port of the HTTP API and dashboard; empty switches it off, the default.
	HTTP string `mapstructure:"http"`
	// Slots is how many jobs an executor runs at once; 0 means one for each CPU core, the default.
	Slots int `mapstructure:"slots"`
	// Labels are what jobs can ask for when they choose an executor, as location: north. Default none.
	Labels map[string]string `mapstructure:"labels"`
	// LogLevel is the least severe level logged: debug, info, warn or error. Default info.
	LogLevel string `mapstructure:"log_level"`
	// LogFormat is text, json or auto; auto means text on a terminal and JSON otherwise. Default auto.
	LogFormat string `mapstructure:"log_format"`
	// Sync says how brokers exchange their records.
	Sync Sync `mapstructure:"sync"`
	// Lease says how an executor's life is told to its home broker.
	Lease Lease `mapstructure:"lease"`
	// BrokerTimeout is how long a broker is unheard before others take its jobs over. Default 10 s.
	BrokerTimeout time.Duration `mapstructure:"broker_timeout"`
	// Emergency says who may declare emergencies at this broker.
	Emergency Emergency `mapstructure:"emergency"`
	// Caps are the most that one job may ask of this executor.
	Caps Caps `mapstructure:"caps"`
	// Queue bounds what waits in this node.
	Queue Queue `mapstructure:"queue"`
	// Datastore says where and how a datastore keeps bytes. Brokers follow datastore.replicas and datastore.retention too.
	Datastore Datastore `mapstructure:"datastore"`
	// Cache bounds what an executor keeps of bytes it has used.
	Cache Cache `mapstructure:"cache"`
	// Insecure switches mutual TLS off; only allowed on loopback. Default false.
	Insecure bool `mapstructure:"insecure"`
}

// Auto says when a node of role auto becomes a broker.
type Auto struct {
	// Wait is how long it looks for a broker before it becomes one; each node adds up to as much again by chance. Default 3 s.
	Wait time.Duration `mapstructure:"wait"`
	// BrokerShare is the part of all such nodes, from 0 to 1, that become brokers although they find one. Default 0.1.
	BrokerShare float64 `mapstructure:"broker_share"`
}

// Sync says how brokers exchange their records.
type Sync struct {
	// Interval is the time between two exchanges with a peer broker; changes are pushed at once besides. Default 1 s.
	Interval time.Duration `mapstructure:"interval"`
}

// Lease says how an executor's life is told to its home broker.
type Lease struct {
	// Heartbeat is the time between two heartbeats. Default 500 ms.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// Timeout is the silence after which an executor that was heard regularly is declared lost; one that was not is given more. Default 3 s.
	Timeout time.Duration `mapstructure:"timeout"`
	// Reconnect is how long a closed connection may take to come back before it counts as a loss. Default 300 ms.
	Reconnect time.Duration `mapstructure:"reconnect"`
	// Long is how long an attempt must have run to be waited for when most executors fall silent at once, as in a partition. Default 1 min.
	Long time.Duration `mapstructure:"long"`
	// Grace is how long such an attempt is waited for. Default 30 s.
	Grace time.Duration `mapstructure:"grace"`
}

// The words for [Emergency.Declare].
const (
	DeclareAny      = "any"
	DeclareOperator = "operator"
)

// Emergency says who may declare emergencies.
type Emergency struct {
	// Declare is who may declare an emergency at this broker, and clear one: any client of the network, or only those whose certificate has the role
	// operator. Default any: a small network has no operators.
	Declare string `mapstructure:"declare"`
}

// Role returns the role that it takes, empty if it takes none.
func (e Emergency) Role() string {
	if e.Declare == DeclareOperator {
		return DeclareOperator
	}
	return ""
}

// Caps are the most that one job may ask of an executor; what a job gets when it asks for nothing is decided elsewhere.
type Caps struct {
	// Memory is the greatest linear memory of a module. Default 1 GiB, at most 4 GiB.
	Memory Size `mapstructure:"memory"`
	// Timeout is the longest time one attempt may run. Default 24 h.
	Timeout time.Duration `mapstructure:"timeout"`
	// Stdout is how much of standard output is kept. Default 64 MiB.
	Stdout Size `mapstructure:"stdout"`
	// Stderr is how much of standard error is kept. Default 64 MiB.
	Stderr Size `mapstructure:"stderr"`
	// OpenFiles is how many files a module may have open at once. Default 1024.
	OpenFiles int `mapstructure:"open_files"`
	// Module is the greatest size of a module's own bytes. Default 32 MiB.
	Module Size `mapstructure:"module"`
	// Output is the greatest total of the files a job leaves behind. Default 1 GiB.
	Output Size `mapstructure:"output"`
	// Compile is the longest time a module may take to compile. Default 60 s.
	Compile time.Duration `mapstructure:"compile"`
}

// Queue bounds what waits in a node; beyond a bound the answer is "busy, retry after".
type Queue struct {
	// Jobs is how many jobs may wait in a broker. Default 1,000,000.
	Jobs int `mapstructure:"jobs"`
	// Attempts is how many attempts may wait in an executor for a free slot. Default 1024.
	Attempts int `mapstructure:"attempts"`
	// Mailbox is how many messages from outside may wait for one actor. Default 10,000.
	Mailbox int `mapstructure:"mailbox"`
}

// Datastore says where and how bytes are kept for others.
type Datastore struct {
	// URL is where they are: file:///DIRECTORY, or s3://BUCKET for an object store that is there already. Default empty: in Dir.
	URL string `mapstructure:"url"`
	// Replicas is how many datastores should have each blob, of as many as there are. Brokers tell it to all others. Default 2.
	Replicas int `mapstructure:"replicas"`
	// Retention is how long a blob that nothing needs is kept after it was last put or asked for. Default 24 h.
	Retention time.Duration `mapstructure:"retention"`
	// Reserve is how much of the disk is left free. Default 1 GiB.
	Reserve Size `mapstructure:"reserve"`
	// Bandwidth is how many bytes a second a datastore spends on making copies at others. Default 32 MiB.
	Bandwidth Size `mapstructure:"bandwidth"`
}

// Cache bounds what an executor keeps of bytes it has used.
type Cache struct {
	// Bytes is how much it keeps of modules, inputs and outputs; what was used least recently goes first. Default 10 GiB.
	Bytes Size `mapstructure:"bytes"`
}

// Defaults returns the node that nobody configured: valid but for its name, its directories and its roles, which
// depend on the machine and on the reader's wish.
func Defaults() Node {
	return Node{
		Network:       "ucp",
		Port:          DefaultPort,
		LogLevel:      "info",
		LogFormat:     "auto",
		MDNS:          MDNSOn,
		Auto:          Auto{Wait: 3 * time.Second, BrokerShare: 0.1},
		Sync:          Sync{Interval: time.Second},
		Lease:         Lease{Heartbeat: 500 * time.Millisecond, Timeout: 3 * time.Second, Reconnect: 300 * time.Millisecond, Long: time.Minute, Grace: 30 * time.Second},
		BrokerTimeout: 10 * time.Second,
		Emergency:     Emergency{Declare: DeclareAny},
		Caps: Caps{
			Memory: GiB, Timeout: 24 * time.Hour, Stdout: 64 * MiB, Stderr: 64 * MiB,
			OpenFiles: 1024, Module: 32 * MiB, Output: GiB, Compile: time.Minute,
		},
		Queue:     Queue{Jobs: 1_000_000, Attempts: 1024, Mailbox: 10_000},
		Datastore: Datastore{Replicas: 2, Retention: 24 * time.Hour, Reserve: GiB, Bandwidth: 32 * MiB},
		Cache:     Cache{Bytes: 10 * GiB},
	}
}

// HasRole reports whether the node plays role from the start. One of role auto is an executor, and is a broker only when it has become one.
func (n Node) HasRole(role string) bool {
	return slices.Contains(n.Roles, role) || role == RoleExecutor && slices.Contains(n.Roles, RoleAuto)
}

// MayBroker reports whether the node is a broker or may become one.
func (n Node) MayBroker() bool { return n.HasRole(RoleBroker) || n.HasRole(RoleAuto) }

// Certified returns the roles that the node's certificate has to carry, sorted.
func (n Node) Certified() []string {
	roles := slices.DeleteFunc(slices.Clone(n.Roles), func(r string) bool { return r == RoleAuto })
	if n.HasRole(RoleAuto) {
		roles = append(roles, RoleBroker, RoleExecutor)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// BrowsesOn returns where brokers are looked for and announced by mDNS: nowhere, on the interface of that name, or, if that is empty, on all that
// lead out of the machine.
func (n Node) BrowsesOn() (network string, somewhere bool) {
	switch n.MDNS {
	case MDNSOff, "":
		return "", false
	case MDNSOn:
		return "", !loopback(n.Host)
	}
	return n.MDNS, true
}

// Listen returns the host:port to bind, or "" for a node that only dials out.
func (n Node) Listen() string {
	if n.Port == 0 {
		return ""
	}
	return net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
}

// Address returns the host:port others dial to reach the node, or "" for a node that only dials out or that
// listens on every interface and advertises none.
func (n Node) Address() string {
	switch {
	case n.Advertise != "":
		return n.Advertise
	case n.Port == 0 || unspecified(n.Host):
		return ""
	}
	return n.Listen()
}

// Level returns LogLevel as slog knows it; an unknown one is Info.
func (n Node) Level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(n.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return level
}
