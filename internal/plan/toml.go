package plan

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML reads a TOML document. The library decides whether it is one; a second walk over its syntax builds the values with their places.
func parseTOML(text []byte) (*section, *syntaxError) {
	if err := checkDepth(text); err != nil {
		return nil, err
	}
	w := &tomlWalk{lines: newLines(text), defined: map[*section]map[string]bool{}}
	var any map[string]any
	err := toml.Unmarshal(text, &any)
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := syntax.Position()
		return nil, notTOML(Position{line, column}, err)
	}
	root, failed := w.walk(text)
	if err != nil { // the library says what is given twice, but not where
		return nil, notTOML(w.twice, err)
	}
	return root, failed
}

func notTOML(at Position, err error) *syntaxError {
	return wrong(at, "is not TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
}

// tomlWalk builds values of a document whose syntax is right.
type tomlWalk struct {
	parser  unstable.Parser
	lines   lines
	budget  budget
	failed  *syntaxError
	defined map[*section]map[string]bool // keys that may not be defined again
	twice   Position                     // the first that was
}

func (w *tomlWalk) walk(text []byte) (*section, *syntaxError) {
	root := &section{}
	table := root
	w.parser.Reset(text)
	for w.failed == nil && w.parser.NextExpression() {
		node := w.parser.Expression()
		switch node.Kind { //nolint:exhaustive // the other kinds are no expressions
		case unstable.Table:
			table = w.table(root, node)
		case unstable.ArrayTable:
			table = w.element(root, node)
		case unstable.KeyValue:
			w.keyValue(table, node, 1)
		}
	}
	return root, w.failed
}

// at returns where the bytes of a node begin.
func (w *tomlWalk) at(node *unstable.Node) Position {
	if node.Raw.Length == 0 && node.Kind == unstable.Bool { // of which the parser keeps no range
		return w.lines.position(int(w.parser.Range(node.Data).Offset))
	}
	return w.lines.position(int(node.Raw.Offset))
}

// spend says whether there is room for one value more.
func (w *tomlWalk) spend(at Position, depth int) bool {
	if w.failed == nil {
		w.failed = w.budget.spend(at, depth)
	}
	return w.failed == nil
}

// parent follows all parts of node's key but the last, through the newest element of each array of tables, and returns the last part.
func (w *tomlWalk) parent(s *section, node *unstable.Node) (*section, *unstable.Node) {
	keys := node.Key()
	keys.Next()
	for depth := 1; !keys.IsLast() && w.spend(w.at(keys.Node()), depth); depth++ {
		s = w.child(s, keys.Node())
		keys.Next()
	}
	return s, keys.Node()
}

// child returns the section under a key, made if need be.
func (w *tomlWalk) child(s *section, key *unstable.Node) *section {
	f := s.get(string(key.Data))
	if f == nil {
		f = &field{string(key.Data), w.at(key), &value{w.at(key), &section{}}}
		s.fields = append(s.fields, f)
	}
	switch data := f.data.(type) {
	case *section:
		return data
	case *sequence:
		if n := len(data.items); n > 0 {
			if last, ok := data.items[n-1].data.(*section); ok {
				return last
			}
		}
	}
	return &section{} // the library has refused the document
}

func (w *tomlWalk) table(root *section, node *unstable.Node) *section {
	s, key := w.parent(root, node)
	child := w.child(s, key)
	w.define(s, key)
	return child
}

// define notes that a key is defined, and where if it is not the first time.
func (w *tomlWalk) define(s *section, key *unstable.Node) {
	if w.defined[s] == nil {
		w.defined[s] = map[string]bool{}
	}
	if w.defined[s][string(key.Data)] && w.twice == (Position{}) {
		w.twice = w.at(key)
	}
	w.defined[s][string(key.Data)] = true
}

// element begins the next element of an array of tables.
func (w *tomlWalk) element(root *section, node *unstable.Node) *section {
	s, key := w.parent(root, node)
	f := s.get(string(key.Data))
	if f == nil {
		f = &field{string(key.Data), w.at(key), &value{w.at(key), &sequence{}}}
		s.fields = append(s.fields, f)
	}
	all, ok := f.data.(*sequence)
	if !ok {
		return &section{} // the library has refused the document
	}
	next := &section{}
	all.items = append(all.items, &value{w.at(key), next})
	w.spend(w.at(key), 1)
	return next
}

func (w *tomlWalk) keyValue(s *section, node *unstable.Node, depth int) {
	s, key := w.parent(s, node)
	w.define(s, key)
	at := w.at(key)
	if !w.spend(at, depth) {
		return
	}
	s.fields = append(s.fields, &field{string(key.Data), at, w.value(node.Value(), at, depth+1)})
}

// value returns that of node, which begins at the place given unless the node knows better.
func (w *tomlWalk) value(node *unstable.Node, at Position, depth int) *value {
	if node.Kind != unstable.Array { // of which the parser keeps no range
		at = w.at(node)
	}
	v := &value{at: at}
	if !w.spend(at, depth) {
		return v
	}
	switch node.Kind {
	case unstable.Array:
		v.data = w.sequence(node, at, depth)
	case unstable.InlineTable:
		s := &section{}
		for children := node.Children(); children.Next(); {
			w.keyValue(s, children.Node(), depth+1)
		}
		v.data = s
	default:
		v.data = w.scalar(node)
	}
	return v
}

func (w *tomlWalk) sequence(node *unstable.Node, at Position, depth int) *sequence {
	s := &sequence{}
	for children := node.Children(); children.Next(); {
		s.items = append(s.items, w.value(children.Node(), at, depth+1))
	}
	return s
}

func (w *tomlWalk) scalar(node *unstable.Node) any {
	text := string(node.Data)
	digits := strings.ReplaceAll(text, "_", "")
	switch node.Kind { //nolint:exhaustive // the rest are dates and times
	case unstable.String:
		return text
	case unstable.Bool:
		return text == "true"
	case unstable.Integer:
		if n, err := strconv.ParseInt(digits, 0, 64); err == nil {
			return n
		}
		return math.Inf(1) // the library has refused it
	case unstable.Float:
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return f
		}
		return math.NaN() // the library has refused it
	}
	return date(text)
}
