package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind says what the values of a setting look like. Errors of read and parse continue the sentence that begins with
// the setting's key: "must be a whole number, not …".
type kind struct {
	// read takes a value of a file; strict about its type.
	read func(v value) (any, error)
	// parse takes the text of a variable or flag.
	parse func(text string) (any, error)
	// word stands for a value in the help of a flag.
	word string
	// path marks values that are relative to the file they stand in.
	path bool
}

// scalar is a kind of single values. accepts says which types of a file it takes; the text is then parsed as a flag's would be.
func scalar(word, want string, accepts func(data any) bool, parse func(string) (any, error)) kind {
	read := func(v value) (any, error) {
		if !accepts(v.data) {
			return nil, fmt.Errorf("must be %s, not %s", want, describe(v))
		}
		if s, ok := v.data.(string); ok {
			return parse(s)
		}
		return parse(fmt.Sprint(v.data))
	}
	return kind{read: read, parse: parse, word: word}
}

func isString(data any) bool { _, ok := data.(string); return ok }
func isWhole(data any) bool  { _, ok := data.(int64); return ok }
func isBool(data any) bool   { _, ok := data.(bool); return ok }
func isNumber(data any) bool { _, ok := data.(float64); return ok || isWhole(data) }

// text is a kind of words that check accepts.
func text(word string, check func(string) error) kind {
	return scalar(word, "text in quotes", isString, func(s string) (any, error) {
		return s, check(s)
	})
}

// label is a name that can also be a file's.
func label() kind { return text("name", checkName) }

// checkName refuses what cannot be the name of a file everywhere.
func checkName(name string) error {
	valid := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if name == "" || len(name) > 63 || name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, func(r rune) bool { return !valid(r) }) {
		return fmt.Errorf("must be fit for a file name (up to 63 letters, digits, dots, dashes and underscores, first a letter or digit), not %q", name)
	}
	return nil
}

// path is a file or directory; relative ones are relative to the configuration file they stand in.
func path() kind {
	k := text("path", func(s string) error {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("must be a path, not %q", s)
		}
		return nil
	})
	k.path = true
	return k
}

// host is a host to listen on; empty means every interface.
func host() kind {
	return text("host", func(s string) error {
		if s == "" {
			return nil
		}
		return checkHost(s)
	})
}

// oneOf is a choice between words.
func oneOf(words ...string) kind {
	return text(strings.Join(words, "|"), func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("must be one of %s, not %q", strings.Join(words, ", "), s)
	})
}

// whole is a whole number from least to most.
func whole(least, most int) kind {
	return scalar("number", "a whole number", isWhole, func(s string) (any, error) {
		n, err := strconv.Atoi(s)
		switch {
		case errors.Is(err, strconv.ErrRange), err == nil && (n < least || n > most):
			return nil, fmt.Errorf("must be from %d to %d, not %s", least, most, s)
		case err != nil:
			return nil, fmt.Errorf("must be a whole number, not %q", s)
		}
		return n, nil
	})
}

// boolean is true or false.
func boolean() kind {
	return scalar("", "true or false", isBool, func(s string) (any, error) {
		switch s {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, fmt.Errorf("must be true or false, not %q", s)
	})
}

// share is a part of one, from 0 to 1.
func share() kind {
	return scalar("share", "a number from 0 to 1", isNumber, func(s string) (any, error) {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= 0 && f <= 1) { // NaN is not either
			return nil, fmt.Errorf("must be a number from 0 to 1, not %q", s)
		}
		return f, nil
	})
}

// wire is on, off, or the name of a network interface. Files may say true and false.
func wire() kind {
	accepts := func(data any) bool { return isString(data) || isBool(data) }
	return scalar("on|off|interface", "on, off or the name of a network interface", accepts, func(s string) (any, error) {
		switch s {
		case "true":
			return MDNSOn, nil
		case "false":
			return MDNSOff, nil
		}
		if s == "" || len(s) > maxInterface || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '/' || r >= 0x7f }) {
			return nil, fmt.Errorf("must be on, off or the name of a network interface, not %q", s)
		}
		return s, nil
	})
}

// maxInterface bounds the name of a network interface; some systems have long ones.
const maxInterface = 63

// duration is a positive length of time.
func duration() kind {
	accepts := func(data any) bool { return isString(data) || isNumber(data) }
	return scalar("duration", "a duration such as 300ms, 10s or 1h30m", accepts, func(s string) (any, error) {
		d, err := ParseDuration(s)
		if err == nil && d < time.Millisecond {
			err = fmt.Errorf("must be at least 1ms, not %q", s)
		}
		return d, err
	})
}

// size is a number of bytes from 1 to most.
func size(most Size) kind {
	accepts := func(data any) bool { return isString(data) || isNumber(data) }
	return scalar("size", "a size such as 256MiB", accepts, func(s string) (any, error) {
		n, err := ParseSize(s)
		if err == nil && (n < 1 || n > most) {
			err = fmt.Errorf("must be from 1B to %s, not %q", most, s)
		}
		return n, err
	})
}

// optionalAddress is a host:port; empty or "off" means none.
func optionalAddress(defaultPort int) kind {
	k := text("host:port", nil)
	parse := func(s string) (any, error) {
		if s == "" || s == "off" {
			return "", nil
		}
		return ParseAddress(s, defaultPort)
	}
	return scalar(k.word, "host:port", isString, parse)
}

// storage is the URL of a place for bytes; empty means in the node's directory.
func storage() kind {
	return text("URL", func(s string) error {
		scheme, rest, ok := strings.Cut(s, "://")
		if s == "" || ok && rest != "" && (scheme == "file" && rest[0] == '/' || scheme == "s3") {
			return nil
		}
		return fmt.Errorf("must be file:///DIRECTORY or s3://BUCKET, not %q", s)
	})
}
