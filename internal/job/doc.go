// Package job is the life of one job as values: what a job is, what has happened to it, and what its owner must do next.
//
// A [Job] is the replicated record of one job. It is a join-semilattice: its spec never changes, and everything else is kept per
// [Ownership] in a [Tenure], which only that owner writes. [Job.Merge] is therefore commutative, associative and idempotent, and two
// brokers that have seen the same writes hold the same job.
//
// An owner moves its job with [Job.Apply]: an [Event] is a fact in the past tense, the returned [Effect] values are what the owner
// must now do, in order. Apply reads no clock and starts nothing. Late, doubled and reordered events are normal; each event says
// whether it then is ignored, merged or refused.
//
// Guarantees kept here, by requirement id: one verdict an owner, ever (JOB-3); the first successful result wins and its re-sending
// is answered the same way (JOB-3); loss uses up no retry and failure does (JOB-5); at most [MaxAttempts] attempts an owner.
//
// The state machine is drawn in docs/job-lifecycle.md.
package job
