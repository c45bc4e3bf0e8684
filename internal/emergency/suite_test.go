package emergency_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestEmergency(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Emergencies")
}
