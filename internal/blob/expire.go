package blob

import (
	"context"
	"errors"
	"time"

	"gocloud.dev/gcerrors"
)

// dated is a backend that can say of one blob when it was last put.
type dated interface {
	dated(ctx context.Context, d Digest) (time.Time, error)
}

// Expire deletes a blob unless it was put since before, and reports whether it did. A put that comes meanwhile waits, and then finds nothing here: so
// nobody is told that a blob is here which is being deleted.
func Expire(ctx context.Context, b Backend, d Digest, before time.Time) (gone bool, err error) {
	err = b.arrivals().exclusively(ctx, d, func() error {
		at, err := b.(dated).dated(ctx, d)
		if errors.Is(err, ErrNotFound) || err == nil && !at.Before(before) {
			return nil
		}
		if err == nil {
			err = b.Delete(ctx, d)
		}
		gone = err == nil
		return err
	})
	return gone, err
}

func (s *Store) dated(_ context.Context, d Digest) (time.Time, error) {
	info, err := s.root.Stat(fileName(d))
	if err != nil {
		return time.Time{}, notFound(d, err)
	}
	return info.ModTime(), nil
}

func (b *Bucket) dated(ctx context.Context, d Digest) (time.Time, error) {
	info, err := b.objects.Attributes(ctx, blobKey(d))
	if err != nil {
		return time.Time{}, b.failed(d, err)
	}
	again, err := b.objects.Attributes(ctx, touchedKey(d))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return info.ModTime, nil
	}
	if err != nil {
		return time.Time{}, b.failed(d, err)
	}
	return again.ModTime, nil
}
