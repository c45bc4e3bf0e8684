package emergency

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Level says what an emergency does to the jobs of a network.
type Level uint8

// The levels. None is no emergency at all.
const (
	None Level = iota
	Low
	Medium
	High
	Critical
)

var levels = []string{"none", "low", "medium", "high", "critical"}

// String returns the level's word.
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// ParseLevel returns the level that a person may declare by that word.
func ParseLevel(word string) (Level, error) {
	for i, w := range levels {
		if w == strings.ToLower(word) && i > 0 {
			return Level(i), nil
		}
	}
	return None, fmt.Errorf("level %q: low, medium, high and critical are there: %w", word, ErrInvalid)
}

// Emergency is the replicated record of one declaration. Treat it as immutable.
type Emergency struct {
	ID     string
	Type   string // fire, medical, flood, …
	Level  Level
	Area   string // "" for everywhere
	Reason string
	By     string // node id of who declared it
	ByName string
	Broker string // node id of the broker that it was declared at
	At     vclock.Hybrid
	TTL    time.Duration // how long it is in force from when a broker hears of it; 0: until it is cleared
	Over   *Over         // nil while it is in force
	Ended  bool          // it need not be kept any longer: nothing will be written to it any more
}

// Over says that an emergency is over.
type Over struct {
	By     string // node id
	ByName string
	Reason string
	At     vclock.Hybrid
}

// Active says whether the emergency is in force.
func (e Emergency) Active() bool { return e.Over == nil }

// Cleared returns e as it is when somebody says that it is over. It stays as it is if somebody has said so before.
func (e Emergency) Cleared(o Over) Emergency {
	if e.Over == nil {
		e.Over = &o
	}
	return e
}

// End returns e when it need not be kept any longer.
func (e Emergency) End() Emergency {
	e.Ended = true
	return e
}

// Merge returns the join of two versions of one record: of two ends the first one, and of two declarations under one id, which no honest client
// makes, the first one too.
func (e Emergency) Merge(o Emergency) Emergency {
	m := e
	if o.declared(e) < 0 {
		m = o
	}
	m.Over = first(e.Over, o.Over)
	m.Ended = e.Ended || o.Ended
	return m
}

// declared orders declarations.
func (e Emergency) declared(o Emergency) int {
	return cmp.Or(e.At.Compare(o.At), cmp.Compare(string(e.appendDeclared(nil)), string(o.appendDeclared(nil))))
}

// first returns the end that was said first, by whoever comes first among those who said it at one time.
func first(a, b *Over) *Over {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case cmp.Or(a.At.Compare(b.At), cmp.Compare(a.By, b.By), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.ByName, b.ByName)) <= 0:
		return a
	}
	return b
}

// version opens every encoding; an unknown one is refused.
const version = 1

// Append appends the canonical encoding of e to b.
func (e Emergency) Append(b []byte) []byte {
	b = e.appendDeclared(canon.AppendUint(b, uint8(version)))
	b = canon.AppendBool(canon.AppendBool(b, e.Ended), e.Over != nil)
	if o := e.Over; o != nil {
		b = canon.AppendString(canon.AppendString(canon.AppendString(b, o.By), o.ByName), o.Reason)
		b = appendTime(b, o.At)
	}
	return b
}

func (e Emergency) appendDeclared(b []byte) []byte {
	for _, text := range []string{e.ID, e.Type, e.Area, e.Reason, e.By, e.ByName, e.Broker} {
		b = canon.AppendString(b, text)
	}
	return canon.AppendDuration(appendTime(canon.AppendUint(b, e.Level), e.At), e.TTL)
}

func appendTime(b []byte, t vclock.Hybrid) []byte {
	return canon.AppendUint(canon.AppendUint(b, uint64(t.Wall)), t.Logical)
}

func readTime(r *canon.Reader) vclock.Hybrid {
	return vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
}

// Decode returns the emergency whose canonical encoding is b.
func Decode(b []byte) (Emergency, error) {
	r := canon.NewReader(b)
	if v := r.Byte(); v != version {
		return Emergency{}, fmt.Errorf("emergency of format %d: %w", v, canon.ErrMalformed)
	}
	e := Emergency{ID: r.String(), Type: r.String(), Area: r.String(), Reason: r.String(), By: r.String(), ByName: r.String(), Broker: r.String()}
	e.Level, e.At, e.TTL = Level(r.Byte()), readTime(r), r.Duration()
	e.Ended = r.Bool()
	if r.Bool() {
		e.Over = &Over{By: r.String(), ByName: r.String(), Reason: r.String(), At: readTime(r)}
	}
	if err := r.Err(); err != nil {
		return Emergency{}, fmt.Errorf("emergency: %w", err)
	}
	if e.Level < Low || e.Level > Critical {
		return Emergency{}, fmt.Errorf("emergency of level %d: %w", e.Level, canon.ErrMalformed)
	}
	return e, nil
}

// ErrInvalid is wrapped by every refusal of a declaration.
var ErrInvalid = errors.New("invalid")

// Bounds of a declaration.
const (
	maxType = 64
	maxArea = 128
	maxText = 1024
	maxTTL  = 366 * 24 * time.Hour
)

// Valid says what is wrong with a declaration, in words for the person who made it.
func (e Emergency) Valid() error {
	switch {
	case e.Type == "" || len(e.Type) > maxType || strings.ContainsFunc(e.Type, notInType):
		return fmt.Errorf("type %.40q: 1 to %d small letters, digits and dashes are allowed: %w", e.Type, maxType, ErrInvalid)
	case e.Level < Low || e.Level > Critical:
		return fmt.Errorf("level %d: 1 (low) to 4 (critical) are allowed: %w", e.Level, ErrInvalid)
	case len(e.Area) > maxArea || strings.ContainsFunc(e.Area, unicode.IsControl):
		return fmt.Errorf("area %.40q: up to %d bytes without control characters are allowed: %w", e.Area, maxArea, ErrInvalid)
	case e.TTL < 0 || e.TTL > maxTTL:
		return fmt.Errorf("time to live %s: up to %s is allowed, 0 for until it is cleared: %w", e.TTL, maxTTL, ErrInvalid)
	}
	return ValidReason(e.Reason)
}

// ValidReason says what is wrong with a reason that a person gave.
func ValidReason(reason string) error {
	if len(reason) > maxText || strings.ContainsFunc(reason, unicode.IsControl) {
		return fmt.Errorf("reason %.40q: up to %d bytes on one line are allowed: %w", reason, maxText, ErrInvalid)
	}
	return nil
}

func notInType(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != '-' }
