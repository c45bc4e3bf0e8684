package cluster

import (
	"log/slog"
	"path/filepath"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/journal"
)

// results are what an executor keeps on disk of finished attempts, as its actor sees it.
type results struct{ journal *journal.Journal }

// withoutResults is what becomes of a node whose results are moved away.
const withoutResults = "what it had finished and not handed over runs again"

func openResults(cfg config.Node, log *slog.Logger) (*results, error) {
	dir := filepath.Join(cfg.Dir, "results")
	j, err := journal.Open(dir, journal.Options{Log: log})
	if err != nil {
		return nil, adviseOn(dir, withoutResults, err)
	}
	return &results{j}, nil
}

// Load implements [actors.Results].
func (r *results) Load() (map[string][]byte, error) {
	kept := map[string][]byte{}
	err := r.journal.Load(func(e journal.Entry) error {
		kept[string(e.Key)] = e.Value
		return nil
	})
	return kept, adviseOn(r.journal.Dir(), withoutResults, err)
}

// Write implements [actors.Results].
func (r *results) Write(c actors.ResultChanges, done func(error)) {
	all := make([]journal.Entry, 0, len(c.Dropped)+len(c.Kept))
	for key := range c.Dropped {
		all = append(all, journal.Entry{Key: []byte(key)})
	}
	for key, result := range c.Kept {
		all = append(all, journal.Entry{Key: []byte(key), Value: result})
	}
	r.journal.Write(all, func(err error) { done(asActorsSay(err)) })
}
