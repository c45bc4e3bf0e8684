package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/config"
)

// nodes draws any node that obeys the rules.
func nodes() *rapid.Generator[config.Node] {
	return rapid.Custom(func(t *rapid.T) config.Node {
		name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,20}`)
		text := rapid.StringMatching(`[^\x00-\x1f\x7f,]{0,20}`)
		path := rapid.Map(text, func(s string) string { return filepath.Join("/x", s) })
		address := rapid.StringMatching(`([a-z][a-z0-9-]{0,9}|10\.0\.0\.[1-9]|\[fe80::[1-9a-f]\]):[1-9][0-9]{0,3}`)
		optional := rapid.OneOf(rapid.Just(""), address)
		duration := rapid.Map(rapid.Int64Range(int64(time.Millisecond), 1<<50), func(d int64) time.Duration { return time.Duration(d) })
		size := rapid.Map(rapid.Int64Range(1, int64(4*config.GiB)), func(n int64) config.Size { return config.Size(n) })
		count := rapid.IntRange(1, 1<<20)
		n := config.Node{
			Name: name.Draw(t, "name"), Network: name.Draw(t, "network"), Dir: path.Draw(t, "dir"), Identity: path.Draw(t, "identity"),
			CA: path.Draw(t, "ca"), LogFile: rapid.OneOf(rapid.Just(""), path).Draw(t, "log"),
			Roles: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"broker", "executor", "datastore"}), 1, 3, rapid.ID).Draw(t, "roles"),
			Host:  rapid.SampledFrom([]string{"", "::1", "127.0.0.1", "lab", "10.0.0.5"}).Draw(t, "host"),
			Port:  rapid.IntRange(1, 65535).Draw(t, "port"), Advertise: optional.Draw(t, "advertise"), HTTP: optional.Draw(t, "http"),
			Seeds: rapid.SliceOfDistinct(address, rapid.ID).Draw(t, "seeds"), Slots: rapid.IntRange(0, 4096).Draw(t, "slots"),
			Labels:   rapid.MapOf(name, text).Draw(t, "labels"),
			LogLevel: rapid.SampledFrom([]string{"debug", "info", "warn", "error"}).Draw(t, "level"), LogFormat: "json",
			BrokerTimeout: duration.Draw(t, "broker timeout"), Sync: config.Sync{Interval: duration.Draw(t, "interval")},
			Lease:     config.Lease{Heartbeat: duration.Draw(t, "heartbeat"), Reconnect: duration.Draw(t, "reconnect"), Long: duration.Draw(t, "long"), Grace: duration.Draw(t, "grace")},
			Emergency: config.Emergency{Declare: rapid.SampledFrom([]string{"any", "operator"}).Draw(t, "declare")},
			Caps: config.Caps{
				Memory: size.Draw(t, "memory"), Timeout: duration.Draw(t, "timeout"), Stdout: size.Draw(t, "stdout"), Stderr: size.Draw(t, "stderr"),
				OpenFiles: count.Draw(t, "files"), Module: size.Draw(t, "module"), Output: size.Draw(t, "output"), Compile: duration.Draw(t, "compile"),
			},
			Queue: config.Queue{Jobs: count.Draw(t, "jobs"), Attempts: count.Draw(t, "attempts"), Mailbox: count.Draw(t, "mailbox")},
			Datastore: config.Datastore{
				URL:      rapid.SampledFrom([]string{"", "file:///x/y", "s3://bucket?region=north"}).Draw(t, "url"),
				Replicas: rapid.IntRange(1, 100).Draw(t, "replicas"), Retention: duration.Draw(t, "retention"), Reserve: size.Draw(t, "reserve"),
				Bandwidth: size.Draw(t, "bandwidth"),
			},
			Cache:    config.Cache{Bytes: size.Draw(t, "cache")},
			MDNS:     rapid.SampledFrom([]string{"on", "off", "eth0"}).Draw(t, "mdns"),
			Auto:     config.Auto{Wait: duration.Draw(t, "wait"), BrokerShare: rapid.Float64Range(0, 1).Draw(t, "share")},
			Insecure: rapid.Bool().Draw(t, "insecure"),
		}
		n.Lease.Timeout = max(2*n.Lease.Heartbeat, n.Lease.Reconnect)
		n.Insecure = n.Insecure && (n.Host == "::1" || n.Host == "127.0.0.1")
		if n.HTTP == n.Listen() {
			n.HTTP = ""
		}
		return n
	})
}

var _ = Describe("Writing a node's file", func() {
	It("loses nothing: what is read back is the same node", func() {
		file := filepath.Join(GinkgoT().TempDir(), "node.yaml")
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			node := nodes().Draw(t, "node")
			if err := config.WriteNode(file, node); err != nil {
				t.Fatal(err)
			}
			back, err := config.LoadNode(file, home(), nil)
			if err != nil {
				t.Fatal(err)
			}
			want, got := config.Leaves(node), config.Leaves(back)
			for key := range want {
				empty := reflect.ValueOf(want[key]).Kind() >= reflect.Map && reflect.ValueOf(want[key]).Kind() != reflect.String && reflect.ValueOf(want[key]).Len() == 0
				if empty && reflect.ValueOf(got[key]).Len() == 0 {
					continue
				}
				if !reflect.DeepEqual(want[key], got[key]) {
					t.Fatalf("%s: wrote %#v, read %#v", key, want[key], got[key])
				}
			}
		})
	})

	It("does so for each node of a cluster file", func() {
		cluster, err := config.LoadCluster("../examples/cluster.yaml")
		Expect(err).NotTo(HaveOccurred())
		for _, node := range cluster.Nodes {
			file := filepath.Join(GinkgoT().TempDir(), "node.yaml")
			Expect(config.WriteNode(file, node)).To(Succeed())
			Expect(config.LoadNode(file, home(), nil)).To(Equal(node))
		}
	})

	It("makes missing directories, and lets only the owner read, also over an older file", func() {
		file := filepath.Join(GinkgoT().TempDir(), "a", "b", "node.yaml")
		node := config.Defaults()
		node.Name, node.Roles, node.Dir = "b1", []string{"broker"}, "/d"
		Expect(config.WriteNode(file, node)).To(Succeed())
		Expect(os.Chmod(file, 0o644)).To(Succeed()) // as an older version may have left it
		Expect(config.WriteNode(file, node)).To(Succeed())
		info, err := os.Stat(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o600)))
		entries, err := os.ReadDir(filepath.Dir(file))
		Expect(err).NotTo(HaveOccurred())
		Expect(entries).To(HaveLen(1), "no temporary file stays")
	})

	It("leaves nothing behind when it fails", func() {
		dir := GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(dir, "node.yaml"), 0o700)).To(Succeed())
		Expect(config.WriteNode(filepath.Join(dir, "node.yaml"), config.Defaults())).To(MatchError(ContainSubstring("node.yaml")))
		entries, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(entries).To(HaveLen(1))
	})
})
