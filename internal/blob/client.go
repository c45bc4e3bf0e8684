package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

const (
	// maxSentence bounds what is read of a peer's refusal, in bytes.
	maxSentence = 512
	// askFirst is the size in bytes above which Put asks whether the peer has the blob already.
	askFirst = 64 << 10
)

// Client moves blobs to and from peers that serve a Handler. It is safe for concurrent use.
// A base is the URL of a peer without a path; what its host means is up to the transport.
type Client struct {
	transport http.RoundTripper
}

// NewClient returns a client over transport. Closing the transport is up to its owner.
func NewClient(transport http.RoundTripper) *Client {
	return &Client{transport}
}

// Has returns the size in bytes of a blob at the peer, or an error that is ErrNotFound.
func (c *Client) Has(ctx context.Context, base string, d Digest) (int64, error) {
	resp, err := c.do(ctx, http.MethodHead, base, d, nil, 0)
	if err != nil {
		return 0, fmt.Errorf("look for blob %s at %s: %w", d.Short(), base, err)
	}
	return resp.ContentLength, resp.Body.Close()
}

// Put sends size bytes of r to the peer, which keeps them only if they hash to d. If the peer has the blob already r may
// not be read. When Put returns it no longer touches r: if r can block for ever, end it when ctx ends.
func (c *Client) Put(ctx context.Context, base string, d Digest, size int64, r io.Reader) error {
	if size > askFirst {
		if _, err := c.Has(ctx, base, d); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	body := &upload{r: r}
	resp, err := c.do(ctx, http.MethodPut, base, d, body, size)
	body.detach()
	if err != nil {
		return fmt.Errorf("send blob %s to %s: %w", d.Short(), base, err)
	}
	return resp.Body.Close()
}

// Send sends a blob of a local store to the peer.
func (c *Client) Send(ctx context.Context, base string, d Digest, from *Store) error {
	r, err := from.Open(ctx, d)
	if err != nil {
		return err
	}
	return errors.Join(c.Put(ctx, base, d, r.Size(), r), r.Close())
}

// Get brings a blob from the peer into a local store, which keeps it only if it hashes to d. A blob that is already
// there, or on its way there, is not asked for.
func (c *Client) Get(ctx context.Context, base string, d Digest, into *Store) error {
	err := into.fill(ctx, d, func() (io.ReadCloser, int64, error) {
		resp, err := c.do(ctx, http.MethodGet, base, d, nil, 0)
		if err != nil {
			return nil, 0, err
		}
		return resp.Body, resp.ContentLength, nil
	})
	if err != nil {
		return fmt.Errorf("from %s: %w", base, err)
	}
	return nil
}

// do makes one request. Every answer but a success is an error, a *StatusError.
func (c *Client) do(ctx context.Context, method, base string, d Digest, body *upload, size int64) (*http.Response, error) {
	target, err := url.JoinPath(base, blobPath, d.String())
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength, req.GetBody = size, body.open
		if req.Body, err = body.open(); err != nil {
			return nil, err
		}
	}
	if size == 0 {
		req.Body = http.NoBody // or else net/http takes the 0 for "unknown"
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return resp, nil
	}
	return nil, errors.Join(refusal(resp), resp.Body.Close())
}

// refusal reads a peer's sentence.
func refusal(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSentence))
	sentence := strings.Map(printable, strings.TrimSpace(string(text)))
	if err != nil || sentence == "" {
		sentence = http.StatusText(resp.StatusCode)
	}
	return &StatusError{Status: resp.StatusCode, Sentence: sentence}
}

// printable replaces what could harm a terminal or a log.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}
