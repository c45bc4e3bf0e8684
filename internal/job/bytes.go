package job

import (
	"fmt"

	"github.com/urbancompute/ucp/internal/canon"
)

// Blobs returns the bytes that a run of the job needs, those of its predecessors and named data left out. They are the spec's own, to be read only.
func (s *Spec) Blobs() []*Blob {
	return append([]*Blob{&s.Module, &s.Stdin}, blobsOf(s.Files)...)
}

// Blobs returns the bytes that a program left behind. They are the result's own, to be read only.
func (r *Result) Blobs() []*Blob {
	all := append([]*Blob{&r.Stdout, &r.Stderr}, blobsOf(r.Outputs)...)
	for i := range r.Named {
		all = append(all, &r.Named[i].Blob)
	}
	return all
}

func blobsOf(files []File) []*Blob {
	all := make([]*Blob, len(files))
	for i := range files {
		all[i] = &files[i].Blob
	}
	return all
}

// Elsewhere says whether the bytes are kept under their name, and do not travel with it.
func (b *Blob) Elsewhere() bool { return !b.IsZero() && len(b.Inline) == 0 && b.Size > 0 }

// Append appends the canonical encoding of b to dst.
func (b Blob) Append(dst []byte) []byte { return appendBlob(dst, b) }

// DecodeBlob returns the blob whose canonical encoding is b.
func DecodeBlob(b []byte) (Blob, error) {
	r := canon.NewReader(b)
	x := readBlob(r)
	if err := r.Err(); err != nil {
		return Blob{}, fmt.Errorf("blob: %w", err)
	}
	return x, nil
}
