package main

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/config"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("ucp emergency", Label("EMG-1"), Ordered, func() {
	var u person
	BeforeAll(func(ctx SpecContext) {
		u = somebody()
		dev, err := cluster.StartDev(ctx, cluster.DevConfig{
			Dir: filepath.Join(u.dir, "dev"), Host: "127.0.0.1", Executors: 1, Slots: 1, Version: "v-test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(dev.Close)
		Expect(config.SaveContexts(filepath.Join(u.dir, "config", "contexts.yaml"), config.Contexts{
			Current: "dev", Items: map[string]config.Context{"dev": {Network: "dev", Brokers: []string{dev.Broker.Addr()}, Identity: dev.Client}},
		})).To(Succeed())
	}, NodeTimeout(soon))

	It("tells that there is none", func(ctx SpecContext) {
		Expect(u.runs(ctx, "emergency", "list")).To(Equal(answer{0, "No emergency is in force.\n", ""}))
		Expect(u.runs(ctx, "status").stdout).To(MatchRegexp(`(?m)^emergency +none$`))
	}, SpecTimeout(soon))

	It("declares one, which everybody sees", func(ctx SpecContext) {
		a := u.runs(ctx, "emergency", "declare", "Fire", "--level", "high", "--area", "north", "--ttl", "2h", "--reason", "depot is burning")
		Expect(a.stderr).To(BeEmpty())
		Expect(a.stdout).To(MatchRegexp(`^Emergency fire \(high\) is in force for 2h. Its id is [0-9A-Z]{26}-[a-z0-9]+\.\n$`))
		Expect(u.runs(ctx, "emergency", "list").stdout).To(And(
			MatchRegexp(`(?m)^[0-9A-Z]{26} +fire +high +north +\d+s ago +client +\w+ +(2h|1h59m\w*) +depot is burning$`), ContainSubstring("Jobs are held to level high.")))
		Expect(u.runs(ctx, "status").stdout).To(MatchRegexp(`(?m)^emergency +high, 1 in force`))
		var list struct{ Items []map[string]any }
		Expect(json.Unmarshal([]byte(u.runs(ctx, "emergency", "list", "-o", "json").stdout), &list)).To(Succeed())
		Expect(list.Items).To(ConsistOf(And(
			HaveKeyWithValue("type", "fire"), HaveKeyWithValue("level", "high"), HaveKeyWithValue("over", false), HaveKeyWithValue("ended", BeNil()),
			HaveKeyWithValue("left_ms", BeNumerically("~", 7_200_000, 60_000)), HaveKeyWithValue("by_name", "client"))))
	}, SpecTimeout(soon))

	It("runs its jobs, and has others wait with the reason", Label("EMG-2"), func(ctx SpecContext) {
		waits := u.runs(ctx, "run", "--detach", u.module())
		id := waits.stdout[:26]
		Expect(u.runs(ctx, "run", "--emergency", "fire", u.module(Print("hello\n")))).To(Equal(answer{0, "hello\n", ""}))
		Expect(u.runs(ctx, "job", "show", id).stdout).To(ContainSubstring("only emergency jobs start: emergency fire in north (high)"))
		Expect(u.runs(ctx, "emergency", "clear", "fire", "--reason", "it is out")).To(Equal(answer{0, "Emergency fire (high) is over: ended by client.\n", ""}))
		Eventually(ctx, func() string { return u.runs(ctx, "job", "show", id).stdout }).Within(soon).Should(ContainSubstring("accepted"))
	}, SpecTimeout(soon))

	It("shows those that are over when asked", func(ctx SpecContext) {
		Expect(u.runs(ctx, "emergency", "list").stdout).To(Equal("No emergency is in force.\n"))
		Expect(u.runs(ctx, "emergency", "list", "--all").stdout).To(ContainSubstring("depot is burning (ended by client: it is out)"))
	}, SpecTimeout(soon))

	It("says what is wrong with a wish", func(ctx SpecContext) {
		for _, wrong := range []struct {
			code int
			says string
			args []string
		}{
			{2, "--level", []string{"declare", "fire"}},
			{1, "small letters", []string{"declare", "fire!", "--level", "low"}},
			{1, "01NOSUCHID", []string{"clear", "01NOSUCHID"}},
		} {
			a := u.runs(ctx, append([]string{"emergency"}, wrong.args...)...)
			Expect(a.code).To(Equal(wrong.code))
			Expect(a.stderr).To(oneSentence(wrong.says))
		}
	}, SpecTimeout(soon))
})

var _ = Describe("What is told of datastores", Label("EMG-5", "DATA-3"), func() {
	DescribeTable("says that copies wait, while they do",
		func(paused bool, told string) {
			stores := []client.Store{{State: "up", Free: 2 << 30, Used: 1 << 30, Replicas: 2, Paused: paused}}
			status := statusOutput{}.withStores(stores)
			Expect(status.storesText()).To(Equal("1, 1.0 GiB used, 2.0 GiB free" + told))
			Expect([]any{status.Paused, status.Replicas}).To(Equal([]any{paused, 2}))
			Expect(storeOf(&stores[0]).text()).To(Equal("1.0 GiB used, 2.0 GiB free" + told))
			Expect(storeOf(&stores[0]).Paused).To(Equal(paused))
		},
		Entry("in an emergency", true, "; copies wait until the emergency is over"),
		Entry("else not", false, ""),
	)
})
