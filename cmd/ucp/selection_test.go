package main

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Selecting a network while it runs here", func() {
	var (
		u person
		a *app
	)
	lab := config.Context{Network: "lab", Brokers: []string{"127.0.0.1:7420"}}
	selected := func(ctx SpecContext, keep bool) *selection {
		GinkgoHelper()
		s, err := selectNetwork(ctx, a, "lab", lab, keep)
		Expect(err).NotTo(HaveOccurred())
		Expect(u.contexts().Current).To(Equal("lab"))
		return s
	}
	BeforeEach(func() {
		u = somebody()
		a = &app{env: config.NewEnvironment(u.variables(), 1000)}
	})

	It("brings back what was current before", func(ctx SpecContext) {
		u.saves("elsewhere")
		Expect(selected(ctx, true).restore(ctx)).To(Succeed())
		Expect(u.contexts().Current).To(Equal("elsewhere"))
		Expect(u.contexts().Items).To(HaveKeyWithValue("lab", lab))
	})

	It("forgets a network that ends with its process", func(ctx SpecContext) {
		Expect(selected(ctx, false).restore(ctx)).To(Succeed())
		Expect(u.contexts()).To(Equal(config.Contexts{}))
	})

	It("leaves alone what the user chose in between", func(ctx SpecContext) {
		s := selected(ctx, true)
		u.saves("chosen")
		Expect(s.restore(ctx)).To(Succeed())
		Expect(u.contexts().Current).To(Equal("chosen"))
	})

	It("does not bring back what is not saved any more", func(ctx SpecContext) {
		u.saves("elsewhere")
		s := selected(ctx, true)
		Expect(config.UpdateContexts(ctx, filepath.Join(u.dir, "config", "contexts.yaml"), func(c *config.Contexts) error {
			return c.Remove("elsewhere")
		})).To(Succeed())
		Expect(s.restore(ctx)).To(Succeed())
		Expect(u.contexts().Current).To(BeEmpty())
	})

	It("selects none again when a crash before had left the network selected", func(ctx SpecContext) {
		selected(ctx, true)
		Expect(selected(ctx, true).restore(ctx)).To(Succeed())
		Expect(u.contexts().Current).To(BeEmpty())
	})
})
