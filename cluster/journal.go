package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/journal"
	"github.com/urbancompute/ucp/internal/ledger"
)

// disk is a broker's journal on disk, as its actors see it.
type disk struct {
	journal *journal.Journal
	noted   bool         // that there is a journal
	note    func() error // notes it where a loss of the disk does not reach
	first   bool         // no journal of this node was ever lost
}

// openDisk opens the journal of a node.
func openDisk(cfg config.Node, log *slog.Logger) (*disk, error) {
	had, err := identity.HadJournal(cfg.Identity)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cfg.Dir, "journal")
	j, err := journal.Open(dir, journal.Options{Log: log})
	if err != nil {
		return nil, adviseOn(dir, withoutJournal, err)
	}
	return &disk{journal: j, noted: had, first: !had, note: func() error { return identity.NoteJournal(cfg.Identity) }}, nil
}

// adviseOn adds to an error of a journal what somebody can do about it.
func adviseOn(dir, without string, err error) error {
	switch {
	case errors.Is(err, journal.ErrNewer):
		return fmt.Errorf("%w: run that version, or give this node another dir", err)
	case errors.Is(err, journal.ErrDamaged):
		return fmt.Errorf("%w: move %s away and start the node again: %s", err, dir, without)
	}
	return err
}

// withoutJournal is what becomes of a node whose journal is moved away.
const withoutJournal = "it goes on as a new broker, and the others give it what they hold"

// asActorsSay tells actors that a disk is full in their own words.
func asActorsSay(err error) error {
	if errors.Is(err, journal.ErrFull) {
		return fmt.Errorf("%w: %w", actors.ErrFull, err)
	}
	return err
}

// What a key means is in its first byte.
const (
	recordKey = 'r' // then the record's kind and id
	metaKey   = 'm' // then the name
	vectorKey = 'v'
)

// Load implements [actors.Journal].
func (d *disk) Load() (actors.Saved, error) {
	saved := actors.Saved{Meta: map[string][]byte{}}
	err := d.journal.Load(func(e journal.Entry) error {
		switch rest := e.Key[1:]; {
		case e.Key[0] == vectorKey:
			saved.Vector = e.Value
		case e.Key[0] == metaKey:
			saved.Meta[string(rest)] = e.Value
		case e.Key[0] == recordKey && len(rest) > 0:
			saved.Records = append(saved.Records, actors.SavedRecord{Key: ledger.Key{Kind: ledger.Kind(rest[0]), ID: string(rest[1:])}, Bytes: e.Value})
		default:
			return fmt.Errorf("%w: nothing is ever kept under %q", journal.ErrDamaged, e.Key)
		}
		return nil
	})
	return saved, adviseOn(d.journal.Dir(), withoutJournal, err)
}

// Write implements [actors.Journal]. Nothing of a node's first batch is said to be durable before it is noted that the node has a journal: who
// loses it later must not take a blank one for the first.
func (d *disk) Write(b actors.Batch, done func(error)) {
	d.journal.Write(entries(b), func(err error) {
		if err == nil && !d.noted {
			err = d.note()
			d.noted = err == nil
		}
		done(asActorsSay(err))
	})
}

func entries(b actors.Batch) []journal.Entry {
	all := make([]journal.Entry, 0, len(b.Records)+len(b.Meta)+1)
	for _, r := range b.Records {
		all = append(all, journal.Entry{Key: append([]byte{recordKey, byte(r.Key.Kind)}, r.Key.ID...), Value: r.Bytes})
	}
	if len(b.Vector) > 0 {
		all = append(all, journal.Entry{Key: []byte{vectorKey}, Value: b.Vector})
	}
	for name, value := range b.Meta {
		if value == nil {
			value = []byte{}
		}
		all = append(all, journal.Entry{Key: append([]byte{metaKey}, name...), Value: value})
	}
	return all
}
