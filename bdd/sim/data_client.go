package sim

import (
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// TextBlob is text as bytes that travel with their name.
func TextBlob(text string) job.Blob {
	return job.Blob{Digest: sha256.Sum256([]byte(text)), Size: uint64(len(text)), Inline: []byte(text)}
}

// Putting is the message that puts text under a name.
func (c *Client) Putting(id job.ID, name, text string) *messages.PutData {
	return &messages.PutData{Id: string(id), Name: name, Blob: TextBlob(text).Append(nil), Session: c.session}
}

// Put puts text under a name and returns the acknowledgement. It panics if there is none: ask with a PutData where that is the point.
func (c *Client) Put(broker, name, text string) *messages.DataPut {
	answer, ok := c.Ask(broker, c.Putting(c.NewID(broker), name, text)).(*messages.DataPut)
	if !ok {
		panic(fmt.Sprintf("sim: %s does not acknowledge the put of %s: %v", broker, name, answer))
	}
	return answer
}

// Remove asks a broker to remove a name, and returns the answer.
func (c *Client) Remove(broker, name string) any {
	return c.Ask(broker, &messages.RemoveData{Id: string(c.NewID(broker)), Name: name, Session: c.session})
}

// Data asks a broker what a name stands for, and returns the answer.
func (c *Client) Data(broker, name string) any {
	return c.Ask(broker, &messages.DataRequest{Name: name, Session: c.session})
}

// TextOf is the text that an entry carries.
func TextOf(e *messages.DataEntry) string {
	b, err := job.DecodeBlob(e.GetBlob())
	if err != nil {
		return err.Error()
	}
	return string(b.Inline)
}

// Post sends a broker a question and waits for no answer.
func (c *Client) Post(broker string, m proto.Message) { c.ask(c.w.Node(broker), m, func(any) {}) }
