package sim

import (
	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/ledger"
)

// shelf is a disk as an executor sees it. A result lies there as a record of no kind, by its key; no checker follows it.
type shelf struct{ *Disk }

// Load implements actors.Results.
func (s shelf) Load() (map[string][]byte, error) {
	kept := map[string][]byte{}
	for k, b := range s.durable.records {
		kept[k.ID] = b
	}
	return kept, nil
}

// Write implements actors.Results.
func (s shelf) Write(c actors.ResultChanges, done func(error)) {
	var b Batch
	for key := range c.Dropped {
		b.Records = append(b.Records, SavedRecord{Key: ledger.Key{ID: key}})
	}
	for key, result := range c.Kept {
		b.Records = append(b.Records, SavedRecord{Key: ledger.Key{ID: key}, Bytes: result})
	}
	s.Disk.Write(b, done)
}
