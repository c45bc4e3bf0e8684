package config

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlWalk follows the syntax of a document to learn where its keys stand.
type tomlWalk struct {
	parser   unstable.Parser
	ends     []int           // offsets of the line feeds
	lines    map[string]int  // of keys, by path: nodes[1].slots
	elements map[string]int  // of an array of tables so far, by its path
	defined  map[string]bool // paths that may not be defined again
	twice    int             // line of the first that was
}

// walkTOML learns the line of every key of a document whose syntax is right.
func walkTOML(data []byte) *tomlWalk {
	w := &tomlWalk{lines: make(map[string]int), elements: make(map[string]int), defined: make(map[string]bool)}
	for i, c := range data {
		if c == '\n' {
			w.ends = append(w.ends, i)
		}
	}
	w.parser.Reset(data)
	table := ""
	for w.parser.NextExpression() {
		node := w.parser.Expression()
		switch node.Kind { //nolint:exhaustive // the other kinds are no expressions
		case unstable.Table:
			table = w.path("", node)
			w.define(table, node)
		case unstable.ArrayTable:
			table = w.element(node)
		case unstable.KeyValue:
			w.keyValue(table, node)
		}
	}
	return w
}

// line returns the line that raw begins on.
func (w *tomlWalk) line(raw unstable.Range) int {
	before, _ := slices.BinarySearch(w.ends, int(raw.Offset))
	return before + 1
}

// path returns the path of node's key under parent, through the newest element of each array of tables on the way.
func (w *tomlWalk) path(parent string, node *unstable.Node) string {
	path := parent
	for keys := node.Key(); keys.Next(); {
		path = joinKey(path, string(keys.Node().Data))
		line := w.line(keys.Node().Raw)
		if n := w.elements[path]; n > 0 {
			path = indexKey(path, n-1)
		}
		if _, known := w.lines[path]; !known {
			w.lines[path] = line
		}
	}
	return path
}

// define notes that node defines path, and where if it is not the first.
func (w *tomlWalk) define(path string, node *unstable.Node) {
	if w.defined[path] && w.twice == 0 {
		w.twice = w.keyLine(node)
	}
	w.defined[path] = true
}

// keyLine returns the line of the last part of node's key.
func (w *tomlWalk) keyLine(node *unstable.Node) int {
	line := 0
	for keys := node.Key(); keys.Next(); {
		line = w.line(keys.Node().Raw)
	}
	return line
}

// element begins the next element of an array of tables and returns its path.
func (w *tomlWalk) element(node *unstable.Node) string {
	array := w.path("", node)
	if open := strings.LastIndexByte(array, '['); open >= 0 && strings.HasSuffix(array, "]") {
		array = array[:open] // the path leads to the element before
	}
	path := indexKey(array, w.elements[array])
	w.elements[array]++
	w.lines[path] = w.keyLine(node)
	return path
}

func (w *tomlWalk) keyValue(table string, node *unstable.Node) {
	path := w.path(table, node)
	w.define(path, node)
	w.inside(path, node.Value())
}

// inside learns the lines of what stands in an inline table or array.
func (w *tomlWalk) inside(path string, node *unstable.Node) {
	index := 0
	for children := node.Children(); children.Next(); index++ {
		child := children.Node()
		if child.Kind == unstable.KeyValue {
			w.keyValue(path, child)
			continue
		}
		element := indexKey(path, index)
		if child.Raw.Length > 0 {
			w.lines[element] = w.line(child.Raw)
		}
		w.inside(element, child)
	}
}
