package main

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("The log of a node", func() {
	It("goes to its file, as JSON, for its owner alone", func() {
		node := config.Defaults()
		node.LogFile = filepath.Join(GinkgoT().TempDir(), "made", "log")
		log, done, err := openLog(node, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		log.Debug("too little to tell")
		log.Info("node is up", "pid", 7)
		done()
		Expect(os.ReadFile(node.LogFile)).To(And(HavePrefix(`{"time":`), HaveSuffix(`"level":"INFO","msg":"node is up","pid":7}`+"\n")))
		info, err := os.Stat(node.LogFile)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	})

	It("keeps the last two files' worth, and every line whole", func() {
		path := filepath.Join(GinkgoT().TempDir(), "log")
		Expect(os.WriteFile(path, []byte("old\n"), 0o600)).To(Succeed())
		log, err := openLogFile(path)
		Expect(err).NotTo(HaveOccurred())
		log.limit = 10
		for _, line := range []string{"one\n", "two\n", "three\n", "longer than all\n", "last\n"} {
			Expect(log.Write([]byte(line))).To(Equal(len(line)))
		}
		Expect(log.Close()).To(Succeed())
		Expect(os.ReadFile(path)).To(BeEquivalentTo("last\n"))
		Expect(os.ReadFile(path + ".1")).To(BeEquivalentTo("longer than all\n"))
		Expect(filepath.Glob(path + "*")).To(HaveLen(2))
	})

	It("refuses a file that cannot be made", func() {
		node := config.Defaults()
		node.Name, node.LogFile = "e1", filepath.Join(GinkgoT().TempDir(), strings.Repeat("x", 300))
		_, _, err := openLog(node, GinkgoWriter)
		Expect(err).To(MatchError(HavePrefix("log of node e1: ")))
	})
})
