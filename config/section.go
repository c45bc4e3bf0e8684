package config

import (
	"path/filepath"
	"slices"
)

// assigned is a value given to a setting, and by whom.
type assigned struct {
	value  any
	source Source
}

// layer is what one source says: settings by key.
type layer map[string]assigned

// sectionReader reads the settings of one section of a file, and collects what is wrong in it.
type sectionReader struct {
	document
	problems *problems
	prefix   string               // of the section in the file, as nodes[1]; empty at the top
	allowed  func(s setting) bool // which settings may stand here
	refusal  func(s setting) string
	found    layer
}

// read takes all fields in, whose keys continue parent.
func (r *sectionReader) read(parent string, fields []field) {
	for _, f := range fields {
		key := joinKey(parent, f.key)
		s, known := settingOf(key)
		switch {
		case known:
			r.assign(s, f)
		case isSection(key):
			r.section(key, f)
		default:
			r.problems.add(r.at(f.line), "%s", unknown("key", key, r.keys(parent)))
		}
	}
}

func (r *sectionReader) section(key string, f field) {
	switch data := f.data.(type) {
	case nil:
	case []field:
		r.read(key, data)
	default:
		r.problems.add(r.at(f.line), "%s must be a section with keys of its own, not %s", joinKey(r.prefix, key), describe(f.value))
	}
}

func (r *sectionReader) assign(s setting, f field) {
	at := r.at(f.line)
	switch _, twice := r.found[s.key]; {
	case !r.allowed(s):
		r.problems.add(at, "%s", r.refusal(s))
		return
	case twice:
		r.problems.add(at, "%s is given twice", joinKey(r.prefix, s.key))
		return
	case f.data == nil: // a key without a value leaves the default
		return
	}
	v, err := s.read(f.value)
	if err != nil {
		r.problems.add(at, "%s %s", joinKey(r.prefix, s.key), err)
		return
	}
	r.found[s.key] = assigned{value: r.absolute(s, v), source: at}
}

// absolute makes a path of a file absolute.
func (r *sectionReader) absolute(s setting, v any) any {
	if p, ok := v.(string); ok && s.path && p != "" {
		return besideFile(r.file, p)
	}
	return v
}

// besideFile returns p, relative to the directory of file, as an absolute path.
func besideFile(file, p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(filepath.Dir(file), p)
	}
	if whole, err := filepath.Abs(p); err == nil {
		return whole
	}
	return p
}

// keys are the keys that may stand beside a key whose parent is given, and, at the top, all that lie deeper.
func (r *sectionReader) keys(parent string) []string {
	var keys []string
	for _, s := range settings {
		if r.allowed(s) && (parent == "" || isUnder(s.key, parent)) {
			keys = append(keys, s.key)
		}
	}
	slices.Sort(keys)
	return keys
}

func isUnder(key, parent string) bool {
	return len(key) > len(parent) && key[:len(parent)] == parent && key[len(parent)] == '.'
}
