package job

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrInvalid is wrapped by every refusal of an id or a spec.
var ErrInvalid = errors.New("invalid")

// Bounds of what a client may ask for.
const (
	maxIDLength = 128
	maxItems    = 1024 // arguments, variables, files, outputs: each
	maxText     = 64 << 10
	maxQuorum   = 9
	maxAfter    = 256
	maxData     = 256 // named inputs, named results: each
)

// Valid says whether id can name a job.
func (id ID) Valid() error {
	if len(id) < 8 || len(id) > maxIDLength || strings.ContainsFunc(string(id), notInID) {
		return fmt.Errorf("job id %.40q: 8 to %d letters, digits and dashes are allowed: %w", id, maxIDLength, ErrInvalid)
	}
	return nil
}

// crockford is the alphabet of ULIDs.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// timeLength is how many letters of a ULID say when it was made.
const timeLength = 10

// Time returns when the id was made, by its maker's clock, in Unix milliseconds; 0 if it is no ULID.
func (id ID) Time() int64 {
	var ms int64
	for i := range min(timeLength, len(id)) {
		v := strings.IndexByte(crockford, id[i])
		if v < 0 || (i == 0 && v > 7) {
			return 0
		}
		ms = ms<<5 | int64(v)
	}
	return ms
}

// FirstAsked returns the node id of the broker that was first asked to take the job.
func (id ID) FirstAsked() string {
	_, rest, _ := strings.Cut(string(id), "-")
	node, _, _ := strings.Cut(rest, "-")
	return node
}

// FirstJournal returns the journal of the broker that was first asked, "" if the id does not say: the first one it ever had.
func (id ID) FirstJournal() string {
	_, rest, _ := strings.Cut(string(id), "-")
	_, journal, _ := strings.Cut(rest, "-")
	return journal
}

func notInID(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-'
}

// Valid says what is wrong with a spec, in words for the person who wrote it.
func (s *Spec) Valid() error {
	if s.Priority > 100 {
		return fmt.Errorf("priority %d: 0 to 100 are allowed: %w", s.Priority, ErrInvalid)
	}
	for _, c := range []struct {
		what    string
		n, most int
	}{
		{"arguments", len(s.Args), maxItems},
		{"variables", len(s.Env), maxItems},
		{"files", len(s.Files), maxItems},
		{"outputs", len(s.Outputs), maxItems},
		{"directories", len(s.Dirs), maxItems},
		{"data inputs", len(s.Data), maxData},
		{"named results", len(s.Results), maxData},
	} {
		if c.n > c.most {
			return fmt.Errorf("%d %s: at most %d are allowed: %w", c.n, c.what, c.most, ErrInvalid)
		}
	}
	return errors.Join(s.validTexts(), s.validPaths(), s.validRules(), s.validUses(), s.validResults())
}

func (s *Spec) validRules() error {
	if s.Quorum > maxQuorum {
		return fmt.Errorf("quorum %d: at most %d are allowed: %w", s.Quorum, maxQuorum, ErrInvalid)
	}
	if len(s.After) > maxAfter {
		return fmt.Errorf("%d predecessors: at most %d are allowed: %w", len(s.After), maxAfter, ErrInvalid)
	}
	seen := map[ID]bool{}
	for _, d := range s.After {
		if err := d.Job.Valid(); err != nil {
			return fmt.Errorf("predecessor: %w", err)
		}
		if seen[d.Job] || d.OnFailure > RunAnyway {
			return fmt.Errorf("predecessor %s: name it once, with fail, skip or run: %w", d.Job, ErrInvalid)
		}
		seen[d.Job] = true
	}
	return nil
}

func (s *Spec) validTexts() error {
	for _, e := range s.Env {
		if k, _, ok := strings.Cut(e, "="); !ok || k == "" || strings.ContainsRune(e, 0) {
			return fmt.Errorf("environment variable %.40q is not of the form KEY=VALUE: %w", e, ErrInvalid)
		}
	}
	total := len(s.Name) + len(s.Array) + len(s.Emergency) + len(s.Receiver)
	for _, a := range slices.Concat(s.Args, s.Env) {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("argument %.40q has a zero byte: %w", a, ErrInvalid)
		}
		total += len(a)
	}
	if total > maxText {
		return fmt.Errorf("names, arguments and environment have %d bytes, at most %d are allowed; use a file: %w", total, maxText, ErrInvalid)
	}
	return nil
}

