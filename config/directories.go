package config

import (
	"cmp"
	"errors"
	"path/filepath"
)

// Directories are the places where ucp keeps its files on this machine.
type Directories struct {
	Data   string // of nodes
	Config string // node.yaml and contexts.yaml
	Cache  string // what can be made again
}

// Contexts returns the file of the saved networks.
func (d Directories) Contexts() string { return filepath.Join(d.Config, "contexts.yaml") }

// Directories returns where files belong: for root /var/lib/ucp, /etc/ucp and /var/cache/ucp, for others ucp in the XDG
// base directories; UCP_DATA_DIR, UCP_CONFIG_DIR and UCP_CACHE_DIR win. It fails when nothing
// says where home is; what is known without it is returned nevertheless.
func (e Environment) Directories() (Directories, error) {
	data, errData := e.directory(EnvDataDir, "/var/lib/ucp", "XDG_DATA_HOME", ".local/share")
	config, errConfig := e.directory(EnvConfigDir, "/etc/ucp", "XDG_CONFIG_HOME", ".config")
	cache, errCache := e.directory(EnvCacheDir, "/var/cache/ucp", "XDG_CACHE_HOME", ".cache")
	return Directories{Data: data, Config: config, Cache: cache}, cmp.Or(errData, errConfig, errCache)
}

// directory returns the directory that variable own, else the user's kind and XDG's variable decide.
func (e Environment) directory(own, forRoot, xdg, underHome string) (string, error) {
	if dir := e.Variables[own]; dir != "" {
		return besideFile("", dir), nil
	}
	if e.Root {
		return forRoot, nil
	}
	if dir := e.Variables[xdg]; filepath.IsAbs(dir) { // the XDG specification ignores relative ones
		return filepath.Join(dir, "ucp"), nil
	}
	if home := e.Variables["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, underHome, "ucp"), nil
	}
	return "", errors.New("HOME is not set: set " + own + " to a directory")
}

// NodeFile returns the node file to use when no flag names one: that of UCP_CONFIG, else node.yaml or node.toml in the
// configuration directory if exists says so, else "".
func (e Environment) NodeFile(exists func(path string) bool) string {
	if file := e.Variables[EnvConfig]; file != "" {
		return file
	}
	dirs, err := e.Directories()
	if err != nil {
		return ""
	}
	for _, name := range []string{"node.yaml", "node.toml"} {
		if file := filepath.Join(dirs.Config, name); exists(file) {
			return file
		}
	}
	return ""
}
