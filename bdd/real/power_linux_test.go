package real_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
)

// ext4Shutdown is EXT4_IOC_SHUTDOWN of the kernel's fs/ext4/ext4.h, and dropAll its EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more is written, not even
// the file system's own log.
const (
	ext4Shutdown = 0x8004587d
	dropAll      = 2
)

// powered is a file system of its own whose power can be cut: all that was not fsynced is gone then.
type powered struct{ image, dir string }

// ownDisk puts a file system where a directory is to be.
func ownDisk(ctx context.Context, dir string) powered {
	GinkgoHelper()
	if os.Geteuid() != 0 {
		cannot("only root can mount a file system and cut its power")
	}
	p := powered{dir + ".img", dir}
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	Expect(os.WriteFile(p.image, nil, 0o600)).To(Succeed())
	Expect(os.Truncate(p.image, 128<<20)).To(Succeed())
	p.does(ctx, tool("mkfs.ext4", "to make a file system whose power can be cut"), "-q", "-F", p.image)
	p.on(ctx)
	DeferCleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // it may be off
	return p
}

func (p powered) does(ctx context.Context, program string, words ...string) {
	GinkgoHelper()
	said, err := exec.CommandContext(ctx, program, words...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", said)
}

// on brings the power back, after which there is what was fsynced.
func (p powered) on(ctx context.Context) {
	GinkgoHelper()
	p.does(ctx, tool("mount", "to mount a file system from a file"), "-o", "loop", p.image, p.dir)
}

// off cuts the power under whoever writes.
func (p powered) off() {
	GinkgoHelper()
	dir, err := os.Open(p.dir)
	Expect(err).NotTo(HaveOccurred())
	defer dir.Close()
	how := uint32(dropAll)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&how)))
	Expect(errno).To(BeZero())
}

// unplug takes the file system out, which its users have let go of.
func (p powered) unplug() {
	GinkgoHelper()
	Expect(syscall.Unmount(p.dir, 0)).To(Succeed())
}

var _ = Describe("A broker whose power is cut", Label("JOB-1", "real"), func() {
	It("has stopped by itself, and finds everything that it acknowledged when the power is back", func(ctx SpecContext) {
		l := newLab()
		n := l.alone("b1")
		disk := ownDisk(ctx, n.File("data"))
		var acknowledged []string
		for range 5 {
			n.start(ctx)
			c := l.client(ctx, n)
			for _, id := range acknowledged {
				_, err := c.Job(ctx, id)
				Expect(err).NotTo(HaveOccurred(), "of %d", len(acknowledged))
			}
			submitting, enough := context.WithCancel(ctx)
			acknowledgements := l.submitsOn(submitting, c)
			time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond) // power goes at any time
			acknowledged = append(acknowledged, acknowledgements()...)      // what comes later comes from a machine that is dead
			disk.off()
			Expect(n.code(ctx)).To(Equal(1))
			enough()
			Expect(n.Log()).To(MatchRegexp(`(?m)^ucp: node b1 cannot go on: `))
			disk.unplug()
			disk.on(ctx)
		}
		Expect(len(acknowledged)).To(BeNumerically(">", 50))
		n.start(ctx)
		c := l.client(ctx, n)
		for _, id := range acknowledged {
			Expect(history.EndOf(final(ctx, c, id))).To(HavePrefix("accepted"))
		}
	}, SpecTimeout(4*soon))
})

// submitsOn has four hands submit jobs until ctx ends. The function that it returns tells which were acknowledged so far.
func (l *lab) submitsOn(ctx context.Context, c *client.Client) (acknowledged func() []string) {
	var mu sync.Mutex
	var all []string
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				if s, err := c.Submit(ctx, l.nothing()); err == nil {
					mu.Lock()
					all = append(all, s.ID())
					mu.Unlock()
				}
			}
		}()
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}
