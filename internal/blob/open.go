package blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// ErrBadURL is returned for a URL that is no backend's.
var ErrBadURL = errors.New("not the URL of a datastore")

// Open opens the backend that a URL names:
//
//	file:///var/lib/ucp/blobs   a directory of ours, a [Store]; it is made if it is not there
//	s3://bucket?region=…        a [Bucket] of an object store, with the parameters of gocloud.dev/blob/s3blob: endpoint and
//	                            use_path_style for one that is not Amazon's. Keys come from the environment or ~/.aws.
//	mem://                      a Bucket in memory, for specs
//
// Errors say in a sentence what to change: ErrBadURL, ErrNotFound for a bucket that is not there, ErrRefused for keys that
// are missing or not good enough.
func Open(ctx context.Context, name string, opt Options) (Backend, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	switch u.Scheme {
	case "file":
		return openFile(u, opt) //nolint:contextcheck // a store is opened whole: counting what is there is not given up half-way
	case "s3":
		return openS3(ctx, u, opt)
	case "mem":
		return NewBucket(ctx, u.Redacted(), memblob.OpenBucket(nil), opt)
	case "":
		return nil, fmt.Errorf("%w: %q has no scheme; write file:///DIRECTORY or s3://BUCKET", ErrBadURL, name)
	}
	return nil, fmt.Errorf("%w: %s:// is not supported; write file:///DIRECTORY or s3://BUCKET", ErrBadURL, u.Scheme)
}

func openFile(u *url.URL, opt Options) (Backend, error) {
	if u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%w: %q; write file:///DIRECTORY, with three slashes and nothing behind the directory", ErrBadURL, u)
	}
	return OpenStore(filepath.FromSlash(u.Path), opt)
}

func openS3(ctx context.Context, u *url.URL, opt Options) (Backend, error) {
	if u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%w: %q; write s3://BUCKET, and nothing but parameters behind it", ErrBadURL, u.Redacted())
	}
	objects, err := new(s3blob.URLOpener).OpenBucketURL(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	name := "s3://" + u.Host
	if _, _, err := objects.ListPage(ctx, []byte("first page"), 1, nil); err != nil {
		return nil, errors.Join(explain(name, err), objects.Close())
	}
	return NewBucket(ctx, name, objects, opt)
}

// explain says what to do about a bucket that cannot be used.
func explain(name string, err error) error {
	switch {
	case strings.Contains(err.Error(), "get credentials"), strings.Contains(err.Error(), "get identity"):
		return fmt.Errorf("%s: %w: there are no keys for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials: %w",
			name, ErrRefused, err)
	case gcerrors.Code(err) == gcerrors.NotFound, strings.Contains(err.Error(), "NoSuchBucket"):
		return fmt.Errorf("%s: %w: there is no such bucket; make it first: %w", name, ErrNotFound, err)
	case gcerrors.Code(err) == gcerrors.PermissionDenied, strings.Contains(err.Error(), "AccessDenied"), strings.Contains(err.Error(), "Forbidden"):
		return fmt.Errorf("%s: %w: these keys may not use it: %w", name, ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
