package job

import "github.com/urbancompute/ucp/internal/canon"

// Append appends the canonical encoding of n to b.
func (n Needs) Append(b []byte) []byte {
	b = canon.AppendUint(appendLabels(b, n.Labels), n.Memory)
	return appendNeeds(b, n)
}

// DecodeNeeds returns what b says that a job needs.
func DecodeNeeds(b []byte) (Needs, error) {
	r := canon.NewReader(b)
	labels, err := readLabels(r)
	if err != nil {
		return Needs{}, err
	}
	n := Needs{Labels: labels, Memory: r.Uint64()}
	readNeeds(r, &n)
	return n, r.Err()
}
