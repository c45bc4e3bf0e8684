package vclock_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestVClock(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Clocks")
}
