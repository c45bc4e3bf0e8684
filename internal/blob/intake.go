package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// tempDir holds what is on its way in.
const tempDir = "tmp"

// intake is the way into a backend. What comes is written below tempDir, hashed, and given to the shelf when it is whole
// and right.
type intake struct {
	flights

	root     *os.Root
	maxBlob  int64
	budget   budget
	log      *slog.Logger
	partials partials
	shelf    shelf
}

func newIntake(root *os.Root, to shelf, opt Options) *intake {
	in := &intake{root: root, maxBlob: opt.MaxBlobBytes, log: opt.Log, shelf: to}
	in.partials.now = now
	in.budget.limit, in.budget.reserve = opt.MaxBytes, opt.Reserve
	in.budget.free = func() (int64, error) { return freeBytes(root.Name()) }
	if in.log == nil {
		in.log = slog.New(slog.DiscardHandler)
	}
	return in
}

// shelf is where whole blobs are.
type shelf interface {
	// renew reports whether d is here for good. If it is, it becomes as young as one that was put now.
	renew(ctx context.Context, d Digest) (bool, error)
	// admit puts a verified file on the shelf. It clears the name of one that it has moved, which then is no longer the
	// caller's. Its caller works on d exclusively.
	admit(ctx context.Context, d Digest, f *arrival) error
	// spareable returns the bytes that spare could free.
	spareable() int64
	// spare deletes what can be done without most easily, and reports whether there was anything.
	spare() bool
}

// arrival is a file below tempDir.
type arrival struct {
	name string // empty once it is elsewhere
	file *os.File
	size int64
}

// tooLarge refuses a blob of n bytes that is above the limit for one.
func (in *intake) tooLarge(n int64) error {
	if in.maxBlob > 0 && n > in.maxBlob {
		return fmt.Errorf("%w: the limit for one blob is %s", ErrTooLarge, bytesText(in.maxBlob))
	}
	return nil
}

// claim sets n bytes aside. It makes room if it can: what was half-received goes first, then what the shelf can spare.
func (in *intake) claim(n int64) error {
	for {
		err := in.budget.claim(n)
		if !errors.Is(err, ErrFull) {
			return err
		}
		if in.budget.lacks(n) > in.partials.spareable()+in.shelf.spareable() {
			return err // nothing goes in vain
		}
		if !in.partials.spare() && !in.shelf.spare() {
			return err
		}
	}
}

// unknownSize says that a source does not know how much it will give.
const unknownSize = -1

// source opens the bytes that are to fill a blob. It is only called when they are needed.
type source func() (r io.ReadCloser, size int64, err error)

// fill makes sure that d is here, from src if need be.
func (in *intake) fill(ctx context.Context, d Digest, src source) error {
	return in.ensure(ctx, d, func() error {
		r, size, err := src()
		if err != nil {
			return err
		}
		return errors.Join(in.fillFrom(ctx, d, r, size), r.Close())
	})
}

// ensure makes sure that d is here, by bring if need be.
func (in *intake) ensure(ctx context.Context, d Digest, bring func() error) error {
	err := in.exclusively(ctx, d, func() error {
		here, err := in.shelf.renew(ctx, d)
		if here || err != nil {
			return err
		}
		return bring()
	})
	if err != nil {
		return fmt.Errorf("put blob %s: %w", d.Short(), err)
	}
	return nil
}

// fillFrom takes a blob in one go. Its caller works on d exclusively.
func (in *intake) fillFrom(ctx context.Context, d Digest, r io.Reader, size int64) error {
	l, err := in.receive(ctx, r, size)
	if err != nil {
		return err
	}
	defer l.discard()
	if got := l.digest(); got != d {
		return fmt.Errorf("%w: %s that hash to %s", ErrMismatch, bytesText(l.written), got)
	}
	return l.publish(ctx, d)
}

// add takes a blob whose name shows when all of it is here.
func (in *intake) add(ctx context.Context, r io.Reader) (Digest, int64, error) {
	l, err := in.receive(ctx, r, unknownSize)
	if err != nil {
		return Digest{}, 0, fmt.Errorf("add blob: %w", err)
	}
	defer l.discard()
	d := l.digest()
	err = in.exclusively(ctx, d, func() error {
		here, err := in.shelf.renew(ctx, d)
		if here || err != nil {
			return err
		}
		return l.publish(ctx, d)
	})
	if err != nil {
		return Digest{}, 0, fmt.Errorf("add blob %s: %w", d.Short(), err)
	}
	return d, l.written, nil
}
