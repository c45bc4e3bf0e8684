package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"
)

// How long a change of contexts.yaml waits for another process's, and how often it tries.
const (
	lockTimeout = 5 * time.Second
	lockRetry   = 10 * time.Millisecond
)

// contextsHeader says what the file is to whoever opens it.
const contextsHeader = "# Networks that ucp knows; \"ucp context\" lists and changes them.\n"

// LoadContexts reads the saved networks from path; a missing file has none.
func LoadContexts(path string) (Contexts, error) {
	doc, err := readDocument(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Contexts{}, nil
	}
	if err != nil {
		return Contexts{}, err
	}
	var wrong problems
	reader := contextsReader{document: doc, wrong: &wrong}
	contexts := reader.read()
	return contexts, wrong.err()
}

// SaveContexts replaces the file at path, readable by its owner only. A process that first reads and then writes must
// use [UpdateContexts] instead, or it may undo another's change.
func SaveContexts(path string, contexts Contexts) error {
	data, err := yaml.Marshal(contextsFile(contexts))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return replaceFile(path, append([]byte(contextsHeader), data...))
}

// UpdateContexts reads the saved networks, lets change alter them, and saves them, while no other process does the
// same. Nothing is written when change returns an error, which is returned as it is. It waits up to 5 s for its turn.
func UpdateContexts(ctx context.Context, path string, change func(*Contexts) error) error {
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return err
	}
	return errors.Join(updateLocked(path, change), unlock())
}

func updateLocked(path string, change func(*Contexts) error) error {
	contexts, err := LoadContexts(path)
	if err != nil {
		return err
	}
	if err := change(&contexts); err != nil {
		return err
	}
	return SaveContexts(path, contexts)
}

// lockFile holds an exclusive lock on the file at path until the returned function is called or the process ends. The
// file stays, since removing it would let two processes lock two files of one name.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := waitForLock(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file.Close, nil
}

func waitForLock(ctx context.Context, file *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another ucp holds it: %w", ctx.Err())
		case <-retry.C:
		}
	}
}

// fileContext is a [Context] as contexts.yaml has it.
type fileContext struct {
	Network  string   `yaml:"network"`
	Brokers  []string `yaml:"brokers,flow"`
	CA       string   `yaml:"ca,omitempty"`
	Identity string   `yaml:"identity,omitempty"`
	Insecure bool     `yaml:"insecure,omitempty"`
}

func contextsFile(contexts Contexts) any {
	items := make(map[string]fileContext, len(contexts.Items))
	for name, item := range contexts.Items {
		items[name] = fileContext(item)
	}
	return struct {
		Current  string                 `yaml:"current,omitempty"`
		Contexts map[string]fileContext `yaml:"contexts"`
	}{contexts.Current, items}
}

// contextsReader reads contexts.yaml with the kinds of settings, so that people's edits get the same errors.
type contextsReader struct {
	document
	wrong *problems
}

var contextKinds = map[string]kind{
	"network": label(), "brokers": addresses(DefaultPort), "ca": path(), "identity": path(), "insecure": boolean(),
}

func (r contextsReader) read() Contexts {
	var contexts Contexts
	for _, f := range r.root {
		switch f.key {
		case "current":
			contexts.Current, _ = r.value("current", label(), f).(string)
		case "contexts":
			r.items(&contexts, f)
		default:
			r.wrong.add(r.at(f.line), "%s", unknown("key", f.key, []string{"current", "contexts"}))
		}
	}
	return contexts
}

func (r contextsReader) items(contexts *Contexts, f field) {
	fields, ok := f.data.([]field)
	if !ok && f.data != nil {
		r.wrong.add(r.at(f.line), "contexts must be a section, not %s", describe(f.value))
	}
	for _, item := range fields {
		if err := contexts.Put(item.key, r.item(item)); err != nil {
			r.wrong.add(r.at(item.line), "%s", err)
		}
	}
}

func (r contextsReader) item(f field) Context {
	fields, ok := f.data.([]field)
	if !ok {
		r.wrong.add(r.at(f.line), "contexts.%s must be a section, not %s", f.key, describe(f.value))
	}
	values := make(map[string]any)
	for _, inner := range fields {
		k, known := contextKinds[inner.key]
		if !known {
			r.wrong.add(r.at(inner.line), "%s", unknown("key", inner.key, []string{"network", "brokers", "ca", "identity", "insecure"}))
			continue
		}
		values[inner.key] = r.value("contexts."+f.key+"."+inner.key, k, inner)
	}
	return contextOf(values, r.file)
}

func contextOf(values map[string]any, file string) Context {
	var c Context
	c.Network, _ = values["network"].(string)
	c.Brokers, _ = values["brokers"].([]string)
	c.CA, _ = values["ca"].(string)
	c.Identity, _ = values["identity"].(string)
	c.Insecure, _ = values["insecure"].(bool)
	for _, dir := range []*string{&c.CA, &c.Identity} {
		if *dir != "" {
			*dir = besideFile(file, *dir)
		}
	}
	return c
}

func (r contextsReader) value(name string, k kind, f field) any {
	if f.data == nil {
		return nil
	}
	v, err := k.read(f.value)
	if err != nil {
		r.wrong.add(r.at(f.line), "%s %s", name, err)
		return nil
	}
	return v
}
