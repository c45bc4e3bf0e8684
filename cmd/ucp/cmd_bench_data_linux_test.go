package main

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("ucp bench data --large", Label("DATA-1", "real"), func() {
	It("tells how much memory a datastore and an executor need while a blob passes", func(ctx SpecContext) {
		a := somebody().runsWith(ctx, []string{asUCP + "=1"}, "bench", "data", "--large=20MiB", "--output", "json")
		Expect(a.code).To(Equal(0), a.stderr)
		var told struct {
			Transfers []any
			Large     map[string]any
		}
		Expect(json.Unmarshal([]byte(a.stdout), &told)).To(Succeed())
		Expect(told.Transfers).To(BeEmpty(), "nothing else is measured")
		Expect(told.Large).To(HaveKeyWithValue("bytes", 20.0*(1<<20)))
		for _, passage := range []string{"datastore_put", "datastore_get", "executor"} {
			p := told.Large[passage].(map[string]any)
			Expect(p["idle_rss_bytes"]).To(BeNumerically(">", 1<<20))
			Expect(p["above_idle_bytes"]).To(And(
				BeNumerically("==", p["peak_rss_bytes"].(float64)-p["idle_rss_bytes"].(float64)), BeNumerically(">=", 0), BeNumerically("<", 64<<20)))
			Expect(p["took_ms"]).To(BeNumerically(">", 0))
		}
	}, SpecTimeout(4*soon))
})
