package actors

import (
	"maps"
	"slices"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
)

// named tells how named data stands that a job needs, as far as is known here.
func (b *Broker) named(consumer job.Job, d job.DataInput) job.Input {
	var makers []data.Maker
	names := map[string]bool{d.Name: true}
	for _, id := range b.inputs.makers.overlapping(d.Name) {
		m, ok := b.job(id)
		if !ok {
			continue
		}
		makers = append(makers, data.MakerOf(m, b.final(m)))
		for _, n := range data.Keys(m) {
			if job.Overlap(d.Name, n) {
				names[n] = true
			}
		}
	}
	var known []data.Known
	for _, n := range slices.Sorted(maps.Keys(names)) {
		k := data.Known{Name: n}
		for _, m := range makers {
			if slices.ContainsFunc(m.Promised, func(r job.NamedResult) bool { return r.Name == n || data.Covers(r.Name, n) }) {
				k.Makers = append(k.Makers, m)
			}
		}
		known = append(known, k)
	}
	return data.Need(consumer, d.Name, known)
}
