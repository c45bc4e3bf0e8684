package messages_test

import (
	"testing"
	"testing/synctest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var suite *testing.T

func TestMessages(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	RunSpecs(t, "Messages")
}

// inVirtualTime runs body in a bubble where time passes as soon as every goroutine waits, and fails the spec with
// body's first failed expectation.
func inVirtualTime(body func(g Gomega)) {
	GinkgoHelper()
	type failed struct{}
	var failure string
	synctest.Test(suite, func(*testing.T) {
		defer func() {
			if r := recover(); r != nil && r != any(failed{}) {
				panic(r)
			}
		}()
		body(NewGomega(func(message string, _ ...int) {
			failure = message
			panic(failed{})
		}))
	})
	if failure != "" {
		Fail(failure)
	}
}
