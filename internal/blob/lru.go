package blob

import (
	"container/list"
	"slices"
	"sync"
)

// lru is the order in which a cache forgets: least recently used first, and never what somebody holds. The zero value
// keeps no order, and spares nothing.
type lru struct {
	mu    sync.Mutex
	order *list.List // of *cached, the most recently used one in front; nil: this store forgets nothing by itself
	known map[Digest]*list.Element
	loose int64 // bytes of those that nobody holds
}

type cached struct {
	digest Digest
	size   int64
	holds  int
}

func newLRU() lru {
	return lru{order: list.New(), known: map[Digest]*list.Element{}}
}

// add notes that d is here and was used now.
func (l *lru) add(d Digest, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		return
	}
	if e, ok := l.known[d]; ok {
		l.order.MoveToFront(e)
		return
	}
	l.known[d] = l.order.PushFront(&cached{digest: d, size: size})
	l.loose += size
}

// hold keeps d from being forgotten until release is called. It is false if d is not known, or no longer.
func (l *lru) hold(d Digest) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		return func() {}, true
	}
	e, ok := l.known[d]
	if !ok {
		return nil, false
	}
	c := e.Value.(*cached)
	l.order.MoveToFront(e)
	if c.holds++; c.holds == 1 {
		l.loose -= c.size
	}
	return sync.OnceFunc(func() { l.release(c) }), true
}

func (l *lru) release(c *cached) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.known[c.digest]
	if c.holds--; c.holds == 0 && ok && e.Value == c {
		l.loose += c.size
	}
}

// remove forgets d, whoever holds it.
func (l *lru) remove(d Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.known[d]; ok {
		l.drop(e)
	}
}

func (l *lru) drop(e *list.Element) {
	c := e.Value.(*cached)
	l.order.Remove(e)
	delete(l.known, c.digest)
	if c.holds == 0 {
		l.loose -= c.size
	}
}

// recent returns at most so many of those that were used last, the oldest of them first.
func (l *lru) recent(most int) []Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		return nil
	}
	var last []Digest
	for e := l.order.Front(); e != nil && len(last) < most; e = e.Next() {
		last = append(last, e.Value.(*cached).digest)
	}
	slices.Reverse(last)
	return last
}

// victims returns what nobody holds, the least recently used one first.
func (l *lru) victims() []Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		return nil
	}
	var loose []Digest
	for e := l.order.Back(); e != nil && len(loose) < victimsAtOnce; e = e.Prev() {
		if c := e.Value.(*cached); c.holds == 0 {
			loose = append(loose, c.digest)
		}
	}
	return loose
}

// victimsAtOnce bounds what is looked at to find one that nobody is putting just now.
const victimsAtOnce = 64

// take forgets d unless somebody has come to hold it.
func (l *lru) take(d Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.known[d]
	if !ok || e.Value.(*cached).holds > 0 {
		return false
	}
	l.drop(e)
	return true
}

func (l *lru) spareable() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loose
}
