package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/archive"
)

// entry is a line of an archive that a spec makes by hand.
type entry struct {
	name string
	mode fs.FileMode
	data string
}

func zipped(entries ...entry) []byte {
	GinkgoHelper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode | 0o644)
		w, err := z.CreateHeader(h)
		Expect(err).NotTo(HaveOccurred())
		if !strings.HasSuffix(e.name, "/") {
			_, err = w.Write([]byte(e.data))
			Expect(err).NotTo(HaveOccurred())
		}
	}
	Expect(z.Close()).To(Succeed())
	return b.Bytes()
}

// unzipped unpacks into a directory beside which nothing may appear.
func unzipped(b []byte, limits archive.Limits) (dir string, err error) {
	GinkgoHelper()
	around := GinkgoT().TempDir()
	dir = filepath.Join(around, "into")
	Expect(os.Mkdir(dir, 0o700)).To(Succeed())
	root, err := os.OpenRoot(dir)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(root.Close()).To(Succeed()) }()
	err = archive.Unzip(bytes.NewReader(b), int64(len(b)), root, limits)
	beside, listErr := os.ReadDir(around)
	Expect(listErr).NotTo(HaveOccurred())
	Expect(beside).To(HaveLen(1))
	return dir, err
}

func tree(fsys fs.FS) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	Expect(fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			found[path+"/"] = ""
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		found[path] = string(b)
		return err
	})).To(Succeed())
	return found
}

var _ = Describe("A directory as an archive", Label("DATA-2"), func() {
	files := func(at time.Time) fstest.MapFS {
		return fstest.MapFS{
			"b.txt": {Data: []byte("bee"), ModTime: at}, "a/x": {Data: []byte("ex"), ModTime: at, Mode: 0o600},
			"a/empty": {ModTime: at}, "nothing": {Mode: fs.ModeDir, ModTime: at},
		}
	}

	It("comes back as it was, empty files and directories too", func() {
		var b bytes.Buffer
		Expect(archive.Zip(&b, files(time.Now()))).To(Succeed())
		dir, err := unzipped(b.Bytes(), archive.Limits{})
		Expect(err).NotTo(HaveOccurred())
		Expect(tree(os.DirFS(dir))).To(Equal(map[string]string{"./": "", "a/": "", "nothing/": "", "b.txt": "bee", "a/x": "ex", "a/empty": ""}))
	})

	It("has the same bytes whenever and by whomever it is made", func() {
		var one, two bytes.Buffer
		Expect(archive.Zip(&one, files(time.Now()))).To(Succeed())
		Expect(archive.Zip(&two, files(time.Unix(0, 0)))).To(Succeed())
		Expect(one.Bytes()).To(Equal(two.Bytes()))
	})

	It("refuses links, and names that other machines cannot have", func() {
		dir := GinkgoT().TempDir()
		Expect(os.Symlink("/etc/passwd", filepath.Join(dir, "link"))).To(Succeed())
		Expect(archive.Zip(&bytes.Buffer{}, os.DirFS(dir))).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring("link is a link"))))
		for _, name := range []string{`a\b`, "a\nb", "a\xff"} {
			Expect(archive.Zip(&bytes.Buffer{}, fstest.MapFS{name: {}})).To(MatchError(archive.ErrRefused), name)
		}
	})
})

