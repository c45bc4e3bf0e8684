package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/journal"
)

// open opens a journal that the spec closes.
func open(dir string, opt journal.Options) *journal.Journal {
	GinkgoHelper()
	j, err := journal.Open(dir, opt)
	Expect(err).NotTo(HaveOccurred())
	return j
}

// write writes entries given as key, value, key, value and waits for what the journal says.
func write(j *journal.Journal, pairs ...string) error {
	var entries []journal.Entry
	for i := 0; i < len(pairs); i += 2 {
		entries = append(entries, journal.Entry{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return put(j, entries...)
}

func put(j *journal.Journal, entries ...journal.Entry) error {
	done := make(chan error, 1)
	j.Write(entries, func(err error) { done <- err })
	return <-done
}

// content is all that a journal holds.
func content(j *journal.Journal) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	Expect(j.Load(func(e journal.Entry) error {
		all[string(e.Key)] = string(e.Value)
		return nil
	})).To(Succeed())
	return all
}

var _ = Describe("A journal", Label("JOB-1"), func() {
	var dir string
	BeforeEach(func() { dir = filepath.Join(GinkgoT().TempDir(), "journal") })

	It("holds after it was closed what was written, and not what was removed", func() {
		j := open(dir, journal.Options{})
		Expect(write(j, "a", "1", "b", "2", "empty", "")).To(Succeed())
		Expect(put(j, journal.Entry{Key: []byte("a")}, journal.Entry{Key: []byte("b"), Value: []byte("3")})).To(Succeed())
		Expect(j.Close()).To(Succeed())

		j = open(dir, journal.Options{})
		DeferCleanup(j.Close)
		Expect(content(j)).To(Equal(map[string]string{"b": "3", "empty": ""}))
	})

	It("passes on the error of whoever reads it", func() {
		j := open(dir, journal.Options{})
		DeferCleanup(j.Close)
		Expect(write(j, "a", "1", "b", "2")).To(Succeed())
		enough, seen := errors.New("enough"), 0
		Expect(j.Load(func(journal.Entry) error {
			seen++
			return enough
		})).To(MatchError(enough))
		Expect(seen).To(Equal(1))
	})

	It("takes nothing any more when it is closed", func() {
		j := open(dir, journal.Options{})
		Expect(j.Close()).To(Succeed())
		Expect(write(j, "late", "1")).To(MatchError(fs.ErrClosed))
	})

	It("is open in one process at a time", func() {
		j := open(dir, journal.Options{})
		_, err := journal.Open(dir, journal.Options{})
		Expect(err).To(MatchError(journal.ErrHeld))
		Expect(j.Close()).To(Succeed())
		Expect(open(dir, journal.Options{}).Close()).To(Succeed())
	})

	It("refuses a directory of a newer program and leaves it as it is", func() {
		j := open(dir, journal.Options{})
		Expect(write(j, "a", "1")).To(Succeed())
		Expect(j.Close()).To(Succeed())
		format := filepath.Join(dir, "FORMAT")
		Expect(os.WriteFile(format, []byte("2\n"), 0o600)).To(Succeed())
		before := listing(dir)

		_, err := journal.Open(dir, journal.Options{})
		Expect(err).To(MatchError(journal.ErrNewer))
		Expect(err).To(MatchError(ContainSubstring("it has format 2, and this one knows formats up to 1")))
		Expect(listing(dir)).To(Equal(before))

		Expect(os.WriteFile(format, []byte("1\n"), 0o600)).To(Succeed())
		j = open(dir, journal.Options{})
		DeferCleanup(j.Close)
		Expect(content(j)).To(Equal(map[string]string{"a": "1"}))
	})

	DescribeTable("says that it is damaged when its format cannot be read", func(text string) {
		Expect(open(dir, journal.Options{}).Close()).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(text), 0o600)).To(Succeed())
		_, err := journal.Open(dir, journal.Options{})
		Expect(err).To(MatchError(journal.ErrDamaged))
	},
		Entry("empty", ""), Entry("cut short", "1"), Entry("no number", "one\n"), Entry("no format", "0\n"))

	It("tells a value that is not what was written, whoever changed it", func() {
		j := open(dir, journal.Options{})
		Expect(write(j, "a", "1", "b", "2")).To(Succeed())
		Expect(j.Close()).To(Succeed())

		db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}, FormatMajorVersion: pebble.FormatTableFormatV6})
		Expect(err).NotTo(HaveOccurred())
		sealed, closer, err := db.Get([]byte("b"))
		Expect(err).NotTo(HaveOccurred())
		flipped := append([]byte{}, sealed...)
		flipped[len(flipped)-1] ^= 1
		Expect(closer.Close()).To(Succeed())
		Expect(db.Set([]byte("b"), flipped, pebble.Sync)).To(Succeed())
		Expect(db.Close()).To(Succeed())

		j = open(dir, journal.Options{})
		DeferCleanup(j.Close)
		Expect(j.Load(func(journal.Entry) error { return nil })).To(MatchError(And(
			ContainSubstring(journal.ErrDamaged.Error()), ContainSubstring(`"b"`))))
	})

	It("says that it is damaged when a file of it is", func() {
		j := open(dir, journal.Options{})
		Expect(write(j, "a", strings.Repeat("1", 4000))).To(Succeed())
		Expect(j.Close()).To(Succeed())
		damage(dir, "MANIFEST-*")
		_, err := journal.Open(dir, journal.Options{})
		Expect(err).To(MatchError(journal.ErrDamaged))
	})
})

