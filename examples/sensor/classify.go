package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// level says how urgent a report is. Higher is more urgent.
type level int

const (
	ok level = iota
	low
	medium
	high
	critical
)

var levelNames = [...]string{"ok", "low", "medium", "high", "critical"}

// String returns the level in lower case.
func (l level) String() string {
	return levelNames[l]
}

func parseLevel(name string) (level, error) {
	for i, known := range levelNames {
		if name == known {
			return level(i), nil
		}
	}
	return 0, fmt.Errorf("there is no level %q: %s", name, strings.Join(levelNames[:], ", "))
}

// thresholds are the values from which a kind of sensor is at the levels low to critical.
var thresholds = map[string][4]float64{
	"smoke":       {0.05, 0.15, 0.40, 0.80}, // share of light lost
	"temperature": {35, 45, 60, 90},         // °C
	"gas":         {50, 200, 800, 2000},     // ppm
	"water":       {0.2, 0.5, 1.0, 2.0},     // m above normal
	"vibration":   {2.0, 8.0, 25.0, 75.0},   // mm/s
}

// classify returns the level of one report, "time sensor kind value".
func classify(report string) (level, error) {
	fields := strings.Fields(report)
	if len(fields) != 4 {
		return 0, fmt.Errorf("want \"time sensor kind value\", not %q", report)
	}
	steps, known := thresholds[fields[2]]
	if !known {
		return 0, fmt.Errorf("no sensor measures %q", fields[2])
	}
	value, err := strconv.ParseFloat(fields[3], 64)
	if err != nil || math.IsNaN(value) {
		return 0, fmt.Errorf("%q is not a number", fields[3])
	}
	l := ok
	for l < critical && value >= steps[l] {
		l++
	}
	return l, nil
}

// tally counts the reports of each level, and the lines that are none.
type tally struct {
	levels [critical + 1]int
	bad    int
}

// String returns the summary, the most urgent first.
func (t tally) String() string {
	var parts []string
	for l := critical; l >= ok; l-- {
		parts = append(parts, fmt.Sprintf("%d %s", t.levels[l], l))
	}
	return fmt.Sprintf("%s, %d not understood", strings.Join(parts, ", "), t.bad)
}

// classifyAll passes each line that is a report to report, each other one but empty ones to bad, and counts both.
func classifyAll(in io.Reader, report func(level, string), bad func(number int, err error)) (tally, error) {
	var seen tally
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		l, err := classify(line)
		if err != nil {
			seen.bad++
			bad(number, err)
			continue
		}
		seen.levels[l]++
		report(l, line)
	}
	return seen, lines.Err()
}