func (s *Spec) validPaths() error {
	paths := slices.Concat(s.Outputs, s.Dirs)
	for _, f := range s.Files {
		paths = append(paths, f.Path)
	}
	for _, p := range []string{s.StdoutFile, s.StderrFile} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		if err := validPath(p); err != nil {
			return err
		}
	}
	if s.StdoutFile != "" && path.Clean(s.StdoutFile) == path.Clean(s.StderrFile) {
		return fmt.Errorf("standard output and standard error both go to %.80q: name two files: %w", s.StdoutFile, ErrInvalid)
	}
	return nil
}

// validUses says whether the program gets one module, at most one standard input, and its named data where it can find them.
func (s *Spec) validUses() error {
	modules, stdins := 0, 0
	for _, d := range s.Data {
		if err := d.valid(); err != nil {
			return err
		}
		switch d.As {
		case AsModule:
			modules++
		case AsStdin:
			stdins++
		case AsFile:
		}
	}
	switch {
	case s.Module.IsZero() && modules == 0:
		return fmt.Errorf("no module is named: %w", ErrInvalid)
	case modules > 1 || (modules == 1 && !s.Module.IsZero()):
		return fmt.Errorf("two modules are named: a job runs one: %w", ErrInvalid)
	case stdins > 1 || (stdins == 1 && (s.Streamed || !s.Stdin.IsZero())):
		return fmt.Errorf("standard input is named twice: a job has one: %w", ErrInvalid)
	}
	return nil
}

func (d DataInput) valid() error {
	if err := ValidDataPattern(d.Name); err != nil {
		return err
	}
	switch {
	case d.As > AsModule || d.OnFailure > RunAnyway:
		return fmt.Errorf("data %.80q: it is a file, standard input or the module, with fail, skip or run: %w", d.Name, ErrInvalid)
	case d.As == AsModule && d.OnFailure == RunAnyway:
		return fmt.Errorf("data %.80q: a job cannot run without its module: %w", d.Name, ErrInvalid)
	case d.As == AsFile:
		return validPath(d.Path)
	case isPattern(d.Name):
		return fmt.Errorf("data %.80q: standard input and the module are one thing each, name it: %w", d.Name, ErrInvalid)
	case d.Path != "":
		return fmt.Errorf("data %.80q: only a file has a path, here %.80q: %w", d.Name, d.Path, ErrInvalid)
	}
	return nil
}

func isPattern(name string) bool { return strings.HasSuffix(name, below) }

// validResults says whether no name stands for two results.
func (s *Spec) validResults() error {
	for i, r := range s.Results {
		from, many := strings.CutSuffix(r.Path, below)
		if err := errors.Join(ValidDataPattern(r.Name), validPath(from)); err != nil {
			return fmt.Errorf("named result %.80q: %w", r.Name, err)
		}
		if many != isPattern(r.Name) {
			return fmt.Errorf("named result %.80q of %.80q: out/* goes with a name that ends in /*, and one file with one name: %w", r.Name, r.Path, ErrInvalid)
		}
		for _, o := range s.Results[:i] {
			if Overlap(r.Name, o.Name) {
				return fmt.Errorf("named results %.80q and %.80q: the same name could stand for both: %w", o.Name, r.Name, ErrInvalid)
			}
		}
	}
	return nil
}

// Overlap says whether two names or patterns have a name in common.
func Overlap(a, b string) bool {
	dirA, manyA := strings.CutSuffix(a, "*")
	dirB, manyB := strings.CutSuffix(b, "*")
	switch {
	case manyA && manyB:
		return strings.HasPrefix(dirA, dirB) || strings.HasPrefix(dirB, dirA)
	case manyA:
		return strings.HasPrefix(b, dirA)
	case manyB:
		return strings.HasPrefix(a, dirB)
	}
	return a == b
}

// validPath refuses every path that is not plainly inside the job directory.
func validPath(p string) error {
	clean := path.Clean(p)
	if p == "" || len(p) > 4096 || strings.ContainsRune(p, 0) || path.IsAbs(p) || clean == ".." || strings.HasPrefix(clean, "../") || clean == "." {
		return fmt.Errorf("path %.80q: name a file inside the job's directory, such as in/data.txt: %w", p, ErrInvalid)
	}
	return nil
}
