package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

var _ = Describe("A node that was told of one broker", Label("DISC-1", "DISC-3", "real"), func() {
	It("finds the others by it, when it is gone and after a restart too", func(ctx SpecContext) {
		lab := somebody().hasNodes()
		b1, at1 := lab.starts(ctx, "b1", "broker", "")
		_, at2 := lab.starts(ctx, "b2", "broker", at1)
		e1, _ := lab.starts(ctx, "e1", "executor", at1)
		Eventually(ctx, lab.heard("e1")).Should(ContainElement(at2))

		Expect(b1.cmd.Process.Kill()).To(Succeed())
		Expect(b1.cmd.Wait()).NotTo(Succeed())
		lab.runsAt(ctx, at2)

		Expect(e1.cmd.Process.Kill()).To(Succeed())
		Expect(e1.cmd.Wait()).NotTo(Succeed())
		lab.starts(ctx, "e1", "executor", at1)
		lab.runsAt(ctx, at2)
	}, SpecTimeout(2*soon))

	It("makes brokers that only one other knew of find each other", func(ctx SpecContext) {
		lab := somebody().hasNodes()
		b1, at1 := lab.starts(ctx, "b1", "broker", "")
		_, at2 := lab.starts(ctx, "b2", "broker", at1)
		_, at3 := lab.starts(ctx, "b3", "broker", at1)
		Eventually(ctx, lab.heard("b2")).Should(ContainElement(at3))
		Eventually(ctx, lab.heard("b3")).Should(ContainElement(at2))
		Expect(b1.cmd.Process.Kill()).To(Succeed())
		Expect(b1.cmd.Wait()).NotTo(Succeed())
		lab.starts(ctx, "e1", "executor", at2)
		lab.runsAt(ctx, at3)
	}, SpecTimeout(2*soon))
})

// nodes is a network of processes that know each other by the seeds they are given alone.
type nodes struct {
	u    person
	ca   *identity.CA
	port map[string]int
}

func (u person) hasNodes() *nodes {
	GinkgoHelper()
	ca, err := identity.NewEphemeralCA("lab", time.Now())
	Expect(err).NotTo(HaveOccurred())
	return &nodes{u, ca, map[string]int{}}
}

// starts starts a node, the first time or again, and returns where it listens.
func (n *nodes) starts(ctx context.Context, name, role, seed string) (p *process, address string) {
	GinkgoHelper()
	dir := filepath.Join(n.u.dir, name)
	if _, again := n.port[name]; !again {
		subject := identity.Subject{Name: name, Roles: []string{role}}
		_, err := identity.Create(filepath.Join(dir, "identity"), n.ca, subject, time.Now(), 0)
		Expect(err).NotTo(HaveOccurred())
		if role == "broker" {
			n.port[name] = freePort()
		} else {
			n.port[name] = 0
		}
	}
	args := []string{"node", "--name", name, "--network", "lab", "--roles", role, "--host", "127.0.0.1", "--port", strconv.Itoa(n.port[name]),
		"--dir", filepath.Join(dir, "data"), "--identity", filepath.Join(dir, "identity")}
	if seed != "" {
		args = append(args, "--seeds", seed)
	}
	p = n.u.starts(ctx, args...)
	Eventually(p.err).WithContext(ctx).Should(gbytes.Say(`"msg":"node is up"`))
	return p, fmt.Sprintf("127.0.0.1:%d", n.port[name])
}

// heard returns a poll for the brokers that a node has written down.
func (n *nodes) heard(name string) func() []string {
	return func() []string { return strings.Fields(n.u.reads(filepath.Join(name, "data", "brokers"))) }
}

// runsAt runs a job at the broker there.
func (n *nodes) runsAt(ctx context.Context, address string) {
	GinkgoHelper()
	admits, err := identity.NewEphemeral(n.ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, time.Now())
	Expect(err).NotTo(HaveOccurred())
	c, err := client.Dial(ctx, client.Options{Addresses: []string{address}, Identity: admits})
	Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	module, err := c.PutBytes(ctx, wasm.Noop())
	Expect(err).NotTo(HaveOccurred())
	s, err := c.Submit(ctx, &client.Spec{Module: module})
	Expect(err).NotTo(HaveOccurred())
	j, err := s.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(j.State()).To(Equal(job.StateAccepted))
}
