package actors

import (
	"crypto/sha256"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// MaxInlineData is how many bytes of named data may travel inside its record. More are put where bytes are kept.
const MaxInlineData = 4 << 10

func (g *Gateway) putData(ctx actor.Context, msg *messages.PutData) {
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetId())
	if !ok {
		return
	}
	put, err := putOf(msg)
	if err != nil {
		g.invalid(ctx, err, msg.GetId())
		return
	}
	put.By = messages.NodeOf(ctx.Sender().Address)
	g.pass(ctx, &putData{put, seen})
}

func (g *Gateway) removeData(ctx actor.Context, msg *messages.RemoveData) {
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetId())
	if !ok {
		return
	}
	if err := validData(msg.GetId(), msg.GetName()); err != nil {
		g.invalid(ctx, err, msg.GetId())
		return
	}
	g.pass(ctx, &putData{data.Record{ID: msg.GetId(), Name: msg.GetName(), Deleted: true, By: messages.NodeOf(ctx.Sender().Address)}, seen})
}

// putOf reads what is to be put. Names in messages are never trusted, and neither is what bytes are said to be.
func putOf(msg *messages.PutData) (data.Record, error) {
	if err := validData(msg.GetId(), msg.GetName()); err != nil {
		return data.Record{}, err
	}
	b, err := job.DecodeBlob(msg.GetBlob())
	switch {
	case err != nil:
		return data.Record{}, fmt.Errorf("the data's description cannot be read: %w", err)
	case b.IsZero():
		return data.Record{}, fmt.Errorf("no bytes are named: %w", job.ErrInvalid)
	case len(b.Inline) > MaxInlineData:
		return data.Record{}, fmt.Errorf("%d bytes travel with their name, at most %d may: put them first: %w", len(b.Inline), MaxInlineData, job.ErrInvalid)
	case len(b.Inline) > 0 && (sha256.Sum256(b.Inline) != b.Digest || uint64(len(b.Inline)) != b.Size):
		return data.Record{}, fmt.Errorf("the bytes are not those that their digest names: %w", job.ErrInvalid)
	}
	return data.Record{ID: msg.GetId(), Name: msg.GetName(), Blob: b, Zip: msg.GetZip()}, nil
}

func validData(id, name string) error {
	if err := job.ID(id).Valid(); err != nil {
		return err
	}
	return job.ValidDataName(name)
}

func (g *Gateway) showData(ctx actor.Context, msg *messages.DataRequest) {
	seen, ok := g.session(ctx, msg.GetSession(), "")
	if !ok {
		return
	}
	if err := job.ValidDataName(msg.GetName()); err != nil {
		g.invalid(ctx, err, "")
		return
	}
	g.pass(ctx, &showData{msg.GetName(), seen})
}

func (g *Gateway) listData(ctx actor.Context, msg *messages.DataList) {
	if seen, ok := g.session(ctx, msg.GetSession(), ""); ok {
		limit := min(int(msg.GetLimit()), g.MaxJobs)
		if limit == 0 {
			limit = g.MaxJobs
		}
		g.pass(ctx, &listData{msg.GetPrefix(), msg.GetAfter(), limit, seen})
	}
}

func (g *Gateway) invalid(ctx actor.Context, err error, id string) {
	ctx.Respond(&messages.Refused{Code: messages.Refused_INVALID, Reason: err.Error(), Job: id})
}
