package workbench

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/urbancompute/ucp/internal/archive"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// unfit is what no other executor could give to the program either.
type unfit string

// Error implements error.
func (u unfit) Error() string { return string(u) }

// unready is how an attempt ends whose program could not be started: it is nobody's fault, unless its data is such that nobody could start it.
func (a *attempt) unready(err error) *job.Result {
	if _, own := errors.AsType[unfit](err); own || errors.Is(err, archive.ErrRefused) {
		return &job.Result{Kind: job.Unfit, Message: err.Error()}
	}
	return a.unfetched(err)
}

// prepare brings everything the run needs.
func (a *attempt) prepare() (wasm.Request, error) {
	s := a.Spec
	if len(a.Inputs) != len(s.Data) {
		return wasm.Request{}, fmt.Errorf("%d inputs were told of %d", len(a.Inputs), len(s.Data))
	}
	module, err := a.module()
	if err != nil {
		return wasm.Request{}, err
	}
	file, err := a.fetch(module)
	if err != nil {
		return wasm.Request{}, fmt.Errorf("the module: %w", err)
	}
	if err := a.layOut(); err != nil {
		return wasm.Request{}, err
	}
	return wasm.Request{
		Module: file, Digest: module.Digest, Args: s.Args, Env: s.Env, Dir: a.dir,
		Limits: limitsFor(s), Deterministic: s.Limits.Deterministic,
	}, nil
}

// module is the program: the spec's own, or named data.
func (a *attempt) module() (job.Blob, error) {
	f, named, err := a.sole(job.AsModule)
	switch {
	case err != nil:
		return job.Blob{}, err
	case !named:
		return a.Spec.Module, nil
	case f == nil:
		return job.Blob{}, unfit("the module: there is no such data")
	}
	return f.Blob, nil
}

// sole returns the one file that named data of a use stands for, nil if the job runs without it, and whether any data has that use.
func (a *attempt) sole(as job.Use) (f *job.NamedFile, named bool, err error) {
	for i, d := range a.Spec.Data {
		if d.As != as {
			continue
		}
		switch files := a.Inputs[i].Files; {
		case len(files) > 1:
			return nil, true, unfit(fmt.Sprintf("data %s: %d files where one was expected", d.Name, len(files)))
		case len(files) == 1:
			return &files[0], true, nil
		}
		return nil, true, nil
	}
	return nil, false, nil
}

// layOut makes the job's directory, if it has use for one, and puts there what the job wants to find.
func (a *attempt) layOut() error {
	if !a.usesFiles() {
		return nil
	}
	var err error
	if a.dir, err = a.bench.scratch(); err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	for _, d := range a.Spec.Dirs {
		if err := root.MkdirAll(path.Clean(d), 0o700); err != nil {
			return fmt.Errorf("directory %s: %w", d, clash(err))
		}
	}
	for _, f := range a.Spec.Files {
		if err := a.putFile(root, f); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	for i, d := range a.Spec.Data {
		if d.As == job.AsFile {
			if err := a.putData(root, d, a.Inputs[i].Files); err != nil {
				return fmt.Errorf("data %s: %w", d.Name, err)
			}
		}
	}
	return nil
}

func (a *attempt) usesFiles() bool {
	s := a.Spec
	return len(s.Files)+len(s.Outputs)+len(s.Data)+len(s.Results)+len(s.Dirs) > 0 || s.StdoutFile != "" || s.StderrFile != ""
}

// putData puts what a name stands for where the job wants it: what is below a pattern under the rest of its name.
func (a *attempt) putData(root *os.Root, d job.DataInput, files []job.NamedFile) error {
	below, many := strings.CutSuffix(d.Name, "*")
	unpack := strings.HasSuffix(d.Path, "/")
	for _, f := range files {
		at := path.Clean(d.Path)
		if many {
			at = path.Join(at, strings.TrimPrefix(f.Name, below))
		}
		var err error
		switch {
		case unpack && f.Zip:
			err = a.unpack(root, at, f.Blob)
		case unpack && !many:
			err = unfit("it is one file, and a path that ends in / asks for a directory")
		default:
			err = a.putFile(root, job.File{Path: at, Blob: f.Blob})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

// unpack makes a directory of what is zipped. It may take as much room as the job may write.
func (a *attempt) unpack(root *os.Root, at string, b job.Blob) error {
	src, err := a.open(b)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // opened for reading
	if err := root.MkdirAll(at, 0o700); err != nil {
		return clash(err)
	}
	into, err := root.OpenRoot(at)
	if err != nil {
		return err
	}
	defer into.Close() //nolint:errcheck // what was written is closed
	return clash(archive.Unzip(src, int64(min(b.Size, 1<<62)), into, archive.Limits{Bytes: a.outputLimit()}))
}

// outputLimit is how many bytes the job may write.
func (a *attempt) outputLimit() int64 {
	return limitsOf(a.Spec.Limits).Cap(a.bench.cfg.Caps).OutputBytes
}

func (a *attempt) putFile(root *os.Root, f job.File) error {
	src, err := a.open(f.Blob)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // opened for reading
	dst, err := place(root, f.Path)
	if err != nil {
		return clash(err)
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// clash marks errors that come of two things wanting one place: they would everywhere.
func clash(err error) error {
	if errors.Is(err, os.ErrExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return unfit("something else is in its place: " + err.Error())
	}
	return err
}

// source is bytes to be read, from the start or from anywhere.
type source interface {
	io.ReadCloser
	io.ReaderAt
}

type inline struct{ *bytes.Reader }

// Close implements io.Closer.
func (inline) Close() error { return nil }

// open returns the bytes of b, which travelled inline or are fetched.
func (a *attempt) open(b job.Blob) (source, error) {
	if b.Size == uint64(len(b.Inline)) {
		if sha256.Sum256(b.Inline) != b.Digest {
			return nil, errors.New("its bytes are not those that its digest names")
		}
		return inline{bytes.NewReader(b.Inline)}, nil
	}
	file, err := a.fetch(b)
	if err != nil {
		return nil, err
	}
	return os.Open(file)
}

func (a *attempt) stdin() (io.Reader, func(), error) {
	b := a.Spec.Stdin
	f, _, err := a.sole(job.AsStdin)
	if f != nil {
		b = f.Blob
	}
	switch {
	case err != nil:
		return nil, nil, err
	case !b.IsZero():
		r, err := a.open(b)
		if err != nil {
			return nil, nil, fmt.Errorf("standard input: %w", err)
		}
		return r, func() { _ = r.Close() }, nil
	case a.Task.Stdin != nil:
		return &puller{pull: a.Task.Stdin}, func() {}, nil
	}
	return nil, func() {}, nil
}
