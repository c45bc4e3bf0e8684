package detect

import "time"

// Strain is how much later than it should somebody gets to do things. It rises at once and wears off slowly.
type Strain struct{ late time.Duration }

const (
	// wearUp/wearDown is the share of strain that is left when somebody was on time once.
	wearUp, wearDown = 7, 8
	// most is the greatest strain: who was later than that stood still for a while, which says nothing about what comes.
	most = 250 * time.Millisecond
)

// Ticked notes that something which was due was done so much late.
func (s *Strain) Ticked(late time.Duration) { s.late = min(max(late, s.late*wearUp/wearDown, 0), most) }

// Late is how much later than it should an answer to this side is noticed.
func (s *Strain) Late() time.Duration { return s.late }

// Allowance is how much more silence than usual is no wonder: mail waits as long as timers do, on both sides and on the way there and back.
func (s *Strain) Allowance() time.Duration { return 4 * s.late }
