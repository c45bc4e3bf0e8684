//go:build !linux

package real_test

import . "github.com/onsi/ginkgo/v2"

func hasASmallDisk(string, int) {
	GinkgoHelper()
	cannot("a small disk is mounted on Linux only")
}
