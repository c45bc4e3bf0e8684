package config

import "net/netip"

// What the specs see of the inside.
var (
	Leaves           = leaves
	Show             = show
	GeneralVariables = generalVariables
)

// Setting is a setting as the specs see it.
type Setting struct {
	Key, Env, Flag, Doc string
	Parse               func(text string) (any, error)
}

// Settings returns the table of settings.
func Settings() []Setting {
	list := make([]Setting, len(settings))
	for i, s := range settings {
		list[i] = Setting{Key: s.key, Env: s.env(), Flag: s.flag(), Doc: s.doc, Parse: s.parse}
	}
	return list
}

// OnMachine returns what [LocalHosts] returns on a machine of that name, addresses and resolver.
func OnMachine(name string, addresses []netip.Addr, lookup func(host string) ([]string, error)) func(host string) bool {
	return machine{name: name, addresses: addresses, lookup: lookup}.isLocal
}
