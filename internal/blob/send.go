package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// sendTries is how often a part is sent that does not get on: the connection under it broke, or the peer took nothing.
const sendTries = 3

// Put sends size bytes of r to the peer, which keeps them only if they hash to d. If the peer has the blob already r may
// not be read. A large blob is sent in parts: what the peer has on disk of it, from a transfer that was cut, is not sent
// again but skipped, by Seek if r can. When Put returns it no longer touches r: if r can block for ever, end it when ctx
// ends.
func (c *Client) Put(ctx context.Context, base string, d Digest, size int64, r io.Reader) error {
	offset := int64(0)
	if size > askFirst {
		var err error
		if _, offset, err = c.look(ctx, base, d); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	var err error
	if size > largeBytes {
		err = c.putParts(ctx, base, d, size, r, offset)
	} else {
		err = c.putWhole(ctx, base, d, size, r)
	}
	if err != nil {
		return fmt.Errorf("send blob %s to %s: %w", d.Short(), base, err)
	}
	return nil
}

// Send sends a blob of a backend to the peer. One in a store that looks as it did when it was verified is not hashed again: the peer hashes what comes.
func (c *Client) Send(ctx context.Context, base string, d Digest, from Backend) error {
	if s, ok := from.(*Store); ok {
		if sure, err := s.sure(d); sure && err == nil {
			return c.sendSure(ctx, base, d, s)
		}
	}
	r, err := from.Open(ctx, d)
	if err != nil {
		return err
	}
	return errors.Join(c.Put(ctx, base, d, r.Size(), r), r.Close())
}

// sendSure sends a blob whose file was verified before. If the peer finds it wrong it is looked at again, and removed if it is.
func (c *Client) sendSure(ctx context.Context, base string, d Digest, from *Store) error {
	f, size, release, err := from.heldFile(d)
	if err != nil {
		return err
	}
	err = c.Put(ctx, base, d, size, io.NewSectionReader(f, 0, size))
	release()
	err = errors.Join(err, f.Close())
	if errors.Is(err, ErrMismatch) {
		return errors.Join(err, from.Verify(ctx, d))
	}
	return err
}

func (c *Client) putWhole(ctx context.Context, base string, d Digest, size int64, r io.Reader) error {
	body := &upload{r: r}
	resp, err := c.do(ctx, request{method: http.MethodPut, base: base, path: d.String(), body: body.open, size: size})
	body.detach()
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// putParts sends what the peer has not yet. When what the peer had turns out to be wrong, it has forgotten it, and all is
// sent once more if r can go back.
func (c *Client) putParts(ctx context.Context, base string, d Digest, size int64, r io.Reader, offset int64) error {
	s := &sending{client: c, base: base, digest: d, size: size, r: r}
	err := s.from(ctx, offset)
	if !errors.Is(err, ErrMismatch) || s.begun == 0 {
		return err
	}
	back, ok := r.(io.Seeker)
	if !ok {
		return fmt.Errorf("what the peer had of it was wrong and is gone; send it again: %w", err)
	}
	if _, err := back.Seek(-s.read, io.SeekCurrent); err != nil {
		return err
	}
	return (&sending{client: c, base: base, digest: d, size: size, r: r}).from(ctx, 0)
}

// sending is an upload in parts, each held in memory until the peer has it on disk; the next one is read meanwhile.
type sending struct {
	client *Client
	base   string
	digest Digest
	size   int64
	r      io.Reader
	read   int64 // bytes of r so far
	begun  int64 // where it went on
}

// from sends the bytes from offset on.
func (s *sending) from(ctx context.Context, offset int64) error {
	offset = min(offset, s.size-1) // a peer that has all of it has not looked at it yet
	offset -= offset % pieceBytes
	s.begun = offset
	if err := s.skip(ctx, offset); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	parts := make(chan loaded)
	go s.loadAll(ctx, offset, parts)
	defer func() {
		stop()
		for range parts {
		}
	}()
	for offset < s.size {
		part, more := <-parts
		if !more {
			return context.Cause(ctx)
		}
		if part.err != nil {
			return part.err
		}
		done, err := s.deliver(ctx, offset, part.data)
		if err != nil || done {
			return err
		}
		offset += int64(len(part.data))
	}
	return errors.New("the peer has all of the blob and does not say that it keeps it")
}

// loaded is a part that was read, or why it was not.
type loaded struct {
	data []byte
	err  error
}

// loadAll reads one part after the other, each into the memory of the last but one: that is delivered when the one behind it is taken.
func (s *sending) loadAll(ctx context.Context, offset int64, parts chan<- loaded) {
	defer close(parts)
	var buffers [2]bytes.Buffer
	for i := 0; offset < s.size; i++ {
		part := s.load(ctx, &buffers[i%len(buffers)], min(flightBytes, s.size-offset))
		select {
		case parts <- part:
		case <-ctx.Done():
			return
		}
		if part.err != nil {
			return
		}
		offset += int64(len(part.data))
	}
}

func (s *sending) skip(ctx context.Context, n int64) error {
	s.read = n
	if seeker, ok := s.r.(io.Seeker); ok {
		_, err := seeker.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, contextReader{ctx, s.r}, n)
	return err
}

func (s *sending) load(ctx context.Context, into *bytes.Buffer, n int64) loaded {
	into.Reset()
	into.Grow(int(n))
	m, err := io.CopyN(onlyWriter{into}, contextReader{ctx, s.r}, n)
	s.read += m
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%d of %d bytes came: %w", s.read, s.size, io.ErrUnexpectedEOF)
	}
	return loaded{into.Bytes(), err}
}

// deliver sends a part until the peer has all of it. It is done when the peer has the blob.
func (s *sending) deliver(ctx context.Context, offset int64, data []byte) (done bool, err error) {
	for tries := 0; len(data) > 0; {
		at, done, err := s.try(ctx, offset, data)
		if done {
			return true, nil
		}
		if at == refusedAt {
			return false, err
		}
		taken := at - offset
		switch {
		case taken < 0 || taken > int64(len(data)):
			return false, errors.Join(fmt.Errorf("the peer says that it has %d bytes, where %d to %d are right", at, offset, offset+int64(len(data))), err)
		case taken == 0:
			if tries++; tries >= sendTries || err == nil {
				return false, errors.Join(errors.New("the peer takes nothing more"), err)
			}
		default:
			tries = 0
		}
		offset, data = at, data[taken:]
	}
	return false, nil
}

// refusedAt says that a transfer is over, whatever the peer has of it.
const refusedAt = -1

// try sends data once, and returns up to where the peer has it now. An error beside it is why that may be no further.
func (s *sending) try(ctx context.Context, offset int64, data []byte) (at int64, done bool, err error) {
	span := part{offset, offset + int64(len(data)) - 1, s.size}
	body := &loan{data: data}
	resp, err := s.client.do(ctx, request{
		method: http.MethodPut, base: s.base, path: s.digest.String(), header: http.Header{"Content-Range": {span.String()}},
		body: body.open, size: int64(len(data)),
	})
	body.end()
	if err == nil {
		at, done = readOffset(resp.Header), resp.StatusCode != http.StatusAccepted
		return at, done, resp.Body.Close()
	}
	if errors.Is(err, ErrOffset) {
		return offsetIn(err), false, err
	}
	if _, refused := errors.AsType[*StatusError](err); refused || ctx.Err() != nil {
		return refusedAt, false, err
	}
	// The connection broke: how far did it get?
	_, at, asked := s.client.look(ctx, s.base, s.digest)
	if errors.Is(asked, ErrNotFound) {
		return at, false, err
	}
	return refusedAt, asked == nil, errors.Join(err, asked)
}
