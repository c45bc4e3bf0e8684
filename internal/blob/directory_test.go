package blob_test

import (
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

// openStore opens a store in a directory of its own that the spec cleans up.
func openStore(opt blob.Options) (*blob.Store, string) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	return reopen(dir, opt), dir
}

func reopen(dir string, opt blob.Options) *blob.Store {
	GinkgoHelper()
	opt.Log = specLog()
	s, err := blob.OpenStore(dir, opt)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

// noise returns n bytes that depend on seed alone.
func noise(n int, seed uint64) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}

func readAll(ctx context.Context, s *blob.Store, d blob.Digest) ([]byte, error) {
	GinkgoHelper()
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// files lists what lies in dir, by path relative to it.
func files(dir string) []string {
	GinkgoHelper()
	var found []string
	Expect(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			found = append(found, relative)
		}
		return err
	})).To(Succeed())
	return found
}

// flip inverts one bit of a file behind the store's back, and leaves its size and date as they were.
func flip(path string, offset int) {
	GinkgoHelper()
	info, err := os.Stat(path)
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	data[offset] ^= 1
	Expect(os.WriteFile(path, data, 0o600)).To(Succeed())
	Expect(os.Chtimes(path, info.ModTime(), info.ModTime())).To(Succeed())
}
