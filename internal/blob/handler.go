package blob

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// blobPath is where blobs are served: /blob/{digest}.
const blobPath = "/blob/"

// Handler serves the blobs of store at /blob/{digest}. It is meant for HTTP/2 and works over HTTP/1.
//
//	HEAD  200 with Content-Length; 404
//	GET   200, or 206 for a Range of a blob that was verified first; 404. A blob found damaged half-way is cut off.
//	PUT   201 stored, 200 it was here already; 411 without Content-Length, 413 too large, 422 the bytes do not match the
//	      digest, 507 no room
//
// Any of them is answered 400 for what is not a digest and 403 with its sentence when authorise returns an error; with
// a nil authorise everything is. The body of a refusal is one sentence of plain text.
func Handler(store *Store, authorise func(r *http.Request) error) http.Handler {
	if authorise == nil {
		authorise = func(*http.Request) error { return ErrRefused }
	}
	h := handler{store, authorise}
	mux := http.NewServeMux()
	mux.HandleFunc(blobPath+"{digest}", h.serve)
	return mux
}

type handler struct {
	store     *Store
	authorise func(r *http.Request) error
}

func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	if err := h.authorise(r); err != nil {
		say(w, http.StatusForbidden, err.Error())
		return
	}
	d, err := Parse(r.PathValue("digest"))
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.get(w, r, d)
	case http.MethodPut:
		h.put(w, r, d)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		say(w, http.StatusMethodNotAllowed, "blobs are read with GET or HEAD and written with PUT")
	}
}

func (h handler) get(w http.ResponseWriter, r *http.Request, d Digest) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", strconv.Quote(digestPrefix+d.String()))
	if r.Header.Get("Range") != "" {
		h.getRange(w, r, d)
		return
	}
	blob, err := h.store.Open(r.Context(), d)
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	defer func() { _ = blob.Close() }() // only read from
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Content-Length", strconv.FormatInt(blob.Size(), 10))
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, blob); err != nil {
		h.store.log.Debug("blob not sent to its end", "blob", d.String(), "err", err)
		panic(http.ErrAbortHandler) // the only way to tell the peer, now that the header is out
	}
}

// getRange serves a part. It cannot be verified by itself, so the whole file is, once.
func (h handler) getRange(w http.ResponseWriter, r *http.Request, d Digest) {
	if _, err := h.store.Path(r.Context(), d); err != nil {
		h.refuse(w, d, err)
		return
	}
	f, _, err := h.store.openFile(d)
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	defer func() { _ = f.Close() }() // only read from
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (h handler) put(w http.ResponseWriter, r *http.Request, d Digest) {
	if r.ContentLength < 0 {
		say(w, http.StatusLengthRequired, "a blob must be sent with its Content-Length")
		return
	}
	status := http.StatusOK
	err := h.store.fill(r.Context(), d, func() (io.ReadCloser, int64, error) {
		status = http.StatusCreated
		return r.Body, r.ContentLength, nil
	})
	if err != nil {
		h.refuse(w, d, err)
		return
	}
	w.WriteHeader(status)
}

// refuse answers what err stands for. Faults of our own are logged and not shown: they name local files.
func (h handler) refuse(w http.ResponseWriter, d Digest, err error) {
	status, expected := statusOf(err)
	if expected {
		say(w, status, err.Error())
		return
	}
	h.store.log.Warn("blob request failed", "blob", d.String(), "err", err)
	say(w, status, fmt.Sprintf("blob %s could not be served; the log of this node says why", d.Short()))
}

// say answers with one sentence.
func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Del("Etag")
	http.Error(w, sentence, status)
}
