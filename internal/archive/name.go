package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrRefused is wrapped by every refusal of what a directory or an archive holds.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrRefused)
}

// maxName bounds the path of a file in an archive, in bytes.
const maxName = 4096

// checkName refuses paths that mean something else, or nothing, on some machine. Path is without the slash that ends a directory's.
func checkName(path string) error {
	switch {
	case len(path) > maxName:
		return refuse("the name %.80q… has %d bytes, at most %d are allowed", path, len(path), maxName)
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) || strings.Contains(path, `\`):
		return refuse("the name %.80q has characters that not every machine can have in a file's name", path)
	case path == "." || !fs.ValidPath(path) || !filepath.IsLocal(path):
		return refuse("the name %.80q leads out of the directory, or nowhere", path)
	}
	return nil
}
