package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/placement"
)

func TestMachine(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Machine")
}

var _ = Describe("A measurement", Label("PLACE-1"), func() {
	It("tells what this machine has", func() {
		m := NewMeter(GinkgoT().TempDir())
		first, err := m.Measure(time.Unix(100, 0))
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Cores).To(BeEquivalentTo(runtime.NumCPU()))
		Expect(first.CPU).To(Equal(100 * first.Cores))
		Expect(first.Memory).To(BeNumerically(">", 16<<20))
		Expect(first.Disk).To(BeNumerically(">", 0))
		second, err := m.Measure(time.Unix(101, 0))
		Expect(err).NotTo(HaveOccurred())
		Expect(second.CPU).To(BeNumerically("<=", first.CPU))
	})

	It("says what it cannot measure, and measures the rest", func() {
		c, err := NewMeter(filepath.Join(GinkgoT().TempDir(), "gone")).Measure(time.Unix(100, 0))
		Expect(err).To(MatchError(ContainSubstring("disk: ")))
		Expect(c.Disk).To(BeZero())
		Expect(c.Memory).NotTo(BeZero())
	})

	It("counts as used what others use, and not what jobs do", func() {
		m := &Meter{}
		at := time.Unix(100, 0)
		Expect(m.free(sample{at, 1000, 10}, 400)).To(BeEquivalentTo(400))
		at = at.Add(10 * time.Second)
		Expect(m.free(sample{at, 1025, 20}, 400)).To(BeEquivalentTo(250), "25 s were used, 10 s of them by jobs")
		at = at.Add(10 * time.Second)
		Expect(m.free(sample{at, 1035, 5}, 400)).To(BeEquivalentTo(300), "workers that ended take their time along")
	})

	DescribeTable("tells of power", func(supplies map[string][3]string, battery, mains bool, charge int) {
		dir := GinkgoT().TempDir()
		for name, s := range supplies {
			at := filepath.Join(dir, name)
			Expect(os.Mkdir(at, 0o700)).To(Succeed())
			for i, file := range []string{"type", "status", "capacity"} {
				Expect(os.WriteFile(filepath.Join(at, file), []byte(s[i]+"\n"), 0o600)).To(Succeed())
			}
		}
		var c placement.Capacity
		Expect(readPower(dir, &c)).To(Succeed())
		Expect(c).To(Equal(placement.Capacity{Battery: battery, Mains: mains, Charge: uint32(charge)}))
	},
		Entry("without a battery", map[string][3]string{"AC": {"Mains", "", ""}}, false, true, 0),
		Entry("with one that is being drained", map[string][3]string{"BAT0": {"Battery", "Discharging", "70"}}, true, false, 70),
		Entry("with one that is full", map[string][3]string{"AC": {"Mains", "", ""}, "BAT0": {"Battery", "Full", "100"}}, true, true, 100),
		Entry("with two", map[string][3]string{"BAT0": {"Battery", "Discharging", "70"}, "BAT1": {"Battery", "Unknown", "20"}}, true, false, 45),
	)

	It("counts as plugged in where the system tells nothing", func() {
		var c placement.Capacity
		Expect(readPower(filepath.Join(GinkgoT().TempDir(), "gone"), &c)).To(Succeed())
		Expect(c.Mains).To(BeTrue())
	})

	It("is made again and again, until it is to end", func() {
		told := make(chan placement.Capacity, 100)
		stop := Watch(NewMeter(GinkgoT().TempDir()), time.Millisecond, time.Now, func(c placement.Capacity) {
			select {
			case told <- c:
			default:
			}
		}, func(err error) { panic(err) })
		Eventually(told).Should(Receive())
		Eventually(told).Should(Receive())
		stop()
	})
})
