package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/blob"
)

// BytesALPN is the protocol under which nodes serve bytes, on the port of their links.
const BytesALPN = "ucp-blob/1"

const (
	// MaxInline is how many bytes may travel inside a job's description.
	MaxInline = 16 << 10
	// maxSpec bounds a job's description, so that it fits into a frame with room to spare.
	maxSpec = 128 << 10
)

// Put makes the bytes of r, from where it stands to its end, known to the network and returns what names them. Few bytes travel inside
// the job; more are sent to the broker, unless it has them.
func (c *Client) Put(ctx context.Context, r io.ReadSeeker) (Blob, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return Blob{}, fmt.Errorf("put: %w", err)
	}
	var head bytes.Buffer
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(sum, &limited{&head, MaxInline}), contextReader{ctx, r})
	if err != nil {
		return Blob{}, fmt.Errorf("put: %w", err)
	}
	b := Blob{Digest: [32]byte(sum.Sum(nil)), Size: uint64(size)}
	if 0 < size && size <= MaxInline { // none inline cannot be told from not inline
		b.Inline = head.Bytes()
		return b, nil
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return Blob{}, fmt.Errorf("put: %w", err)
	}
	return b, c.upload(ctx, b, r)
}

// PutFile is Put for the file at path, which must be a regular one.
func (c *Client) PutFile(ctx context.Context, path string) (b Blob, err error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return Blob{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return Blob{}, err
	}
	if !info.Mode().IsRegular() {
		return Blob{}, fmt.Errorf("%s is not a regular file: copy what it holds into one", path)
	}
	return c.Put(ctx, f)
}

// PutBytes is Put for bytes at hand.
func (c *Client) PutBytes(ctx context.Context, data []byte) (Blob, error) {
	return c.Put(ctx, bytes.NewReader(data))
}

// Get writes the bytes of b to w. They are checked on the way: when the error is nil all of them were right.
func (c *Client) Get(ctx context.Context, b Blob, w io.Writer) error {
	r, err := c.open(ctx, b)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// lighten returns a spec whose description is small enough to send: the greatest inline bytes are sent ahead until it is.
func (c *Client) lighten(ctx context.Context, spec *Spec) (*Spec, error) {
	if _, weight := inlines(spec); weight <= maxSpec/2 {
		return spec, nil
	}
	light := *spec
	light.Files = slices.Clone(spec.Files)
	heavy, weight := inlines(&light)
	slices.SortStableFunc(heavy, func(a, b *Blob) int { return len(b.Inline) - len(a.Inline) })
	for _, b := range heavy {
		if weight <= maxSpec/2 {
			break
		}
		if err := c.upload(ctx, *b, bytes.NewReader(b.Inline)); err != nil {
			return nil, err
		}
		weight -= len(b.Inline)
		b.Inline = nil
	}
	return &light, nil
}

// inlines returns what of a spec travels inside it, and how much that is.
func inlines(spec *Spec) (heavy []*Blob, weight int) {
	for _, b := range spec.Blobs() {
		if len(b.Inline) > 0 {
			heavy, weight = append(heavy, b), weight+len(b.Inline)
		}
	}
	return heavy, weight
}

// upload sends bytes to the broker, unless it has them.
func (c *Client) upload(ctx context.Context, b Blob, r io.Reader) error {
	ctx, cancel := c.until(ctx)
	defer cancel()
	at, err := c.network.current(ctx)
	if err != nil {
		return err
	}
	d := blob.Digest(b.Digest)
	if err := blob.NewClient(c.bytes).Put(ctx, base(at), d, int64(b.Size), contextReader{ctx, r}); err != nil {
		return fmt.Errorf("put %d bytes: %w", b.Size, cause(ctx, err))
	}
	return nil
}

// open returns a reader of b's bytes that fails at the end if they are not.
func (c *Client) open(ctx context.Context, b Blob) (io.ReadCloser, error) {
	if b.Size == 0 || len(b.Inline) > 0 {
		return verified(io.NopCloser(bytes.NewReader(b.Inline)), b), nil
	}
	at, err := c.route(ctx)
	if err != nil {
		return nil, err
	}
	url := base(at) + "/blob/" + blob.Digest(b.Digest).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.bytes.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("get %d bytes from %s: %w", b.Size, at.peer, cause(ctx, err))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(statusError(resp, at, b), resp.Body.Close())
	}
	return verified(resp.Body, b), nil
}

func statusError(resp *http.Response, at *route, b Blob) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 512))
	if err != nil || len(text) == 0 {
		text = []byte(resp.Status)
	}
	err = ErrInvalid
	if resp.StatusCode == http.StatusNotFound {
		err = ErrNotFound
	}
	return fmt.Errorf("get %d bytes from %s: %w: %q", b.Size, at.peer, err, bytes.TrimSpace(text))
}

// base is the URL of a broker; its host stands for the broker that dialBytes knows under that id.
func base(at *route) string { return "http://" + string(at.peer.ID) }

// dialBytes connects to the broker of that id, which is the one the client speaks to.
func (c *Client) dialBytes(ctx context.Context, node string) (net.Conn, error) {
	at, err := c.network.current(ctx)
	if err != nil {
		return nil, err
	}
	if string(at.peer.ID) != node {
		return nil, fmt.Errorf("node %s is no longer the broker spoken to: %w", node, ErrUnreachable)
	}
	return c.connect(ctx, at.addr, at.peer.ID)
}

// overLinks connects for bytes beside the link, on the same port and with the same identity.
func (c *Client) overLinks(ctx context.Context, addr string, node identity.NodeID) (net.Conn, error) {
	conn, _, err := c.links.DialALPN(ctx, addr, BytesALPN, node)
	return conn, err
}

// verified checks that what is read is b.
func verified(r io.ReadCloser, b Blob) io.ReadCloser {
	return &verifier{ReadCloser: r, left: b.Size, want: b.Digest, sum: sha256.New()}
}

type verifier struct {
	io.ReadCloser
	left uint64
	want [32]byte
	sum  hash.Hash
}

// Read hands on what is within the blob's size, and turns the end into an error if it is not the blob's.
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	if uint64(n) > v.left {
		return 0, fmt.Errorf("%w: more than announced", ErrCorrupt)
	}
	v.left -= uint64(n)
	v.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && (v.left > 0 || v.want != [32]byte{} && v.want != [32]byte(v.sum.Sum(nil))) {
		return n, fmt.Errorf("%w: %d bytes are missing or wrong", ErrCorrupt, v.left)
	}
	return n, err
}

// limited keeps the first bytes written to it.
type limited struct {
	w    *bytes.Buffer
	left int
}

// Write never fails.
func (l *limited) Write(p []byte) (int, error) {
	keep := min(l.left, len(p))
	l.left -= keep
	l.w.Write(p[:keep])
	return len(p), nil
}

// contextReader ends with a context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads unless the context is over.
func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// cause prefers why a context ended over the fact that it did.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}
