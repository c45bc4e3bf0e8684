package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

func TestConfig(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Configuration")
}

// write puts text into a new file called name and returns its path.
func write(name, text string) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), name)
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	return file
}

// home is an environment with nothing but a home directory and the given variables.
func home(pairs ...string) config.Environment {
	return config.NewEnvironment(append([]string{"HOME=/home/eva"}, pairs...), 1000)
}

// told returns the lines of err, with files named without their directories.
func told(err error) []string {
	GinkgoHelper()
	Expect(err).To(MatchError(config.ErrInvalid))
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		before, after, _ := strings.Cut(line, ": ")
		lines[i] = filepath.Base(before) + ": " + after
	}
	return lines
}

// saying returns lines as one text, as a file has them.
func saying(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
