// Package placement decides where a job runs: constraints leave candidates, a score ranks them, and the best one's slot is reserved
// before anybody is told (PLACE-1). It also keeps the order in which jobs wait.
//
// Everything here is deterministic: equal inputs give equal placements. Slots and reservations decide, not load averages.
package placement
