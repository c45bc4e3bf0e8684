package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// blobPath is where blobs are served: /blob/{digest}.
const blobPath = "/blob/"

// A HandlerOption changes what a Handler does.
type HandlerOption func(*handler)

// Fetching lets a Handler be told to bring a blob itself: fetch gets it from one of some places, whose names are for it to
// interpret and were only checked to look like URLs. Without it such a request is refused.
func Fetching(fetch func(ctx context.Context, d Digest, from []string) error) HandlerOption {
	return func(h *handler) { h.fetch = fetch }
}

// Handler serves the blobs of a backend at /blob/{digest}. It is meant for HTTP/2 and works over HTTP/1.
//
//	HEAD  200 with Content-Length; 404, with Upload-Offset if so many bytes from the start on are here of an upload
//	GET   200, or 206 for a Range; 404. A blob found damaged half-way is cut off.
//	PUT   201 stored, 200 it was here already; 411 without Content-Length, 413 too large, 422 the bytes do not match the
//	      digest, 507 no room
//	PUT   with Content-Range: 202 with Upload-Offset when this part of an upload is on disk and further ones are missing;
//	      409 with Upload-Offset when it does not go on there
//	POST  with the places, a line each, where this node is to get it itself: 201 it did, 200 it was here already; 404, 502
//
//	POST /blob/ with digests of 32 bytes each: 200 with a digit for each, 1 if it is here and 0 if it is not
//
// Any of them is answered 400 for what makes no sense and 403 with its sentence when authorise returns an error; with
// a nil authorise everything is. The body of a refusal is one sentence of plain text.
func Handler(b Backend, authorise func(r *http.Request) error, opts ...HandlerOption) http.Handler {
	if authorise == nil {
		authorise = func(*http.Request) error { return ErrRefused }
	}
	h := &handler{backend: b, in: b.arrivals(), log: b.arrivals().log, authorise: authorise}
	for _, opt := range opts {
		opt(h)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(blobPath+"{digest}", h.serve)
	mux.HandleFunc("POST "+blobPath+"{$}", h.hasAll)
	return mux
}

type handler struct {
	backend   Backend
	in        *intake
	log       *slog.Logger
	authorise func(r *http.Request) error
	fetch     func(ctx context.Context, d Digest, from []string) error
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if err := h.authorise(r); err != nil {
		say(w, http.StatusForbidden, err.Error())
		return
	}
	d, err := Parse(r.PathValue("digest"))
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	switch {
	case r.Method == http.MethodHead:
		h.head(w, r, d)
	case r.Method == http.MethodGet:
		h.get(w, r, d)
	case r.Method == http.MethodPut && r.Header.Get("Content-Range") != "":
		h.putPart(w, r, d)
	case r.Method == http.MethodPut:
		h.put(w, r, d)
	case r.Method == http.MethodPost:
		h.copy(w, r, d)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT, POST")
		say(w, http.StatusMethodNotAllowed, "blobs are read with GET or HEAD and written with PUT or POST")
	}
}

func describe(w http.ResponseWriter, d Digest, size int64) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", strconv.Quote(digestPrefix+d.String()))
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
}

func (h *handler) head(w http.ResponseWriter, r *http.Request, d Digest) {
	size, err := h.backend.Size(r.Context(), d)
	if errors.Is(err, ErrNotFound) {
		if offset := h.in.partials.offset(d); offset > 0 {
			setOffset(w, offset)
		}
	}
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	describe(w, d, size)
}

func (h *handler) get(w http.ResponseWriter, r *http.Request, d Digest) {
	size, err := h.backend.Size(r.Context(), d)
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	offset, n, err := parseRange(r.Header.Get("Range"), size)
	switch {
	case err != nil:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		say(w, http.StatusRequestedRangeNotSatisfiable, err.Error())
	case n == size:
		h.getWhole(w, r, d)
	default:
		h.getPart(w, r, d, part{offset, offset + n - 1, size})
	}
}

func (h *handler) getWhole(w http.ResponseWriter, r *http.Request, d Digest) {
	blob, err := h.backend.Open(r.Context(), d)
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	describe(w, d, blob.Size())
	h.send(w, d, blob)
}

