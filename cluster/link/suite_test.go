package link_test

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// TestMain lets the test binary play a whole node in a process of its own, so
// that specs can stop and kill it.
func TestMain(m *testing.M) {
	if os.Getenv(envNode) != "" {
		os.Exit(playNode())
	}
	os.Exit(m.Run())
}

func TestLink(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Link")
}
