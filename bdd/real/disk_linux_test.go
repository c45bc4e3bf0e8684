package real_test

import (
	"os"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// hasASmallDisk puts a file system of so many bytes where a directory is to be.
func hasASmallDisk(dir string, bytes int) {
	GinkgoHelper()
	if os.Geteuid() != 0 {
		cannot("only root can mount a small disk")
	}
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	Expect(syscall.Mount("none", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes))).To(Succeed())
	DeferCleanup(func() { Expect(syscall.Unmount(dir, syscall.MNT_DETACH)).To(Succeed()) })
}
