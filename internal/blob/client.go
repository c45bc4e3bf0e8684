package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
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
	size, _, err := c.look(ctx, base, d)
	return size, err
}

// look returns the size of a blob at the peer or, with ErrNotFound, how much of it from its start on is there already.
func (c *Client) look(ctx context.Context, base string, d Digest) (size, offset int64, err error) {
	resp, err := c.do(ctx, request{method: http.MethodHead, base: base, path: d.String()})
	if err != nil {
		return 0, offsetIn(err), fmt.Errorf("look for blob %s at %s: %w", d.Short(), base, err)
	}
	return resp.ContentLength, 0, resp.Body.Close()
}

// HasAll reports for each of all whether the peer has it. It asks for up to 16384 at a time.
func (c *Client) HasAll(ctx context.Context, base string, all []Digest) ([]bool, error) {
	found := make([]bool, 0, len(all))
	for some := range slices.Chunk(all, maxAsked) {
		answer, err := c.hasSome(ctx, base, some)
		if err != nil {
			return nil, fmt.Errorf("look for %d blobs at %s: %w", len(all), base, err)
		}
		found = append(found, answer...)
	}
	return found, nil
}

func (c *Client) hasSome(ctx context.Context, base string, some []Digest) ([]bool, error) {
	body := make([]byte, 0, len(some)*len(Digest{}))
	for _, d := range some {
		body = append(body, d[:]...)
	}
	resp, err := c.do(ctx, request{method: http.MethodPost, base: base, body: bytesBody(body), size: int64(len(body))})
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAsked+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	return readAnswers(answer, len(some))
}

// readAnswers reads a digit for each of n digests.
func readAnswers(answer []byte, n int) ([]bool, error) {
	if len(answer) != n {
		return nil, fmt.Errorf("%d answers to %d questions", len(answer), n)
	}
	found := make([]bool, n)
	for i, b := range answer {
		if b != '0' && b != '1' {
			return nil, fmt.Errorf("%q is no answer", b)
		}
		found[i] = b == '1'
	}
	return found, nil
}

// Copy asks the peer to bring a blob itself from one of others, the bases of which must mean something to it. It returns
// when the blob is there, verified, or cannot be had.
func (c *Client) Copy(ctx context.Context, base string, d Digest, from []string) error {
	text := strings.Join(from, "\n")
	if _, err := readSources(strings.NewReader(text)); err != nil {
		return err
	}
	resp, err := c.do(ctx, request{method: http.MethodPost, base: base, path: d.String(), body: bytesBody([]byte(text)), size: int64(len(text))})
	if err != nil {
		return fmt.Errorf("have %s copy blob %s: %w", base, d.Short(), err)
	}
	return resp.Body.Close()
}

// request is one that a Client makes.
type request struct {
	method string
	base   string
	path   string // below blobPath
	header http.Header
	body   func() (io.ReadCloser, error) // nil: none
	size   int64                         // of the body
}

// bytesBody gives a body as often as it is wanted.
func bytesBody(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// do makes one request. Every answer but a success is an error, a *StatusError.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	target, err := url.JoinPath(r.base, blobPath+r.path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.ContentLength, req.GetBody = r.size, r.body
		if req.Body, err = r.body(); err != nil {
			return nil, err
		}
	}
	if r.size == 0 {
		req.Body = http.NoBody // or else net/http takes the 0 for "unknown"
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
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
	return &StatusError{Status: resp.StatusCode, Sentence: sentence, offset: readOffset(resp.Header)}
}

// printable replaces what could harm a terminal or a log.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}
