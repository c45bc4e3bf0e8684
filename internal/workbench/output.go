package workbench

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
)

// openOutput opens a file that a program left in its directory, following no link: what a link points to is not the program's to give. The
// program has ended, so nothing changes between a look and the opening.
func openOutput(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // opened for reading
	parts := strings.Split(path.Clean(name), "/")
	for i := range parts {
		info, err := root.Lstat(path.Join(parts[:i+1]...))
		last := i == len(parts)-1
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, errors.New("the program left no such file")
		case err != nil:
			return nil, fmt.Errorf("cannot be looked at: %w", err)
		case info.Mode()&os.ModeSymlink != 0:
			return nil, errors.New("a link is not an output")
		case last && !info.Mode().IsRegular():
			return nil, errors.New("not a regular file")
		}
	}
	return root.Open(path.Join(parts...))
}