var _ = Describe("An archive from elsewhere", Label("DATA-2"), func() {
	DescribeTable("is refused, and leaves nothing", func(why string, entries ...entry) {
		dir, err := unzipped(zipped(append([]entry{{"harmless", 0, "x"}}, entries...)...), archive.Limits{Entries: 4, Bytes: 1000})
		Expect(err).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring(why))))
		Expect(tree(os.DirFS(dir))).To(HaveLen(1))
	},
		Entry("when it climbs out", "leads out", entry{"../evil", 0, "x"}),
		Entry("when it climbs out by the way", "leads out", entry{"a/../../evil", 0, "x"}),
		Entry("when it is absolute", "leads out", entry{"/tmp/evil", 0, "x"}),
		Entry("when it climbs out as on Windows", "characters", entry{`..\evil`, 0, "x"}),
		Entry("with a link", "is a link", entry{"link", fs.ModeSymlink, "/etc/passwd"}),
		Entry("with a device", "is a device", entry{"dev", fs.ModeDevice, ""}),
		Entry("with a name twice", "twice", entry{"a", 0, "x"}, entry{"a", 0, "y"}),
		Entry("with a file where a directory is", "twice", entry{"a/b", 0, "x"}, entry{"a", 0, "y"}),
		Entry("with a directory where a file is", "twice", entry{"a", 0, "x"}, entry{"a/b/c", 0, "y"}),
		Entry("without a name", "leads out", entry{"", 0, "x"}),
		Entry("with too many entries", "more than 4 entries", entry{"1", 0, ""}, entry{"2", 0, ""}, entry{"3", 0, ""}, entry{"4", 0, ""}),
		Entry("with too many bytes", "more than 1000 bytes", entry{"1", 0, strings.Repeat("x", 600)}, entry{"2", 0, strings.Repeat("x", 600)}),
	)

	It("is refused when it grows to more than its ratio allows, though not for a little", func() {
		bomb := zipped(entry{"zeros", 0, string(make([]byte, 17<<20))})
		_, err := unzipped(bomb, archive.Limits{})
		Expect(err).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring("may not grow to"))))
		_, err = unzipped(zipped(entry{"zeros", 0, string(make([]byte, 1<<20))}), archive.Limits{})
		Expect(err).NotTo(HaveOccurred())
	})

	It("is refused when it holds more than it says", func() {
		b := zipped(entry{"liar", 0, strings.Repeat("x", 500_000)})
		at := bytes.LastIndex(b, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(b[at+24:], 10)
		dir, err := unzipped(b, archive.Limits{})
		Expect(err).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring("damaged"))))
		info, err := os.Stat(filepath.Join(dir, "liar"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Size()).To(BeNumerically("<=", 10))
	})

	It("is refused when it is damaged, or no archive", func() {
		b := zipped(entry{"file", 0, strings.Repeat("some text ", 50)})
		b[40] ^= 0xff
		_, err := unzipped(b, archive.Limits{})
		Expect(err).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring("damaged"))))
		_, err = unzipped([]byte("a sentence"), archive.Limits{})
		Expect(err).To(And(MatchError(archive.ErrRefused), MatchError(ContainSubstring("no zip file"))))
	})

	It("is refused before a directory of millions fills the memory", func() {
		const many = 200_000
		one := zipped(entry{"a", 0, ""})
		at := bytes.Index(one, []byte("PK\x01\x02"))
		end := bytes.LastIndex(one, []byte("PK\x05\x06"))
		listed := bytes.Repeat(one[at:end], many)
		tail := append([]byte(nil), one[end:]...)
		binary.LittleEndian.PutUint16(tail[8:], many&0xffff)
		binary.LittleEndian.PutUint16(tail[10:], many&0xffff)
		binary.LittleEndian.PutUint32(tail[12:], uint32(len(listed)))
		b := append(append(append([]byte(nil), one[:at]...), listed...), tail...)
		var err error
		allocated := testing.AllocsPerRun(1, func() { _, err = unzipped(b, archive.Limits{Entries: 100}) })
		Expect(err).To(MatchError(ContainSubstring("more than 100 entries")))
		Expect(allocated).To(BeNumerically("<", many/10))
	})

	It("overwrites nothing", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "a"), []byte("mine"), 0o600)).To(Succeed())
		root, err := os.OpenRoot(dir)
		Expect(err).NotTo(HaveOccurred())
		defer root.Close()
		b := zipped(entry{"a", 0, "theirs"})
		Expect(archive.Unzip(bytes.NewReader(b), int64(len(b)), root, archive.Limits{})).To(MatchError(fs.ErrExist))
		Expect(os.ReadFile(filepath.Join(dir, "a"))).To(BeEquivalentTo("mine"))
	})
})

func FuzzUnzip(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../x", "/x", "d/"} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		if w, err := z.Create(name); err == nil && !strings.HasSuffix(name, "/") {
			fmt.Fprint(w, strings.Repeat(name, 100))
		}
		_ = z.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		around := t.TempDir()
		dir := filepath.Join(around, "into")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		limits := archive.Limits{Entries: 100, Bytes: 1 << 16}
		_ = archive.Unzip(bytes.NewReader(b), int64(len(b)), root, limits)
		total := int64(0)
		_ = filepath.WalkDir(around, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				t.Fatal(err)
			case path != around && path != dir && !strings.HasPrefix(path, dir+"/"):
				t.Fatalf("%q lies outside", path)
			case d.IsDir():
				return nil
			case !d.Type().IsRegular():
				t.Fatalf("%q is no file", path)
			}
			info, err := d.Info()
			total += info.Size()
			return err
		})
		if total > limits.Bytes {
			t.Fatalf("%d bytes were written", total)
		}
	})
}
