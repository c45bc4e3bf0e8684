package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/roster"
)

// What a broker does for those who ask it for bytes, or give it some: it knows where they are, and where they belong.

// maxQuestions is how many digests are looked for at once.
const maxQuestions = 16384

// helping serves bytes that are elsewhere too, and has those that come here kept where they belong before it says that they are.
func (b *blobs) helping(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ours := strings.CutPrefix(r.URL.Path, "/blob/")
		d, err := blob.Parse(name)
		switch {
		case ours && name == "" && r.Method == http.MethodPost:
			b.hasAll(w, r, next)
			return
		case err != nil || !ours:
		case r.Method == http.MethodPut:
			w = &settling{ResponseWriter: w, settle: func() { b.settle(r.Context(), d) }} //nolint:contextcheck // it is the request's
		case b.lacks(r.Context(), d):
			if size, found := b.helped(r.Context(), r.Method, d); found && r.Method == http.MethodHead {
				w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (b *blobs) lacks(ctx context.Context, d blob.Digest) bool {
	_, err := b.kept.Size(ctx, d)
	return errors.Is(err, blob.ErrNotFound)
}

// helped brings a blob that is asked for and not here, or finds out that it is elsewhere.
func (b *blobs) helped(ctx context.Context, method string, d blob.Digest) (size int64, found bool) {
	switch method {
	case http.MethodGet:
		if err := b.bring(ctx, d); err != nil {
			b.log.Debug("blob is nowhere in reach", "blob", d.Short(), "err", err)
		}
	case http.MethodHead:
		for _, s := range roster.Rank(d, b.where().Up()) {
			if size, err := b.plain.Has(ctx, base(s.Node), d); err == nil {
				return size, true
			}
		}
	}
	return 0, false
}

// settle has a blob that has just come here kept by datastores.
func (b *blobs) settle(ctx context.Context, d blob.Digest) {
	size, err := b.kept.Size(ctx, d)
	if err != nil || len(b.where().Up()) == 0 {
		return // only a part has come, or there is nowhere to put it
	}
	if placed, should, failed := b.spread(ctx, d, size, b.kept); len(placed) < should {
		b.fewer(d, len(placed), should, failed)
	}
}

// settling does something before it tells that a request went well.
type settling struct {
	http.ResponseWriter
	settle func()
	told   bool
}

// WriteHeader settles what came, and then tells.
func (s *settling) WriteHeader(status int) {
	if !s.told && (status == http.StatusOK || status == http.StatusCreated) {
		s.settle()
	}
	s.told = true
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets net/http find what the writer can do.
func (s *settling) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// hasAll answers for the datastores too.
func (b *blobs) hasAll(w http.ResponseWriter, r *http.Request, next http.Handler) {
	asked, err := io.ReadAll(io.LimitReader(r.Body, 32*maxQuestions+1))
	if err != nil || len(asked)%32 != 0 || len(asked) > 32*maxQuestions {
		r.Body = io.NopCloser(bytes.NewReader(asked))
		next.ServeHTTP(w, r) // which says what is wrong
		return
	}
	var missing []blob.Digest
	var places []int
	answer := bytes.Repeat([]byte{'1'}, len(asked)/32)
	for i := range answer {
		if d := blob.Digest(asked[32*i:]); b.lacks(r.Context(), d) || b.renew(r.Context(), d) != nil {
			missing, places = append(missing, d), append(places, i)
			answer[i] = '0'
		}
	}
	for _, s := range b.where().Up() {
		if len(missing) == 0 || s.Node == b.self {
			continue
		}
		here, err := b.plain.HasAll(r.Context(), base(s.Node), missing)
		for i := range here {
			if err != nil || !here[i] || answer[places[i]] == '1' {
				continue
			}
			if _, err := b.plain.Has(r.Context(), base(s.Node), missing[i]); err == nil { // which renews it there
				answer[places[i]] = '1'
			}
		}
	}
	_, _ = w.Write(answer) // who asked may be gone
}

// renewing makes a blob as young as a new one when somebody asks whether it is here: who has it told that it is does not send it again, or gives up a
// copy. One that cannot be renewed may be deleted at any time, and so counts for nothing.
func (b *blobs) renewing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := strings.CutPrefix(r.URL.Path, "/blob/")
		if d, err := blob.Parse(name); err == nil && r.Method == http.MethodHead && !b.lacks(r.Context(), d) {
			if err := b.renew(r.Context(), d); err != nil && !b.lacks(r.Context(), d) {
				http.Error(w, "the blob is here, and nobody knows for how long: the log of this node says why", http.StatusServiceUnavailable)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// renew dates a blob that is here from now.
func (b *blobs) renew(ctx context.Context, d blob.Digest) error {
	err := b.kept.Put(ctx, strings.NewReader(""), d) // of one that is here nothing is read
	if err != nil {
		b.log.Debug("blob is not renewed", "blob", d.Short(), "err", err)
	}
	return err
}
