package actors

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
)

// mac signs attempts, so that their owner knows them again even if its record of them is gone (JOB-2).
type mac struct{ key []byte }

// sign covers the attempt's full name, its executor and the hash of the spec.
func (m mac) sign(n job.Name, executor string, spec *job.Spec) []byte {
	hash := spec.Hash()
	h := hmac.New(sha256.New, m.key)
	h.Write(append(canon.AppendString(n.Append(nil), executor), hash[:]...))
	return h.Sum(nil)
}

func (m mac) verify(sum []byte, n job.Name, executor string, spec *job.Spec) bool {
	return hmac.Equal(sum, m.sign(n, executor, spec))
}
