//go:build !race

package link_test

const reconnects = 1000
