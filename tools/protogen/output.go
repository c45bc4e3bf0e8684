package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// write puts the generated files below root.
func write(root string, generated map[string][]byte) error {
	for name, code := range generated {
		if err := os.WriteFile(filepath.Join(root, name), code, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare reports every generated file that is missing or differs below root, and every one there that nothing
// generates any more.
func compare(root string, generated map[string][]byte) error {
	var differences []error
	for name, code := range generated {
		committed, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(committed, code) {
			differences = append(differences, fmt.Errorf("%s is not what its .proto file says: run `make generate` and commit it", name))
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(root, "messages", "*.pb.go"))
	if err != nil {
		return err
	}
	for _, path := range leftovers {
		name := "messages/" + filepath.Base(path)
		if _, ok := generated[name]; !ok {
			differences = append(differences, fmt.Errorf("%s has no .proto file any more: delete it", name))
		}
	}
	return errors.Join(differences...)
}
