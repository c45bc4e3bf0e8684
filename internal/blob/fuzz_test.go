package blob_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urbancompute/ucp/internal/blob"
)

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-1/2", "bytes */5", "bytes 5-1/9", "bytes 0-0/9223372036854775807", "bytes -1-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := blob.ParsePart(text)
		if err == nil && (p.First < 0 || p.Last < p.First || p.Last >= p.Total) {
			t.Fatalf("%q is %v", text, p)
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(2))
	f.Add("bytes=-5", int64(3))
	f.Add("bytes=9223372036854775807-", int64(3))
	f.Add("bytes=1-2,4-5", int64(9))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		offset, n, err := blob.ParseRange(text, size)
		if err == nil && (offset < 0 || n < 0 || offset > size || n > size-offset) {
			t.Fatalf("%q of %d bytes is %d from %d", text, size, n, offset)
		}
	})
}

func FuzzQuestions(f *testing.F) {
	f.Add([]byte("http://a\nhttp://b"), 2)
	f.Add(make([]byte, 64), 2)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		if from, err := blob.ReadSources(bytes.NewReader(raw)); err == nil && (len(from) > 32 || strings.Contains(from[0], "\n")) {
			t.Fatalf("%q", from)
		}
		if all, err := blob.ReadDigests(bytes.NewReader(raw)); err == nil && len(all)*32 != len(raw) {
			t.Fatalf("%d digests of %d bytes", len(all), len(raw))
		}
		if found, err := blob.ReadAnswers(raw, n); err == nil && len(found) != n {
			t.Fatalf("%d answers to %d", len(found), n)
		}
		_ = blob.IsNode(string(raw))
	})
}

// FuzzFooter reads what may lie on disk after anything happened.
func FuzzFooter(f *testing.F) {
	f.Add([]byte("x\x01\x00\x00\x00\x00\x00\x00\x00\x01ucppart1"))
	f.Add([]byte("\x7f\xff\xff\xff\xff\xff\xff\xffucppart1"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		size, have, err := blob.ReadFooter(bytes.NewReader(raw), int64(len(raw)))
		if err == nil && (size < 1 || size+int64(len(have))+16 != int64(len(raw))) {
			t.Fatalf("a blob of %d bytes in %d pieces", size, len(have))
		}
	})
}
