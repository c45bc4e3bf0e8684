package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Where things lie in a bucket. An object cannot be given another date: one of no bytes under touchedKeys tells when a blob
// was last put that was there already.
const (
	blobKeys    = "blobs/"
	touchedKeys = "touched/"

	// uploadBytes and uploadParts bound the memory of one upload. The larger the parts, the larger an object may be: an S3
	// takes 10,000 parts.
	uploadBytes = 8 << 20
	uploadParts = 2
)

// Bucket keeps blobs in an object store. What comes is verified on the local disk before it goes there: a part of a blob, or
// a wrong one, is never seen in the bucket, nor paid for. It is safe for concurrent use, also of several nodes on one bucket.
type Bucket struct {
	name    string
	objects *blob.Bucket
	in      *intake
	counted bool // Used is known: somebody set a limit
	close   func() error
}

// NewBucket returns a backend over objects, which it closes in the end. If opt has a limit it counts what is there, which
// takes a while in a large bucket.
func NewBucket(ctx context.Context, name string, objects *blob.Bucket, opt Options) (*Bucket, error) {
	b := &Bucket{name: name, objects: objects, counted: opt.MaxBytes > 0, close: func() error { return nil }}
	err := b.openSpool(opt)
	if err == nil && b.counted {
		err = b.Walk(ctx, func(i Info) error {
			b.in.budget.holds(i.Size, 0)
			return nil
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	return b, nil
}

func (b *Bucket) openSpool(opt Options) error {
	dir := opt.Spool
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "ucp-spool-"); err != nil {
			return err
		}
		b.close = func() error { return os.RemoveAll(dir) }
	}
	root, err := openRoot(dir)
	if err != nil {
		return err
	}
	b.in = newIntake(root, b, opt)
	return b.in.sweep()
}

func (b *Bucket) arrivals() *intake { return b.in }

// Close closes the bucket and the spool.
func (b *Bucket) Close() error {
	errs := []error{b.objects.Close()}
	if b.in != nil {
		errs = append(errs, b.in.partials.close(), b.in.root.Close())
	}
	return errors.Join(append(errs, b.close())...)
}

func blobKey(d Digest) string { return blobKeys + fileName(d) }

func touchedKey(d Digest) string { return touchedKeys + fileName(d) }

// Size returns the length of the blob in bytes, or ErrNotFound.
func (b *Bucket) Size(ctx context.Context, d Digest) (int64, error) {
	info, err := b.objects.Attributes(ctx, blobKey(d))
	if err != nil {
		return 0, b.failed(d, err)
	}
	return info.Size, nil
}

// Open returns a reader of the blob that verifies it, or ErrNotFound.
func (b *Bucket) Open(ctx context.Context, d Digest) (*Reader, error) {
	r, err := b.objects.NewReader(ctx, blobKey(d), nil)
	if err != nil {
		return nil, b.failed(d, err)
	}
	return newReader(ctx, d, r, r.Size(), func(ctx context.Context) error { return b.condemn(ctx, d) }, func() {}), nil
}

// OpenRange returns a reader of n bytes from offset on, which nobody has verified.
func (b *Bucket) OpenRange(ctx context.Context, d Digest, offset, n int64) (io.ReadCloser, error) {
	r, err := b.objects.NewRangeReader(ctx, blobKey(d), offset, n, nil)
	if err != nil {
		return nil, b.failed(d, err)
	}
	return r, nil
}

// Put keeps the bytes of r if they hash to d. One that is here already is not read, and is as young as a new one.
func (b *Bucket) Put(ctx context.Context, r io.Reader, d Digest) error {
	return b.in.fill(ctx, d, func() (io.ReadCloser, int64, error) { return io.NopCloser(r), unknownSize, nil })
}

// Add keeps the bytes of r under whatever they hash to, and returns that and their number.
func (b *Bucket) Add(ctx context.Context, r io.Reader) (Digest, int64, error) {
	return b.in.add(ctx, r)
}

// renew notes that a blob that is here was put again.
func (b *Bucket) renew(ctx context.Context, d Digest) (bool, error) {
	here, err := b.objects.Exists(ctx, blobKey(d))
	if err != nil || !here {
		return false, err
	}
	return true, b.objects.WriteAll(ctx, touchedKey(d), nil, &blob.WriterOptions{ContentType: "application/octet-stream"})
}

// admit uploads a verified file. An upload that fails leaves nothing that can be seen.
func (b *Bucket) admit(ctx context.Context, d Digest, f *arrival) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.objects.NewWriter(ctx, blobKey(d), &blob.WriterOptions{
		BufferSize: uploadBytes, MaxConcurrency: uploadParts, ContentType: "application/octet-stream",
	})
	if err != nil {
		return b.failed(d, err)
	}
	if _, err := io.Copy(w, io.NewSectionReader(f.file, 0, f.size)); err != nil {
		cancel() // or else Close would keep what came so far
		return errors.Join(b.failed(d, err), ignoreCancel(w.Close()))
	}
	if err := w.Close(); err != nil {
		return b.failed(d, err)
	}
	return nil
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Delete removes the blob; one that is not here is no error.
func (b *Bucket) Delete(ctx context.Context, d Digest) error {
	size, err := b.Size(ctx, d)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	for _, key := range []string{touchedKey(d), blobKey(d)} {
		if err == nil {
			err = b.objects.Delete(ctx, key)
		}
		if gcerrors.Code(err) == gcerrors.NotFound {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("delete: %w", b.failed(d, err))
	}
	b.in.budget.release(size, 0)
	return nil
}

// Walk calls visit for each blob, in the order of their digests. Objects of other names are not ours, and left out.
func (b *Bucket) Walk(ctx context.Context, visit func(Info) error) error {
	blobs := &listing{list: b.objects.List(&blob.ListOptions{Prefix: blobKeys})}
	touched := &listing{list: b.objects.List(&blob.ListOptions{Prefix: touchedKeys})}
	for {
		x, err := blobs.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			var again time.Time
			if again, err = touched.timeOf(ctx, x.Digest); again.After(x.Time) {
				x.Time = again
			}
		}
		if err != nil {
			return fmt.Errorf("%s: list blobs: %w", b.name, err)
		}
		if err := visit(x); err != nil {
			return err
		}
	}
}

// listing goes through objects in the order of their digests.
type listing struct {
	list *blob.ListIterator
	head *Info // read, and not asked for yet
	err  error
}

// next returns the next object that is named by a digest; io.EOF if there is none.
func (l *listing) next(ctx context.Context) (Info, error) {
	for {
		x, err := l.list.Next(ctx)
		if err != nil {
			return Info{}, err
		}
		if d, err := Parse(x.Key[max(0, len(x.Key)-2*len(Digest{})):]); err == nil {
			return Info{Digest: d, Size: x.Size, Time: x.ModTime}, nil
		}
	}
}

// timeOf returns the date of the object of d; zero if there is none. It is asked in the order of digests.
func (l *listing) timeOf(ctx context.Context, d Digest) (time.Time, error) {
	for l.err == nil && (l.head == nil || l.head.Digest.Compare(d) < 0) {
		var x Info
		if x, l.err = l.next(ctx); l.err == nil {
			l.head = &x
		}
	}
	if l.err != nil && !errors.Is(l.err, io.EOF) {
		return time.Time{}, l.err
	}
	if l.head == nil || l.head.Digest != d {
		return time.Time{}, nil
	}
	return l.head.Time, nil
}

// Space says what is used and what is left of the limit. Without a limit neither is known.
func (b *Bucket) Space(context.Context) (Space, error) {
	if !b.counted {
		return Space{Used: -1, Free: -1}, nil
	}
	used, limit := b.in.budget.inUse(), b.in.budget.limit
	return Space{Used: used, Limit: limit, Free: max(0, limit-used)}, nil
}

func (b *Bucket) spareable() int64 { return 0 }

func (b *Bucket) spare() bool { return false }

// condemn removes the blob if a second look finds it wrong too, and says so with ErrCorrupt. It returns nil if it is right
// after all.
func (b *Bucket) condemn(ctx context.Context, d Digest) error {
	return b.in.exclusively(ctx, d, func() error {
		r, err := b.objects.NewReader(ctx, blobKey(d), nil)
		if err != nil {
			return b.failed(d, err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, r)
		if err = errors.Join(err, r.Close()); err != nil || Digest(sum.Sum(nil)) == d {
			return err
		}
		b.in.log.Warn("blob is damaged in its bucket and is removed", "blob", d.String(), "bucket", b.name)
		if err := b.Delete(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return fmt.Errorf("%w: %s was removed", ErrCorrupt, d)
	})
}

// failed says which blob is missing, and keeps other faults apart.
func (b *Bucket) failed(d Digest, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%w: %s", ErrNotFound, d)
	}
	return fmt.Errorf("%s: blob %s: %w", b.name, d.Short(), err)
}
