package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// journalFile lies beside the key, for it has to outlive the data: a node that finds its journal blank must know whether it had one.
const journalFile = "journal"

// HadJournal says whether the node whose identity is in dir has begun a journal before ([NoteJournal]).
func HadJournal(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("whether the node had a journal: %w", err)
	}
	return true, nil
}

// NoteJournal notes, fsynced, that the node whose identity is in dir has begun a journal.
func NoteJournal(dir string) error {
	return writeFile(filepath.Join(dir, journalFile), []byte("This node has begun a journal: with a blank one it is a new broker.\n"), 0o600)
}
