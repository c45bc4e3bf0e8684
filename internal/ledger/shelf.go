package ledger

// Ranges is the number of ranges into which keys are divided for the audit.
const Ranges = 256

// shelf holds the records of one kind, by range and id.
type shelf [Ranges]map[string]*cell

// rangeOf returns the range of a key.
func rangeOf(k Key) int { return int(sum64(uint64(k.Kind), k.ID) >> 56) }

// cell returns the place of a record, nil if it is not here.
func (r *Replica) cell(k Key) *cell {
	if s := r.shelves[k.Kind]; s != nil {
		return s[rangeOf(k)][k.ID]
	}
	return nil
}

// shelve makes a place for a record that is not here.
func (r *Replica) shelve(v *version) *cell {
	s := r.shelves[v.kind]
	if s == nil {
		s = &shelf{}
		r.shelves[v.kind] = s
	}
	cells := &s[rangeOf(v.key())]
	if *cells == nil {
		*cells = map[string]*cell{}
	}
	c := &cell{}
	(*cells)[v.id] = c
	r.count++
	return c
}

// unshelve takes a record away.
func (r *Replica) unshelve(v *version) {
	k := v.key()
	delete(r.shelves[k.Kind][rangeOf(k)], k.ID)
	r.count--
	r.discount(v)
}

// sum counts a version in the sums, discount takes it out.
func (r *Replica) sum(v *version) {
	r.sums[rangeOf(v.key())] += v.sum
	r.root += v.sum
}

func (r *Replica) discount(v *version) {
	r.sums[rangeOf(v.key())] -= v.sum
	r.root -= v.sum
}