func (h *handler) getPart(w http.ResponseWriter, r *http.Request, d Digest, p part) {
	body, err := h.backend.OpenRange(r.Context(), d, p.First, p.size())
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	describe(w, d, p.size())
	w.Header().Set("Content-Range", p.String())
	w.WriteHeader(http.StatusPartialContent)
	h.send(w, d, body)
}

// send writes a body in large pieces.
func (h *handler) send(w http.ResponseWriter, d Digest, body io.ReadCloser) {
	defer func() { _ = body.Close() }() // only read from
	buf := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(buf)
	if _, err := io.CopyBuffer(onlyWriter{w}, onlyReader{body}, buf[:]); err != nil {
		h.log.Debug("blob not sent to its end", "blob", d.String(), "err", err)
		panic(http.ErrAbortHandler) // the only way to tell the peer, now that the header is out
	}
}

func (h *handler) put(w http.ResponseWriter, r *http.Request, d Digest) {
	if r.ContentLength < 0 {
		say(w, http.StatusLengthRequired, "a blob must be sent with its Content-Length")
		return
	}
	status := http.StatusOK
	err := h.in.fill(r.Context(), d, func() (io.ReadCloser, int64, error) {
		status = http.StatusCreated
		return r.Body, r.ContentLength, nil
	})
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	w.WriteHeader(status)
}

// putPart takes the next part of an upload.
func (h *handler) putPart(w http.ResponseWriter, r *http.Request, d Digest) {
	p, err := parsePart(r.Header.Get("Content-Range"))
	if err == nil && p.size() != r.ContentLength {
		err = fmt.Errorf("%w: a part of %d bytes comes with Content-Length %d", ErrBadRequest, p.size(), r.ContentLength)
	}
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	status, offset := http.StatusOK, p.Total
	ctx := r.Context()
	err = h.in.ensure(ctx, d, func() (err error) {
		status = http.StatusAccepted
		if offset, err = h.in.takePart(ctx, d, p, r.Body); offset == p.Total {
			status = http.StatusCreated
		}
		return err
	})
	setOffset(w, offset)
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	w.WriteHeader(status)
}

func setOffset(w http.ResponseWriter, offset int64) {
	w.Header().Set(offsetHeader, strconv.FormatInt(offset, 10))
}

// copy brings a blob from elsewhere.
func (h *handler) copy(w http.ResponseWriter, r *http.Request, d Digest) {
	from, err := readSources(r.Body)
	if err == nil && h.fetch == nil {
		err = fmt.Errorf("%w: this node copies no blobs", ErrRefused)
	}
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	if _, err := h.backend.Size(r.Context(), d); err == nil {
		return // 200
	}
	if err := h.fetch(r.Context(), d, from); err != nil {
		if _, expected := statusOf(err); !expected {
			h.log.Info("blob cannot be copied", "blob", d.String(), "from", strings.Join(from, " "), "err", err)
			err = fmt.Errorf("%w: no place had blob %s to copy; the log of this node says why", ErrUnreachable, d.Short())
		}
		h.refuse(w, d, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (h *handler) hasAll(w http.ResponseWriter, r *http.Request) {
	if err := h.authorise(r); err != nil {
		say(w, http.StatusForbidden, err.Error())
		return
	}
	all, err := readDigests(r.Body)
	if err != nil {
		h.refuse(w, Digest{}, err)
		return
	}
	answer := make([]byte, len(all))
	err = each(r.Context(), len(all), func(ctx context.Context, i int) error {
		_, err := h.backend.Size(ctx, all[i])
		if answer[i] = '1'; errors.Is(err, ErrNotFound) {
			answer[i], err = '0', nil
		}
		return err
	})
	if err != nil {
		h.refuse(w, Digest{}, err)
		return
	}
	_, _ = w.Write(answer) // who asked may be gone
}

// refuse answers what err stands for. Faults of our own are logged and not shown: they name local files.
func (h *handler) refuse(w http.ResponseWriter, d Digest, err error) {
	status, expected := statusOf(err)
	if expected {
		say(w, status, oneLine(err))
		return
	}
	h.log.Warn("blob request failed", "blob", d.String(), "err", err)
	say(w, status, fmt.Sprintf("blob %s could not be served; the log of this node says why", d.Short()))
}

// oneLine writes an error that may be several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// say answers with one sentence.
func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Del("Etag")
	http.Error(w, sentence, status)
}
