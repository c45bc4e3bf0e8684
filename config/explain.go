package config

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Effective is a setting as it applies, and why.
type Effective struct {
	Key    string
	Value  any // string, int, bool, float64, time.Duration, Size, []string or map[string]string
	Source Source
	Doc    string // one sentence about the setting
}

// Effective returns all settings of the node, in the order they are documented.
func (r Resolved) Effective() []Effective {
	values := leaves(r.Node)
	list := make([]Effective, len(settings))
	for i, s := range settings {
		list[i] = Effective{Key: s.key, Value: values[s.key], Source: r.sources[s.key], Doc: s.doc}
	}
	return list
}

// WriteText writes one line for each setting: key, value and where it comes from.
func (r Resolved) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range r.Effective() {
		text := show(e.Value)
		if text == "" {
			text = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", e.Key, text, e.Source) //nolint:errcheck // told by Flush
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// MarshalJSON returns {"items": [{"key", "value", "source"}, …]}. A duration has value_ms instead of value, in whole
// milliseconds, and a size value_bytes; a value of a file has file and line besides.
func (r Resolved) MarshalJSON() ([]byte, error) {
	items := make([]map[string]any, 0, len(settings))
	for _, e := range r.Effective() {
		items = append(items, e.json())
	}
	return json.Marshal(map[string]any{"items": items})
}

func (e Effective) json() map[string]any {
	item := map[string]any{"key": e.Key, "source": e.Source.String()}
	if e.Source.Kind == FromFile {
		item["file"], item["line"] = e.Source.Name, e.Source.Line
	}
	switch v := e.Value.(type) {
	case time.Duration:
		item["value_ms"] = v.Milliseconds()
	case Size:
		item["value_bytes"] = int64(v)
	case []string:
		item["value"] = append([]string{}, v...) // [] and not null
	case map[string]string:
		labels := maps.Clone(v)
		if labels == nil {
			labels = map[string]string{}
		}
		item["value"] = labels
	default:
		item["value"] = v
	}
	return item
}

// show returns a value as a flag would be given it.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Duration:
		return FormatDuration(v)
	case Size:
		return v.String()
	case []string:
		return strings.Join(v, ",")
	case map[string]string:
		pairs := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, name+"="+v[name])
		}
		return strings.Join(pairs, ",")
	}
	return fmt.Sprint(v)
}
