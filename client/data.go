package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// MaxInlineData is how many bytes of named data travel inside its record. More are sent to the broker first.
const MaxInlineData = 4 << 10

// Data is what a name stands for.
type Data struct {
	Name        string
	ID          string // of the put; of a job's result that of the job
	Blob        Blob   // zero while it is still being made: see Waiting
	Zip         bool   // a directory, zipped
	By, ByName  string // node id, and name if that is known, of who put it, or submitted the job that made it
	At          time.Time
	Job         string // that made it, or is going to; "" if somebody put it
	Provisional bool   // that job's end is not final: it may turn out to be something else
	Waiting     string // why there are no bytes yet; "" if there are
	Siblings    []Data // what was put without knowledge of it, the latest first: none is lost until somebody puts who has seen both
}

// DataPut acknowledges a put.
type DataPut struct {
	ID         string
	Durability int // on how many disks the name is written down; 0: brokers keep it in memory
	Replaced   int // how much it replaces that the name stood for
}

// PutData puts bytes, which [Client.Put] made known, under a name of the form a/b/c, and returns when that is written down. Zip says that they
// are a directory, zipped. What this client, or the broker, has seen under that name is replaced; what somebody else puts at the same time
// is kept beside it.
func (c *Client) PutData(ctx context.Context, name string, b Blob, zip bool) (DataPut, error) {
	if err := job.ValidDataName(name); err != nil {
		return DataPut{}, invalid("%s", err)
	}
	if len(b.Inline) > MaxInlineData {
		if err := c.upload(ctx, b, bytes.NewReader(b.Inline)); err != nil {
			return DataPut{}, fmt.Errorf("put data %s: %w", name, err)
		}
		b.Inline = nil
	}
	answer, err := write[*messages.DataPut](ctx, c, func(id string) proto.Message {
		return &messages.PutData{Id: id, Name: name, Blob: b.Append(nil), Zip: zip, Session: c.session.bytes()}
	})
	if err != nil {
		return DataPut{}, fmt.Errorf("put data %s: %w", name, err)
	}
	return DataPut{answer.GetId(), int(answer.GetDurability()), int(answer.GetReplaced())}, nil
}

// RemoveData removes a name and returns how much it stood for that is gone by that. It is [ErrNotFound] if it stood for nothing.
func (c *Client) RemoveData(ctx context.Context, name string) (int, error) {
	if err := job.ValidDataName(name); err != nil {
		return 0, invalid("%s", err)
	}
	answer, err := write[*messages.DataRemoved](ctx, c, func(id string) proto.Message {
		return &messages.RemoveData{Id: id, Name: name, Session: c.session.bytes()}
	})
	if err != nil {
		return 0, fmt.Errorf("remove data %s: %w", name, err)
	}
	return int(answer.GetRemoved()), nil
}

// write asks for something to be written down under an id, so that asking twice writes once. Where everything of the id's time is forgotten
// the broker asks for another one.
func write[A interface {
	proto.Message
	GetSession() []byte
}](ctx context.Context, c *Client, message func(id string) proto.Message) (answer A, err error) {
	at, err := c.route(ctx)
	if err != nil {
		return answer, err
	}
	broker := string(at.peer.ID)
	for range maxRenamed {
		var id string
		if id, err = c.ids.next(broker); err != nil {
			return answer, err
		}
		if answer, err = ask[A](ctx, c, message(id)); err == nil {
			return answer, c.session.merge(answer.GetSession())
		}
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.code != messages.Refused_RENAMED {
			return answer, err
		}
		broker = refused.broker
		c.ids.after(refused.after)
	}
	return answer, err
}

// Data returns what a name stands for; its bytes are read with [Client.Get]. It is [ErrNotFound] if that is nothing.
func (c *Client) Data(ctx context.Context, name string) (Data, error) {
	if err := job.ValidDataName(name); err != nil {
		return Data{}, invalid("%s", err)
	}
	list, _, err := c.data(ctx, &messages.DataRequest{Name: name, Session: c.session.bytes()})
	if err == nil && len(list) != 1 {
		err = errors.New("the broker's answer does not tell of it")
	}
	if err != nil {
		return Data{}, fmt.Errorf("data %s: %w", name, err)
	}
	return list[0], nil
}

// ListData returns what lies under the names that begin with prefix and come after a name, in their order, and, if there is more, the name to
// go on after. Limit 0 is a hundred; there may be less at once. To list a directory, end the prefix with a slash.
func (c *Client) ListData(ctx context.Context, prefix string, limit int, after string) (list []Data, next string, err error) {
	list, next, err = c.data(ctx, &messages.DataList{
		Prefix: prefix, Limit: uint32(max(0, limit)), After: after, Session: c.session.bytes(), //nolint:gosec // a count
	})
	if err != nil {
		return nil, "", fmt.Errorf("list of data: %w", err)
	}
	return list, next, nil
}

func (c *Client) data(ctx context.Context, m proto.Message) (list []Data, next string, err error) {
	answer, err := ask[*messages.DataResponse](ctx, c, m)
	if err != nil {
		return nil, "", err
	}
	for _, e := range answer.GetEntries() {
		d, err := dataOf(e)
		if err != nil {
			return nil, "", err
		}
		list = append(list, d)
	}
	return list, answer.GetNext(), c.session.merge(answer.GetSession())
}

func dataOf(e *messages.DataEntry) (Data, error) {
	d := Data{
		Name: e.GetName(), ID: e.GetId(), Zip: e.GetZip(), By: e.GetBy(), ByName: e.GetByName(),
		Job: e.GetJob(), Provisional: e.GetProvisional(), Waiting: e.GetWaiting(),
	}
	if e.GetAtMs() > 0 {
		d.At = time.UnixMilli(int64(min(e.GetAtMs(), 1<<52))).UTC()
	}
	if len(e.GetBlob()) > 0 {
		var err error
		if d.Blob, err = job.DecodeBlob(e.GetBlob()); err != nil {
			return Data{}, fmt.Errorf("the broker's answer: %w", err)
		}
	}
	for _, s := range e.GetSiblings() {
		sibling, err := dataOf(s)
		if err != nil {
			return Data{}, err
		}
		d.Siblings = append(d.Siblings, sibling)
	}
	return d, nil
}
