package config_test

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Explaining a configuration", func() {
	var resolved config.Resolved
	BeforeEach(func() {
		var err error
		file := write("node.yaml", "name: e1\nroles: [executor]\n\ncaps:\n  memory: 512MiB\n")
		resolved, err = config.Resolve(file, home("UCP_SLOTS=4"), config.Overrides{"broker_timeout": "20s"})
		Expect(err).NotTo(HaveOccurred())
	})

	It("names the source of each value", func() {
		sources := make(map[string]string)
		for _, e := range resolved.Effective() {
			source := e.Source.String()
			sources[e.Key] = source[strings.LastIndexByte(source, '/')+1:]
		}
		Expect(sources).To(And(
			HaveKeyWithValue("log_level", "default"),
			HaveKeyWithValue("caps.memory", "node.yaml:5"),
			HaveKeyWithValue("slots", "env UCP_SLOTS"),
			HaveKeyWithValue("broker_timeout", "flag --broker-timeout"),
			HaveLen(len(config.Settings())),
		))
	})

	It("prints one line for each setting", func() {
		var text strings.Builder
		Expect(resolved.WriteText(&text)).To(Succeed())
		Expect(text.String()).To(MatchRegexp(`(?m)^slots +4 +env UCP_SLOTS$`))
		Expect(text.String()).To(MatchRegexp(`(?m)^http +- +default$`))
		Expect(strings.Count(text.String(), "\n")).To(Equal(len(config.Settings())))
	})

	It("gives JSON with durations in milliseconds and sizes in bytes", func() {
		data, err := json.Marshal(resolved)
		Expect(err).NotTo(HaveOccurred())
		var list struct{ Items []map[string]any }
		Expect(json.Unmarshal(data, &list)).To(Succeed())
		items := make(map[any]map[string]any)
		for _, item := range list.Items {
			items[item["key"]] = item
		}
		Expect(items["broker_timeout"]).To(Equal(map[string]any{"key": "broker_timeout", "value_ms": 20_000.0, "source": "flag --broker-timeout"}))
		Expect(items["caps.memory"]).To(And(HaveKeyWithValue("value_bytes", 536_870_912.0), HaveKeyWithValue("line", 5.0)))
		Expect(items["roles"]).To(HaveKeyWithValue("value", []any{"executor"}))
		Expect(items["seeds"]).To(HaveKeyWithValue("value", []any{}))
		Expect(items["labels"]).To(HaveKeyWithValue("value", map[string]any{}))
		Expect(items["insecure"]).To(HaveKeyWithValue("value", false))
	})
})
