package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a duration such as 300ms, 1m30s or 7d. It refuses negative ones and numbers without a unit.
func ParseDuration(text string) (time.Duration, error) {
	d, err := parseDays(text)
	if err != nil {
		return 0, badDuration(text)
	}
	if d < 0 {
		return 0, fmt.Errorf("must not be negative, not %q", text)
	}
	return d, nil
}

// parseDays is time.ParseDuration with an optional leading number of days.
func parseDays(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("days of %q: %w", text, err)
	}
	if rest == "" {
		return time.Duration(n) * day, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > day {
		return 0, fmt.Errorf("%q after days", rest)
	}
	return time.Duration(n)*day + d, nil
}

func badDuration(text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return fmt.Errorf("needs a unit, as in %ss or %sms", text, text)
	}
	return fmt.Errorf("must be a duration such as 300ms, 10s or 1h30m, not %q", text)
}

// FormatDuration returns d as people write it, without the zero minutes and seconds that time.Duration prints: 1m, 24h, 1h30m.
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
