package main

import (
	"image"
	"image/color"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
)

var _ = Describe("The network of the demo", func() {
	It("is two brokers and three executors that carry their names", func() {
		file := filepath.Join(GinkgoT().TempDir(), "cluster.yaml")
		Expect(os.WriteFile(file, []byte(clusterFile([]int{20001, 20002})), 0o600)).To(Succeed())
		cluster, err := config.LoadCluster(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Brokers()).To(Equal([]string{"127.0.0.1:20001", "127.0.0.1:20002"}))
		Expect(cluster.Nodes).To(HaveLen(5))
		Expect(cluster.Nodes[4].Name).To(Equal("e3"))
		Expect(cluster.Nodes[4].Labels).To(Equal(map[string]string{"name": "e3"}))
	})

	It("is not the user's, nor configured by what configures that", func() {
		Expect(environment([]string{"PATH=/bin", "UCP_BROKER=far:7420", "UCP_SLOTS=9"}, "/tmp/d")).To(Equal([]string{
			"PATH=/bin", "UCP_CONFIG_DIR=/tmp/d/config", "UCP_DATA_DIR=/tmp/d/data", "UCP_CACHE_DIR=/tmp/d/cache",
		}))
	})

	It("listens on ports that are free", func() {
		ports, err := freePorts(2)
		Expect(err).NotTo(HaveOccurred())
		Expect(ports).To(HaveLen(2))
		Expect(isFree(loopback(ports[0]))).To(Succeed())
	})
})

var _ = Describe("Where executors have their homes", func() {
	nodes := []client.Node{
		{ID: "1", Name: "b1", State: "up", Roles: []string{"broker"}, Home: "1"},
		{ID: "2", Name: "b2", State: "up", Roles: []string{"broker"}, Home: "2"},
		{ID: "3", Name: "e1", State: "up", Roles: []string{"executor"}, Home: "2"},
		{ID: "4", Name: "e2", State: "up", Roles: []string{"executor"}, Home: "2"},
		{ID: "5", Name: "e3", State: "up", Roles: []string{"executor"}, Home: "1"},
		{ID: "6", Name: "e4", State: "lost", Roles: []string{"executor"}, Home: "1"},
	}

	It("is told by the names of nodes that are up", func() {
		Expect(homes(nodes)).To(Equal(placed{"b1": {"e3"}, "b2": {"e1", "e2"}}))
		Expect(homes(nodes).of("b2")).To(Equal("e1 e2"))
		Expect(homes(nodes).of("b3")).To(Equal("nobody"))
		Expect(homes(nodes).all()).To(Equal([]string{"e3", "e1", "e2"}))
	})

	It("decides where a job goes that is to lose its executor", func() {
		p := homes(nodes)
		Expect(p.crowded()).To(Equal("b2"))
		Expect(p.besides("b2", "e1")).To(Equal("e2"))
		Expect(p.besides("b2", "e3")).To(Equal("e1"))
		Expect(other("b2")).To(Equal("b1"))
	})
})

var _ = Describe("Counting words without the network", func() {
	It("knows words as the job does", func() {
		Expect(count("Rain, rain: don't – Ärger 7")).To(Equal(counts{"rain": 2, "don't": 1, "ärger": 1, "7": 1}))
	})

	It("reads what the job prints", func() {
		Expect(parseCounts("a 1\nb 2\n")).To(Equal(counts{"a": 1, "b": 2}))
		_, err := parseCounts("a 1\nb\n")
		Expect(err).To(MatchError(ContainSubstring(`"b\n"`)))
	})

	It("names the most frequent first", func() {
		Expect(counts{"b": 2, "a": 2, "c": 3, "d": 1}.top(3)).To(Equal([]string{"c 3", "a 2", "b 2"}))
	})
})

var _ = Describe("Comparing pictures", func() {
	It("tells the pixel that differs, whatever the kind of picture", func() {
		a, b := image.NewRGBA(image.Rect(0, 0, 2, 2)), image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.RGBA{}, color.White})
		Expect(samePixels(a, b)).To(Succeed())
		b.SetColorIndex(1, 0, 1)
		Expect(samePixels(a, b)).To(MatchError(ContainSubstring("pixel (1,0)")))
		Expect(samePixels(a, image.NewRGBA(image.Rect(0, 0, 2, 1)))).NotTo(Succeed())
	})
})

var _ = Describe("What a program prints on the way", func() {
	It("comes by whole lines, and never holds the program up", func() {
		p := progress{lines: make(chan string, 2)}
		for _, b := range []string{"one\ntw", "o\nthree\nfour\n", "fi"} {
			n, err := p.Write([]byte(b))
			Expect(err).NotTo(HaveOccurred())
			Expect(n).To(Equal(len(b)))
		}
		Expect(<-p.lines).To(Equal("one"))
		Expect(<-p.lines).To(Equal("two"))
		Expect(p.lines).To(BeEmpty())
	})
})
