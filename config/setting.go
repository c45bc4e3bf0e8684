package config

import (
	"math"
	"slices"
	"strings"
)

// scope says in which files a setting may stand.
type scope int

const (
	anywhere   scope = iota // node files, and nodes and defaults of cluster files
	eachNode                // node files, and nodes of cluster files: two nodes cannot share it
	nodeFile                // node files only: the cluster file decides it for all its nodes
	clusterTop              // as nodeFile, but a key of its own beside "nodes"
)

// setting is one thing that can be configured about a node.
type setting struct {
	key string
	kind
	scope scope
	doc   string
}

// settings are all settings of a node, in the order they are shown and written. A spec keeps them equal to the fields of [Node].
var settings = []setting{
	{"name", label(), eachNode, "label people know the node by, fit to be a file name"},
	{"network", label(), clusterTop, "label of the network the node belongs to"},
	{"dir", path(), clusterTop, "directory the node keeps its data in"},
	{"identity", path(), nodeFile, "directory of the node's own key and certificate"},
	{"ca", path(), nodeFile, "directory of the network's CA certificate"},
	{"log_file", path(), nodeFile, "file the log is appended to; empty means stderr"},
	{"roles", roles(), anywhere, "what the node does: broker, executor, datastore, or auto: executor, and broker where one is missing"},
	{"host", host(), eachNode, "address or host name to listen on; empty means every interface"},
	{"port", whole(0, math.MaxUint16), eachNode, "TCP port to listen on; 0 listens nowhere and only dials out"},
	{"advertise", optionalAddress(DefaultPort), eachNode, "host:port others dial, if it differs from host and port"},
	{"seeds", addresses(DefaultPort), eachNode, "host:port addresses of brokers to dial first"},
	{"mdns", wire(), anywhere, "find brokers on the local network by mDNS, and be found there: on, off, or the interface to use"},
	{"auto.wait", duration(), anywhere, "time a node of role auto looks for a broker before it becomes one"},
	{"auto.broker_share", share(), anywhere, "part of the nodes of role auto, 0 to 1, that become brokers although there is one"},
	{"http", optionalAddress(DefaultHTTPPort), eachNode, "host:port of the HTTP API and dashboard, or off"},
	{"slots", whole(0, 4096), anywhere, "jobs an executor runs at once; 0 means one for each CPU core"},
	{"labels", labels(), anywhere, "what jobs can ask for when they choose an executor"},
	{"log_level", oneOf("debug", "info", "warn", "error"), anywhere, "least severe level that is logged"},
	{"log_format", oneOf("auto", "text", "json"), anywhere, "auto is text on a terminal and JSON otherwise"},
	{"sync.interval", duration(), anywhere, "time between two exchanges of a broker with each peer broker"},
	{"lease.heartbeat", duration(), anywhere, "time between two heartbeats of an executor"},
	{"lease.timeout", duration(), anywhere, "silence after which an executor that was heard regularly is lost"},
	{"lease.reconnect", duration(), anywhere, "time a closed connection has to come back before it is a loss"},
	{"lease.long", duration(), anywhere, "run time from which an attempt is waited for when most executors fall silent at once"},
	{"lease.grace", duration(), anywhere, "time that such an attempt is waited for"},
	{"broker_timeout", duration(), anywhere, "time a broker is unheard before others take its jobs over"},
	{"emergency.declare", oneOf(DeclareAny, DeclareOperator), anywhere, "who may declare emergencies at this broker: any client, or those with the role operator"},
	{"caps.memory", size(4 * GiB), anywhere, "greatest memory a job may ask for"},
	{"caps.timeout", duration(), anywhere, "longest time one attempt at a job may run"},
	{"caps.stdout", size(TiB), anywhere, "most bytes kept of a job's standard output"},
	{"caps.stderr", size(TiB), anywhere, "most bytes kept of a job's standard error"},
	{"caps.open_files", whole(1, 1<<20), anywhere, "most files a job may have open at once"},
	{"caps.module", size(4 * GiB), anywhere, "greatest size of a module"},
	{"caps.output", size(1024 * TiB), anywhere, "greatest total of the files a job leaves behind"},
	{"caps.compile", duration(), anywhere, "longest time a module may take to compile"},
	{"queue.jobs", whole(1, 1<<30), anywhere, "most jobs that wait in a broker"},
	{"queue.attempts", whole(1, 1<<30), anywhere, "most attempts that wait in an executor for a free slot"},
	{"queue.mailbox", whole(1, 1<<30), anywhere, "most messages from outside that wait for one actor"},
	{"datastore.url", storage(), anywhere, "where a datastore keeps bytes: file:///DIRECTORY or s3://BUCKET; empty means in dir"},
	{"datastore.replicas", whole(1, 100), anywhere, "datastores that should have each blob, if there are as many; told by brokers"},
	{"datastore.retention", duration(), anywhere, "time a blob that nothing needs is kept after it was last put or asked for"},
	{"datastore.reserve", size(1024 * TiB), anywhere, "disk space a datastore leaves free"},
	{"datastore.bandwidth", size(TiB), anywhere, "bytes a second a datastore spends on copies at others"},
	{"cache.bytes", size(1024 * TiB), anywhere, "most an executor keeps of bytes it has used"},
	{"insecure", boolean(), anywhere, "no mutual TLS; only on loopback, for experiments"},
}

// env is the variable that sets s.
func (s setting) env() string { return "UCP_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_")) }

// flag is the flag that sets s, without its dashes.
func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

// findSetting returns the first setting that is meant.
func findSetting(is func(setting) bool) (setting, bool) {
	if i := slices.IndexFunc(settings, is); i >= 0 {
		return settings[i], true
	}
	return setting{}, false
}

// settingOf returns the setting with that key.
func settingOf(key string) (setting, bool) {
	return findSetting(func(s setting) bool { return s.key == key })
}

// isSection reports whether key holds settings of its own, as sync does.
func isSection(key string) bool {
	for _, s := range settings {
		if strings.HasPrefix(s.key, key+".") {
			return true
		}
	}
	return false
}
