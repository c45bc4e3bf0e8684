package cluster

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urbancompute/ucp/cluster/link"
)

// contacts are the brokers that a node dials: its seeds, and those it has ever heard of, which it finds again after a restart although the one
// that told it may be gone (DISC-1). A link to each is kept for ever. The file is a hint: who loses it hears of them again.
type contacts struct {
	links *link.Links
	own   string // this node's own address
	path  string
	log   *slog.Logger

	mu      sync.Mutex
	dialing bool
	known   map[string]bool
	heard   []string // without the seeds, in the order heard of
	news    chan struct{}
	closing chan struct{}
	done    chan struct{}
}

// maxContacts bounds how many addresses are believed.
const maxContacts = 1024

// newContacts knows the seeds and what the file at path says. The caller closes it.
func newContacts(links *link.Links, own string, seeds []string, path string, log *slog.Logger) *contacts {
	c := &contacts{
		links: links, own: own, path: path, log: log,
		known: map[string]bool{}, news: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	for _, seed := range seeds {
		c.known[seed] = true
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("brokers heard of before are not known", "err", err)
	}
	for address := range strings.Lines(string(text)) {
		c.add(strings.TrimSpace(address))
	}
	go c.write()
	return c
}

// dial dials all that are known, and from now on those that are heard of.
func (c *contacts) dial() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing = true
	for address := range c.known {
		c.links.Dial(address)
	}
}

// add notes a broker that was heard of. It does not block.
func (c *contacts) add(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if address == "" || address == c.own || c.known[address] || len(c.known) >= maxContacts {
		return
	}
	c.known[address] = true
	c.heard = append(c.heard, address)
	if c.dialing {
		c.links.Dial(address)
	}
	select {
	case c.news <- struct{}{}:
	default: // it is written with what is not written yet
	}
}

// knows says whether an address is a contact, or this node's own.
func (c *contacts) knows(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return address == c.own || c.known[address]
}

// heardOfAny says whether this node was ever told of a broker that was one.
func (c *contacts) heardOfAny() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heard) > 0
}

// dismiss lets go of an address that was dialled to see who is there, unless it is a contact by now.
func (c *contacts) dismiss(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known[address] {
		c.links.Hangup(address)
	}
}

// write keeps the file up to date.
func (c *contacts) write() {
	defer close(c.done)
	for {
		select {
		case <-c.news:
		case <-c.closing:
			return
		}
		c.mu.Lock()
		heard := slices.Clone(c.heard)
		c.mu.Unlock()
		draft := c.path + ".new"
		err := os.WriteFile(draft, []byte(strings.Join(heard, "\n")+"\n"), 0o600)
		if err == nil {
			err = os.Rename(draft, c.path)
		}
		if err != nil {
			c.log.Warn("brokers heard of are not written down", "err", err)
		}
	}
}

// close ends the writing.
func (c *contacts) close() {
	close(c.closing)
	<-c.done
}
