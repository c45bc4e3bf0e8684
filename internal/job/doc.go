// Package job is the life of one job as values: what a job is, what has happened to it, and what its owner must do next.
//
// A [Job] is the replicated record of one job. It is a join-semilattice: everything but its spec is kept per [Ownership] in a [Tenure],
// which only that owner writes. [Job.Merge] is therefore commutative, associative and idempotent, and two brokers that have seen the same
// writes hold the same job.
//
// Who decides is a function of the record. The authority ([Job.Authority]) is the end of a chain: it starts at the job's first owner, and goes
// on by releases and, where a broker was forgotten, by heirs ([Job.Begin]). Its verdict is final. Brokers that cannot reach any owner take
// the job over ([Job.TakeOver]); their verdicts are provisional, the least of them wins ([Job.Winner]), and an authority that has none yet
// adopts it. At most one verdict an owner, ever, and one authority at a time: so there is at most one final verdict, and no vote is needed.
//
// An owner moves its job with [Job.Apply]: an [Event] is a fact in the past tense, the returned [Effect] values are what the owner
// must now do, in order. Apply reads no clock and starts nothing. Late, doubled and reordered events are normal; each event says
// whether it then is ignored, merged or refused. Of the owners that reach each other only the least acts; the broker tells it so with
// [Merged], and asks [Job.Wanted] how many attempts to deploy.
//
// Guarantees kept here, by requirement id: one verdict an owner, ever (JOB-3); the first successful result wins and its re-sending
// is answered the same way (JOB-3); loss uses up no retry and failure does, and attempts are bounded (JOB-5); a takeover restarts nothing
// (JOB-6); the winner is the same for everybody with the same record (JOB-7); what waits says why (JOB-9).
// Not kept here: what is durable before it is told. A verdict, and the job an effect came with, must be written down first.
//
// The state machine is drawn in docs/job-lifecycle.md.
package job
