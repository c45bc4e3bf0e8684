package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/urbancompute/ucp/config"
)

// fuzzFile checks that whatever stands in a file is read or refused with a reason, and never more.
func fuzzFile(f *testing.F, name string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), name)
	env := config.NewEnvironment([]string{"HOME=/home/eva"}, 1000)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, errNode := config.LoadNode(file, env, nil)
		cluster, errCluster := config.LoadCluster(file)
		_, errCheck := config.Check(file, env)
		_, errContexts := config.LoadContexts(file)
		for _, err := range []error{errNode, errCluster, errCheck, errContexts} {
			if err != nil && (!errors.Is(err, config.ErrInvalid) || err.Error() == "") {
				t.Errorf("refused without a reason: %#v", err)
			}
		}
		if errCluster == nil && (len(cluster.Nodes) == 0 || errCheck != nil) {
			t.Errorf("a cluster of %d nodes was read, and its check says %v", len(cluster.Nodes), errCheck)
		}
	})
}

func FuzzYAML(f *testing.F) {
	fuzzFile(f, "file.yaml", nodeYAML, clusterYAML, "a: &a [*a]", "a: &a {b: *a}", "<<: {a: b}", "? [a]\n: b", "nodes:", "nodes: [{}]",
		"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "contexts: {a: {brokers: [x]}}\ncurrent: a", "%YAML 1.1\n---\n", "!!binary x", "a: 1e999")
}

func FuzzTOML(f *testing.F) {
	fuzzFile(f, "file.toml", nodeTOML, clusterTOML, `[["x]"]]`, "[[a]]\n[[a.b]]\n[a.b.c]", "a.b.c = {d = [{e = 1}]}", "a = 1\na.b = 2",
		"[[nodes]]\n[nodes]", "nodes = []\n[[nodes]]", "a = 1979-05-27T07:32:00Z\nb = inf\nc = 0xff")
}
