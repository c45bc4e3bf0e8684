package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/term"

	"github.com/urbancompute/ucp/config"
)

// newLogger logs to w in format "text", "json" or "auto": text on a terminal, JSON elsewhere.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" || format != "json" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// openLog returns the log of a node, which goes to its file or to stderr.
func openLog(cfg config.Node, stderr io.Writer) (log *slog.Logger, done func(), err error) {
	if cfg.LogFile == "" {
		return newLogger(stderr, cfg.LogFormat, cfg.Level()), func() {}, nil
	}
	file, err := openLogFile(cfg.LogFile)
	if err != nil {
		return nil, nil, fmt.Errorf("log of node %s: %w", cfg.Name, err)
	}
	return newLogger(file, cfg.LogFormat, cfg.Level()), func() { _ = file.Close() }, nil
}

// maxLogBytes bounds a log file; together with the one before it a node keeps up to twice as much.
const maxLogBytes = 64 << 20

// logFile appends to a file that others may append to as well. When it is full it becomes PATH.1 and a new one begins.
type logFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
}

func openLogFile(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l := &logFile{path: path, limit: maxLogBytes}
	return l, l.open()
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close() // nothing was written
		return err
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write implements io.Writer. The lock is held while writing: lines must not mix.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(b)) > l.limit {
		if err := l.turn(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(b)
	l.size += int64(n)
	return n, err
}

// turn puts the full file aside and begins a new one. If that fails the full one is written on.
func (l *logFile) turn() error {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	full := l.file
	if err := l.open(); err != nil {
		return err
	}
	return full.Close()
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
