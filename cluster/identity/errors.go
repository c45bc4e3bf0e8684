package identity

import (
	"fmt"
	"time"
)

// ExpiredError says that a certificate's time is over.
type ExpiredError struct {
	Peer     Peer
	NotAfter time.Time
	Now      time.Time
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("certificate of %s expired at %s and this machine's clock says %s: set the clock if it is wrong, else renew the certificate with `ucp join` on that node",
		e.Peer, stamp(e.NotAfter), stamp(e.Now))
}

// NotYetValidError says that a certificate's time has not begun: one of two
// clocks is wrong.
type NotYetValidError struct {
	Peer      Peer
	NotBefore time.Time
	Now       time.Time
}

func (e *NotYetValidError) Error() string {
	return fmt.Sprintf("certificate of %s is valid from %s but this machine's clock says %s: set the clock here, or on the machine that issued it and run `ucp join` again",
		e.Peer, stamp(e.NotBefore), stamp(e.Now))
}

// ForeignError says that a certificate was not issued by this network's CA.
type ForeignError struct {
	// Name is the label in the foreign certificate: a claim, unverified.
	Name string
	// Claimed is the network it claims, empty if it claims none.
	Claimed NetworkID
	// Ours is the network of whoever verified.
	Ours NetworkID
	// Err says why the chain did not verify.
	Err error
}

func (e *ForeignError) Error() string {
	if e.Claimed == e.Ours {
		return fmt.Sprintf("certificate of %q claims network %s but its CA did not sign it: an intruder, or a damaged certificate; enrol that node with `ucp join`", e.Name, short(e.Ours))
	}
	theirs := short(e.Claimed)
	if theirs == "" {
		theirs = "none"
	}
	return fmt.Sprintf("certificate of %q is of another network (%s, this is %s): check the address, or enrol one of the two with `ucp join`", e.Name, theirs, short(e.Ours))
}

// Unwrap returns why the chain did not verify.
func (e *ForeignError) Unwrap() error { return e.Err }

// ImpostorError says that a certificate or connection is not of the node it
// should be.
type ImpostorError struct {
	Want, Got NodeID
}

func (e *ImpostorError) Error() string {
	return fmt.Sprintf("peer is node %s, not %s: the address belongs to another node now, or someone is in between", e.Got, e.Want)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// short returns enough of a network id to tell networks apart by eye.
func short(n NetworkID) string {
	if len(n) > 12 {
		n = n[:12]
	}
	return string(n)
}
