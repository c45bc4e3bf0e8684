//go:build race

package link_test

// reconnects are fewer under the race detector, which makes every TLS handshake
// many times dearer. A leak shows in two hundred as well.
const reconnects = 200
