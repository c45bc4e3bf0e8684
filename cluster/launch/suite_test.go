package launch_test

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// TestMain makes this binary the program of the nodes and launches that the specs start.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "fake-node":
			fakeNode(os.Args[2])
		case "fake-launch":
			fakeLaunch(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

func TestLaunch(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Launching a cluster file")
}