var _ = Describe("A journal whose process or machine ends", Label("JOB-1"), func() {
	It("holds every batch that it said is durable, and of the others all or nothing, wherever it was cut off", func() {
		for cut := range uint64(40) {
			memory := vfs.NewCrashableMem()
			j := open("disk", journal.Options{FS: memory})
			acknowledged := 0
			for i := range 10 {
				Expect(write(j, fmt.Sprint("left ", i), "x", fmt.Sprint("right ", i), "x")).To(Succeed())
				acknowledged++
			}
			last := make(chan error, 1)
			j.Write([]journal.Entry{{Key: []byte("left 10"), Value: []byte("x")}, {Key: []byte("right 10"), Value: []byte("x")}}, func(err error) { last <- err })
			after := memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(cut % 101), RNG: rand.New(rand.NewPCG(cut, cut))})
			Expect(<-last).To(Succeed())
			Expect(j.Close()).To(Succeed())

			j = open("disk", journal.Options{FS: after})
			found := content(j)
			Expect(j.Close()).To(Succeed())
			for i := range acknowledged {
				Expect(found).To(And(HaveKey(fmt.Sprint("left ", i)), HaveKey(fmt.Sprint("right ", i))))
			}
			_, left := found["left 10"]
			_, right := found["right 10"]
			Expect(left).To(Equal(right), "the batch that was cut off")
		}
	})
})

var _ = Describe("A journal on a bad disk", func() {
	It("says that a disk is full before it writes, goes on reading, and takes the batch when there is room", func() {
		small := &roomy{FS: vfs.NewMem(), left: 1 << 30}
		j := open("disk", journal.Options{FS: small, Reserve: 1 << 20})
		DeferCleanup(j.Close)
		Expect(write(j, "a", "1")).To(Succeed())
		small.left = 1 << 20
		Expect(write(j, "b", "2")).To(MatchError(journal.ErrFull))
		Expect(content(j)).To(Equal(map[string]string{"a": "1"}))
		small.left = 2 << 20
		Expect(write(j, "b", "2")).To(Succeed())
		Expect(content(j)).To(Equal(map[string]string{"a": "1", "b": "2"}))
	})

	DescribeTable("never says that a batch is durable once a write failed", func(kinds []errorfs.OpKind) {
		failing := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
			if slices.Contains(kinds, op.Kind) {
				return errorfs.ErrInjected
			}
			return nil
		})}
		disk := errorfs.Wrap(vfs.NewCrashableMem(), &failing)
		j := open("disk", journal.Options{FS: disk})
		Expect(write(j, "a", "1")).To(Succeed())
		failing.On()
		Expect(write(j, "b", "2")).To(MatchError(journal.ErrBroken))
		failing.Off()
		Expect(write(j, "c", "3")).To(MatchError(journal.ErrBroken), "nobody knows what this disk holds")
		Expect(j.Close()).To(MatchError(journal.ErrBroken))
	},
		Entry("to the file", []errorfs.OpKind{errorfs.OpFileWrite}),
		Entry("of its fsync", fsyncs))

	It("says of no batch that it is durable which is not, and does not break down, from whichever fsync on they fail", func() {
		for healthy := range int32(40) {
			memory := vfs.NewCrashableMem()
			var seen atomic.Int32
			disk := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if slices.Contains(fsyncs, op.Kind) && seen.Add(1) > healthy {
					return errorfs.ErrInjected
				}
				return nil
			}))
			acknowledged := 0
			j, err := journal.Open("disk", journal.Options{FS: disk})
			for ; err == nil && acknowledged < 50; acknowledged++ {
				if err = write(j, fmt.Sprint(acknowledged), "x"); err != nil {
					break
				}
			}
			Expect(err).To(HaveOccurred(), "with %d that do not fail", healthy)

			j = open("disk", journal.Options{FS: memory.CrashClone(vfs.CrashCloneCfg{})})
			found := content(j)
			Expect(j.Close()).To(Succeed())
			for i := range acknowledged {
				Expect(found).To(HaveKey(fmt.Sprint(i)), "with %d that do not fail", healthy)
			}
		}
	})
})

// fsyncs are the operations that make something durable.
var fsyncs = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}

// roomy is a disk with as much room as it is told.
type roomy struct {
	vfs.FS
	left uint64
}

func (r *roomy) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: r.left}, nil
}

// quiet is a logger for databases that a spec opens itself.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// listing is what files a directory has, and how long each is.
func listing(dir string) map[string]int64 {
	GinkgoHelper()
	files := map[string]int64{}
	entries, err := os.ReadDir(dir)
	Expect(err).NotTo(HaveOccurred())
	for _, e := range entries {
		info, err := e.Info()
		Expect(err).NotTo(HaveOccurred())
		files[e.Name()] = info.Size()
	}
	return files
}

// damage flips the bits of a byte in the middle of the one file that a pattern names.
func damage(dir, pattern string) {
	GinkgoHelper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(HaveLen(1))
	content, err := os.ReadFile(found[0])
	Expect(err).NotTo(HaveOccurred())
	content[len(content)/2] ^= 0xff
	Expect(os.WriteFile(found[0], content, 0o600)).To(Succeed())
}
