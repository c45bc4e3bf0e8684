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
	if s.Module.IsZero() {
		return fmt.Errorf("no module is named: %w", ErrInvalid)
	}
	if s.Priority > 100 {
		return fmt.Errorf("priority %d: 0 to 100 are allowed: %w", s.Priority, ErrInvalid)
	}
	for what, n := range map[string]int{"arguments": len(s.Args), "variables": len(s.Env), "files": len(s.Files), "outputs": len(s.Outputs)} {
		if n > maxItems {
			return fmt.Errorf("%d %s: at most %d are allowed: %w", n, what, maxItems, ErrInvalid)
		}
	}
	return errors.Join(s.validTexts(), s.validPaths(), s.validRules())
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
	total := len(s.Name) + len(s.Array) + len(s.Emergency)
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
	for _, f := range s.Files {
		if err := validPath(f.Path); err != nil {
			return err
		}
	}
	for _, o := range s.Outputs {
		if err := validPath(o); err != nil {
			return err
		}
	}
	return nil
}

// validPath refuses every path that is not plainly inside the job directory.
func validPath(p string) error {
	clean := path.Clean(p)
	if p == "" || len(p) > 4096 || strings.ContainsRune(p, 0) || path.IsAbs(p) || clean == ".." || strings.HasPrefix(clean, "../") || clean == "." {
		return fmt.Errorf("path %.80q: name a file inside the job's directory, such as in/data.txt: %w", p, ErrInvalid)
	}
	return nil
}
