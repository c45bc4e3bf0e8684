package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// roles is a list of roles, each named once.
func roles() kind {
	known := []string{RoleBroker, RoleExecutor, RoleDatastore, RoleAuto}
	return list("role", func(s string) (string, error) {
		if slices.Contains(known, s) {
			return s, nil
		}
		return "", fmt.Errorf("has %s", unknown("role", s, known))
	})
}

// addresses is a list of host:port.
func addresses(defaultPort int) kind {
	return list("host:port", func(s string) (string, error) { return ParseAddress(s, defaultPort) })
}

// list is a list of words, without repetition; in variables and flags they are separated by commas.
func list(word string, one func(string) (string, error)) kind {
	collect := func(words []string) (any, error) {
		var items []string
		for _, s := range words {
			item, err := one(s)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(items, item) {
				items = append(items, item)
			}
		}
		return items, nil
	}
	read := func(v value) (any, error) {
		words, err := readWords(word, v)
		if err != nil {
			return nil, err
		}
		return collect(words)
	}
	return kind{read: read, parse: func(s string) (any, error) { return collect(splitCommas(s)) }, word: word + ",…"}
}

func readWords(word string, v value) ([]string, error) {
	items, ok := v.data.([]value)
	if !ok {
		return nil, fmt.Errorf("must be a list such as [%s], not %s", word, describe(v))
	}
	words := make([]string, len(items))
	for i, item := range items {
		if words[i], ok = item.data.(string); !ok {
			return nil, fmt.Errorf("must be a list of text, and item %d is %s", i+1, describe(item))
		}
	}
	return words, nil
}

func splitCommas(s string) []string {
	var words []string
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// labels is a section of free names and short texts; in variables and flags it is written name=text,name=text.
func labels() kind {
	return kind{read: readLabels, parse: parseLabels, word: "name=text,…"}
}

func readLabels(v value) (any, error) {
	fields, ok := v.data.([]field)
	if !ok {
		return nil, fmt.Errorf("must be a section such as {location: north}, not %s", describe(v))
	}
	var set map[string]string
	for _, f := range fields {
		switch f.data.(type) {
		case []value, []field:
			return nil, fmt.Errorf("must be names and texts, and %q is %s", f.key, describe(f.value))
		}
		var err error
		if set, err = addLabel(set, f.key, f.raw); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func parseLabels(s string) (any, error) {
	var set map[string]string
	for _, pair := range splitCommas(s) {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("must be name=text pairs with commas between them, not %q", s)
		}
		var err error
		if set, err = addLabel(set, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// addLabel adds a label to set, which may be nil, and refuses what a job could not ask for.
func addLabel(set map[string]string, name, value string) (map[string]string, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("has a name that %w", err)
	}
	if len(value) > 255 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' }) {
		return nil, errors.New("must have texts of up to 255 characters without commas and line ends; " + name + " has another")
	}
	if set == nil {
		set = make(map[string]string)
	}
	set[name] = value
	return set, nil
}
