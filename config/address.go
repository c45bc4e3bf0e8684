package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseAddress reads host:port and returns it in the one form used everywhere, IPv6 hosts in brackets. A missing port
// becomes defaultPort: 10.0.0.5, lab.local, ::1 and [::1] are all addresses.
func ParseAddress(text string, defaultPort int) (string, error) {
	if strings.Contains(text, "://") {
		return "", fmt.Errorf("must be host:port, not the URL %q", text)
	}
	host, port, err := splitAddress(text)
	if err != nil {
		return "", err
	}
	if port == "" {
		port = strconv.Itoa(defaultPort)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", fmt.Errorf("must have a port from 1 to 65535, not %q", text)
	}
	if err := checkHost(host); err != nil {
		return "", fmt.Errorf("must be host:port, not %q", text)
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// splitAddress parts text into host and port, either of which may be missing.
func splitAddress(text string) (host, port string, err error) {
	if _, err := netip.ParseAddr(text); err == nil {
		return text, "", nil
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]"), "", nil
	}
	if !strings.Contains(text, ":") {
		return text, "", nil
	}
	host, port, err = net.SplitHostPort(text)
	if err != nil {
		return "", "", fmt.Errorf("must be host:port, not %q", text)
	}
	if port == "" {
		return "", "", fmt.Errorf("must have a port from 1 to 65535, not %q", text)
	}
	return host, port, nil
}

// checkHost refuses what is neither an IP address nor a host name.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	valid := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return !valid(r) }) {
		return fmt.Errorf("must be an IP address or a host name, not %q", host)
	}
	return nil
}

// unspecified reports whether host means every interface rather than one machine.
func unspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// loopback reports whether host is reachable from its own machine only.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// sameHost is the form in which two spellings of one host compare equal.
func sameHost(host string) string {
	if strings.EqualFold(host, "localhost") {
		return "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(host)
}

// sameAddress is the form in which two spellings of one host:port compare equal.
func sameAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(sameHost(host), port)
}
