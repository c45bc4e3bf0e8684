package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// parseJSON reads a JSON document, token by token, so that each value has its place.
func parseJSON(text []byte) (*section, *syntaxError) {
	r := &jsonReader{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), lines: newLines(text)}
	r.decoder.UseNumber()
	if len(bytes.TrimSpace(text)) == 0 {
		return &section{}, nil
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	root, ok := v.data.(*section)
	if !ok {
		return nil, wrong(v.at, "must be keys and values in { }, not %s", describe(v))
	}
	if at := r.next(); at < len(text) {
		return nil, wrong(r.lines.position(at), "is not JSON: there is more after its end")
	}
	return root, nil
}

type jsonReader struct {
	text    []byte
	decoder *json.Decoder
	lines   lines
	budget  budget
}

// next returns the offset at which the next token begins.
func (r *jsonReader) next() int {
	at := int(r.decoder.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[at]) >= 0 {
		at++
	}
	return at
}

// token returns the next token and where it begins.
func (r *jsonReader) token() (json.Token, Position, *syntaxError) {
	at := r.lines.position(r.next())
	t, err := r.decoder.Token()
	switch syntax, ok := errors.AsType[*json.SyntaxError](err); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, at, wrong(Position{lastLine(r.text), 1}, "is not JSON: it ends before its last bracket")
	case ok:
		return nil, at, wrong(at, "is not JSON: %s", syntax.Error())
	case err != nil:
		return nil, at, wrong(at, "is not JSON: %s", err)
	}
	return t, at, nil
}

func (r *jsonReader) value(depth int) (*value, *syntaxError) {
	t, at, err := r.token()
	if err == nil {
		err = r.budget.spend(at, depth)
	}
	if err != nil {
		return nil, err
	}
	v := &value{at: at}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			v.data, err = r.section(depth)
		} else {
			v.data, err = r.sequence(depth)
		}
	case json.Number:
		v.data = number(t)
	default: // nil, bool, string
		v.data = t
	}
	return v, err
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, _ := n.Float64() // too large is infinite, which nothing here may be
	return f
}

func (r *jsonReader) section(depth int) (*section, *syntaxError) {
	s, seen := &section{}, map[string]Position{}
	for r.decoder.More() {
		t, at, err := r.token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, wrong(at, "is not JSON: a key is a text in quotes")
		}
		if first, found := seen[key]; found {
			return nil, wrong(at, "key %.80q is already given on line %d", key, first.Line)
		}
		seen[key] = at
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		s.fields = append(s.fields, &field{key, at, v})
	}
	_, _, err := r.token()
	return s, err
}

func (r *jsonReader) sequence(depth int) (*sequence, *syntaxError) {
	s := &sequence{}
	for r.decoder.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		s.items = append(s.items, v)
	}
	_, _, err := r.token()
	return s, err
}
