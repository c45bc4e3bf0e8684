package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("ucp config", func() {
	var u person
	BeforeEach(func() { u = somebody() })

	It("shows every setting with its source", func(ctx SpecContext) {
		file := u.file("node.yaml", "name: e4", "roles: [executor]", "slots: 2")
		shown := u.runsWith(ctx, []string{"UCP_SYNC_INTERVAL=3s"}, "config", "show", file, "--port", "9")
		Expect(shown.code).To(Equal(0), shown.stderr)
		Expect(shown.stdout).To(And(
			MatchRegexp(`name +e4 +`+file+`:1`),
			MatchRegexp(`slots +2 +`+file+`:3`),
			MatchRegexp(`sync.interval +3s +env UCP_SYNC_INTERVAL`),
			MatchRegexp(`port +9 +flag --port`),
			MatchRegexp(`broker_timeout +10s +default`),
		))
	})

	It("shows the file that UCP_CONFIG names when none is given", func(ctx SpecContext) {
		file := u.file("other.yaml", "name: e5", "roles: [executor]")
		shown := u.runsWith(ctx, []string{"UCP_CONFIG=" + file}, "config", "show", "--output", "json")
		Expect(shown.code).To(Equal(0), shown.stderr)
		var list struct {
			Items []struct{ Key, Source string }
		}
		Expect(json.Unmarshal([]byte(shown.stdout), &list)).To(Succeed())
		Expect(list.Items[0].Key).To(Equal("name"))
		Expect(list.Items[0].Source).To(Equal(file + ":1"))
	})

	It("says of the examples that they are right", func(ctx SpecContext) {
		for _, name := range []string{"cluster.yaml", "node.yaml"} {
			checked := u.runs(ctx, "config", "check", filepath.Join("..", "..", "examples", name))
			Expect(checked.code).To(Equal(0), checked.stderr)
			Expect(checked.stdout).To(ContainSubstring("is right"))
		}
	})

	When("a file is wrong", func() {
		var file string
		BeforeEach(func() {
			file = u.file("cluster.yaml", "network: lab", "nodes:",
				"  - {name: b1, host: 127.0.0.1, roles: [broker]}",
				"  - {name: b1, host: 127.0.0.1, port: 0, roles: [executor], slotz: 2}")
		})

		It("tells all problems with file, line and the nearest key, and ends with code 2", func(ctx SpecContext) {
			for _, args := range [][]string{{"config", "check", file}, {"launch", file}} {
				checked := u.runs(ctx, args...)
				Expect(checked.code).To(Equal(2))
				Expect(checked.stdout).To(BeEmpty())
				Expect(checked.stderr).To(And(
					ContainSubstring(file+`:4: unknown key "slotz"; did you mean "slots"?`),
					ContainSubstring(file+`:4: nodes[1] has the name "b1" of nodes[0] on line 3`),
				))
			}
		})

		It("tells them as data too", func(ctx SpecContext) {
			checked := u.runs(ctx, "config", "check", file, "--output", "json")
			Expect(checked.code).To(Equal(2))
			var found checkedFile
			Expect(json.Unmarshal([]byte(checked.stdout), &found)).To(Succeed())
			Expect(found.Valid).To(BeFalse())
			Expect(found.Problems).To(HaveLen(2))
			Expect(found.Problems[0].Line).To(Equal(4))
		})
	})

	DescribeTable("refuses with code 2 and one sentence", func(ctx SpecContext, sentence string, args ...string) {
		refused := u.runs(ctx, args...)
		Expect(refused.code).To(Equal(2))
		Expect(refused.stderr).To(HavePrefix("ucp: " + sentence))
	},
		Entry("a file that does not exist", "cannot read the configuration: open /none.yaml", "config", "check", "/none.yaml"),
		Entry("to check nothing", "there is no configuration file to check", "config", "check"),
		Entry("two files", `"ucp config check" takes the file and nothing else`, "config", "check", "a", "b"),
		Entry("a verb it does not have", `unknown command "chekc" of "ucp config"; did you mean check?`, "config", "chekc"),
		Entry("a setting that does not exist", "unknown flag: --slotz", "config", "show", "--slotz", "2"),
	)

	It("names a variable that does not exist, with the nearest", func(ctx SpecContext) {
		refused := u.runsWith(ctx, []string{"UCP_SLOTZ=2"}, "config", "show", "--name", "e1", "--roles", "executor")
		Expect(refused.code).To(Equal(2))
		Expect(refused.stderr).To(ContainSubstring(`unknown variable "UCP_SLOTZ"; did you mean "UCP_SLOTS"?`))
	})
})

var _ = Describe("ucp version", func() {
	It("says version, Go and platform", func(ctx SpecContext) {
		u := somebody()
		Expect(u.runs(ctx, "version").stdout).To(MatchRegexp(`^ucp \S+ \(go1\.\S+, \w+/\w+\)\n$`))
		var info versionInfo
		Expect(json.Unmarshal([]byte(u.runs(ctx, "version", "--output", "json").stdout), &info)).To(Succeed())
		Expect(info.Version).To(Equal(version))
	})
})

var _ = Describe("ucp completion", func() {
	DescribeTable("prints a script for", func(ctx SpecContext, shell, mark string) {
		u := somebody()
		printed := u.runs(ctx, "completion", shell)
		Expect(printed.code).To(Equal(0), printed.stderr)
		Expect(printed.stdout).To(ContainSubstring(mark))
		Expect(os.ReadDir(u.dir)).To(BeEmpty())
	},
		Entry(nil, "bash", "complete -o default"),
		Entry(nil, "zsh", "#compdef ucp"),
		Entry(nil, "fish", "complete -c ucp"),
		Entry(nil, "powershell", "Register-ArgumentCompleter"),
	)

	It("refuses a shell it does not know", func(ctx SpecContext) {
		refused := somebody().runs(ctx, "completion", "csh")
		Expect(refused.code).To(Equal(2))
		Expect(refused.stderr).To(Equal("ucp: the shell must be one of bash, zsh, fish, powershell, not \"csh\"\n"))
	})
})
