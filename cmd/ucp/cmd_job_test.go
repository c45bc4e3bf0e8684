package main

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("Verbs about jobs and nodes on a network", Ordered, func() {
	var u person
	BeforeAll(func(ctx SpecContext) {
		u = somebody()
		u.network(ctx, 1)
	}, NodeTimeout(soon))

	// into runs a verb and decodes what it says.
	into := func(ctx SpecContext, v any, args ...string) {
		GinkgoHelper()
		a := u.runs(ctx, append(args, "-o", "json")...)
		Expect(a.stderr).To(BeEmpty())
		Expect(json.Unmarshal([]byte(a.stdout), v)).To(Succeed())
	}
	detached := func(ctx SpecContext, args ...string) string {
		GinkgoHelper()
		a := u.runs(ctx, append([]string{"run", "--detach"}, args...)...)
		Expect(a.stderr).To(BeEmpty())
		return strings.TrimSpace(a.stdout)
	}

	It("runs jobs there", func(ctx SpecContext) {
		Expect(u.runs(ctx, "run", "--name", "greeting", u.module(Print("hello\n")))).To(Equal(answer{0, "hello\n", ""}))
	}, SpecTimeout(soon))

	It("lists jobs in the order they were made, page by page", func(ctx SpecContext) {
		detached(ctx, "--name", "second", u.module(Exit(3)))
		type list struct {
			Items []struct{ ID, Name string }
			Next  string
		}
		var first, second list
		into(ctx, &first, "job", "list", "--limit", "1")
		Expect(first.Items).To(HaveLen(1))
		Expect(first.Items[0].Name).To(Equal("greeting"))
		into(ctx, &second, "job", "list", "--after", first.Next)
		Expect(second.Items).To(HaveLen(1))
		Expect(second.Items[0].Name).To(Equal("second"))
		Expect(second.Next).To(BeEmpty())
		Expect(u.runs(ctx, "job", "list").stdout).To(And(HavePrefix("JOB "), ContainSubstring("greeting"), ContainSubstring("accepted")))
	}, SpecTimeout(soon))

	It("lists only the jobs whose results are meant for somebody", Label("PLAN-1"), func(ctx SpecContext) {
		plan := u.file("plan.yaml", "jobs:\n- {name: theirs, metadata: {wasm_module: quick, results_receiver: \"dtn://district/\"}}\n- {name: ours, metadata: {wasm_module: quick}}\n")
		Expect(u.runs(ctx, "data", "put", "quick", u.module()).stderr).To(BeEmpty())
		Expect(u.runs(ctx, "submit", plan).stderr).To(BeEmpty())
		var list struct {
			Items []struct{ ID, Name, Receiver string }
		}
		into(ctx, &list, "job", "list", "--receiver", "district")
		Expect(list.Items).To(HaveExactElements(And(HaveField("Name", "theirs"), HaveField("Receiver", "district"))))
		Expect(u.runs(ctx, "job", "show", list.Items[0].ID).stdout).To(MatchRegexp(`(?m)^results for +district$`))
		into(ctx, &list, "job", "list", "--receiver", "nobody")
		Expect(list.Items).To(BeEmpty())
	}, SpecTimeout(soon))

	It("shows a job by the beginning of its id, with its result and attempts", func(ctx SpecContext) {
		id := detached(ctx, "--name", "shown", u.module(Print("12345"), Exit(9)))
		var j map[string]any
		Eventually(ctx, func(g Gomega) {
			into(ctx, &j, "job", "show", id[:26])
			g.Expect(j).To(And(HaveKeyWithValue("state", "failed"), HaveKeyWithValue("final", true)))
		}).Within(soon).Should(Succeed())
		Expect(j).To(HaveKeyWithValue("result", And(HaveKeyWithValue("exit_code", 9.0), HaveKeyWithValue("stdout", HaveKeyWithValue("bytes", 5.0)))))
		Expect(j).To(HaveKeyWithValue("attempts", ConsistOf(HaveKeyWithValue("state", "failed"))))
		Expect(j["created"]).To(MatchRegexp(`^\d{4}-\d\d-\d\dT[\d:.]+Z$`))
		Expect(u.runs(ctx, "job", "show", id).stdout).To(And(ContainSubstring("exited with 9"), ContainSubstring("ATTEMPT")))
	}, SpecTimeout(soon))

	It("says why a job waits, and cancels it", Label("JOB-8", "JOB-9"), func(ctx SpecContext) {
		id := detached(ctx, "--label", "location=moon", u.module())
		Expect(u.runs(ctx, "job", "show", id).stdout).To(ContainSubstring("location=moon (1 of 1)"))
		Expect(u.runs(ctx, "job", "cancel", id).stdout).To(ContainSubstring("cancelled"))
		Eventually(ctx, func() string { return u.runs(ctx, "job", "cancel", id).stdout }).Within(soon).Should(ContainSubstring("is cancelled"))
	}, SpecTimeout(soon))

	It("says that a job is not known", func(ctx SpecContext) {
		a := u.runs(ctx, "job", "show", "no-such-job")
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(oneSentence("no-such-job"))
	}, SpecTimeout(soon))

	It("lists nodes", func(ctx SpecContext) {
		var list struct{ Items []map[string]any }
		into(ctx, &list, "node", "list")
		Expect(list.Items).To(ConsistOf(
			And(HaveKeyWithValue("roles", ContainElement("broker")), HaveKeyWithValue("state", "up")),
			And(HaveKeyWithValue("roles", ConsistOf("executor")), HaveKeyWithValue("slots", 1.0), HaveKey("home_name")),
		))
		Expect(u.runs(ctx, "node", "list").stdout).To(And(HavePrefix("NAME "), ContainSubstring("executor")))
	}, SpecTimeout(soon))

	It("tells the status of the network", func(ctx SpecContext) {
		var s map[string]any
		into(ctx, &s, "status")
		Expect(s).To(And(HaveKeyWithValue("network", "dev"), HaveKeyWithValue("brokers", 1.0), HaveKeyWithValue("executors", 1.0),
			HaveKeyWithValue("version", "v-test"), HaveKeyWithValue("uptime_ms", BeNumerically(">", 0))))
		Expect(u.runs(ctx, "status").stdout).To(ContainSubstring("1 brokers, 1 executors with 1 slots"))
	}, SpecTimeout(soon))

	It("measures jobs, beside two bare workers", func(ctx SpecContext) {
		var b map[string]any
		into(ctx, &b, "bench", "jobs", "--count", "40", "--concurrency", "4", "--module", "noop")
		for _, key := range []string{"jobs_per_second", "p50_ms", "p95_ms", "p99_ms", "bare_wazero_jobs_per_second"} {
			Expect(b).To(HaveKeyWithValue(key, BeNumerically(">", 0)))
		}
		Expect(b).To(HaveKeyWithValue("failed", 0.0))
	}, SpecTimeout(soon))

	It("forgets no broker without a reason, none that nobody knows, and not the one that is asked", func(ctx SpecContext) {
		Expect(u.runs(ctx, "broker", "forget", "b9")).To(Equal(answer{2, "", "ucp: --reason must say why, for those who wonder later\n"}))
		unknown := u.runs(ctx, "broker", "forget", "b9", "--reason", "it burnt")
		Expect(unknown.code).To(Equal(1))
		Expect(unknown.stderr).To(ContainSubstring(`no broker "b9" is known here`))
		itself := u.runs(ctx, "broker", "forget", "b1", "--reason", "it burnt")
		Expect(itself.code).To(Equal(1))
		Expect(itself.stderr).To(ContainSubstring("this is the broker itself: ask another one to forget it"))
	}, SpecTimeout(soon))

	It("lets jobs out of quarantine, and says how one is that was in none", func(ctx SpecContext) {
		id := detached(ctx, u.module(Print("hello\n")))
		Eventually(ctx, func() string { return u.runs(ctx, "job", "reprieve", id).stdout }).Should(Equal("Job " + id + " is accepted.\n"))
		Expect(u.runs(ctx, "job", "reprieve", "nosuchjob").stderr).To(ContainSubstring("no job"))
	}, SpecTimeout(soon))
})
