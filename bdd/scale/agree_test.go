package scale_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/bdd/scale"
	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("The simulation of scale and the real actors", Ordered, func() {
	const brokers, executors, slots = 5, 50, 2
	var real, model outcome

	BeforeAll(func() {
		w := sim.New(1, sim.Quiet(), sim.With(func(s *sim.Settings) { s.Links.Delay = time.Millisecond }))
		defer w.Close()
		for i := range brokers {
			w.Broker(fmt.Sprint("b", i))
		}
		for i := range executors {
			w.ExecutorWith(fmt.Sprint("e", i), slots, nil, fmt.Sprint("b", i%brokers))
		}
		w.Run(4 * time.Second)
		s := stage{w: w, flood: w.Client("flood"), others: w.Client("others"), brigade: w.Client("brigade"), rng: rand.New(rand.NewPCG(1, 1))}
		s.begun = w.Now() + time.Millisecond
		s.play()
		Expect(w.Violations()).To(BeEmpty())
		real = s.outcome(executors * slots)
		model = s.again(scale.Settings{
			Seed: 1, Brokers: brokers, Executors: executors, Slots: slots, Near: time.Millisecond, Within: time.Millisecond, Sync: 500 * time.Microsecond,
		})
		GinkgoWriter.Printf("real actors  %+v\nsimulation   %+v\n", real, model)
	})

	within := func(share float64) func(model, real float64) {
		return func(model, real float64) { Expect(model).To(BeNumerically("~", real, share*real)) }
	}
	agree := within(0.1)

	It("agree within 10 % on how long the same jobs take on 5 brokers and 50 executors, a fire in the middle", func() {
		agree(model.makespan, real.makespan)
	})

	It("agree within 10 % on how much of the slots is used", func() {
		agree(model.used, real.used)
	})

	It("agree within 10 % on how long jobs wait for a place, those of the fire and the others", func() {
		agree(model.waits, real.waits)
		agree(model.fireWaits, real.fireWaits)
	})
})

// outcome is what the two are compared by; times are seconds.
type outcome struct{ makespan, used, waits, fireWaits float64 }

// stage is a network of real actors, and what was done to it.
type stage struct {
	w                      *sim.World
	flood, others, brigade *sim.Client
	rng                    *rand.Rand
	deeds                  []*deed
	begun, fired, cleared  time.Duration // when the first job came in, and the fire began and ended
}

// deed is a job that was submitted.
type deed struct {
	submitter string
	broker    int
	id        job.ID
	length    time.Duration
	emergency string
	record    job.Job // when it was over
}

// fireBroker is where the fire is.
const fireBroker = 4

// play submits two jobs of three at one broker and the others at all, and has a fire burn on the way.
func (s *stage) play() {
	for i := range 480 {
		if i == 300 {
			s.burn()
		}
		if i%3 > 0 {
			s.submit(s.flood, 0, "")
		} else {
			s.submit(s.others, i/3%5, "")
		}
	}
	for _, d := range s.deeds {
		Expect(s.w.RunUntil(5*time.Minute, func() bool {
			j, ok := s.w.Job("b0", d.id)
			d.record = j
			if done := ok && j.State().Terminal(); done {
				return true
			}
			s.w.Run(time.Second)
			return false
		})).To(BeTrue())
	}
}

func (s *stage) submit(c *sim.Client, broker int, kind string) {
	d := &deed{submitter: c.Name, broker: broker, length: time.Duration(500+s.rng.IntN(4000)) * time.Millisecond, emergency: kind}
	spec := sim.Program(d.length.String())
	spec.Emergency = kind
	d.id = c.Submit(fmt.Sprint("b", broker), spec)
	s.deeds = append(s.deeds, d)
}

// burn has a fire burn for four seconds at a broker that gets more jobs for it than all slots can run at once.
func (s *stage) burn() {
	id := string(s.brigade.NewID("b4"))
	s.ask(&messages.DeclareEmergency{Id: id, Type: "fire", Level: uint32(emergency.Critical), Reason: "it burns"}, &s.fired)
	for range 150 {
		s.submit(s.brigade, fireBroker, "fire")
	}
	s.w.Run(4 * time.Second)
	s.ask(&messages.ClearEmergency{Id: id, Reason: "it is out"}, &s.cleared)
}

// ask puts a question to the broker where the fire is, and notes when it arrived there.
func (s *stage) ask(m proto.Message, at *time.Duration) {
	*at = s.w.Now() + time.Millisecond
	Expect(s.brigade.Ask("b4", m)).To(BeAssignableToTypeOf(&messages.EmergencyDeclared{}))
}

// created is when a job came in, as its record has it.
func (d *deed) created() time.Duration {
	return time.Duration(d.record.Created.Wall) * time.Millisecond
}

// outcome reads from the records what came of it.
func (s *stage) outcome(slots int) outcome {
	var waits, fireWaits []float64
	end, used := time.Duration(0), 0.0
	for _, d := range s.deeds {
		first := int64(math.MaxInt64)
		for _, t := range d.record.Tenures {
			for _, a := range t.Attempts {
				first = min(first, a.Placed.Wall)
				used += float64(a.Ended.Wall-a.Placed.Wall-2) / 1000 // without its way there, and that of the result
			}
		}
		wait := float64(first-d.record.Created.Wall) / 1000
		if d.emergency != "" {
			fireWaits = append(fireWaits, wait)
		} else {
			waits = append(waits, wait)
		}
		v, _ := d.record.Decided()
		end = max(end, time.Duration(v.At.Wall)*time.Millisecond)
	}
	o := outcome{makespan: (end - s.deeds[0].created()).Seconds(), waits: mean(waits), fireWaits: mean(fireWaits)}
	o.used = used / (o.makespan * float64(slots))
	return o
}

func mean(all []float64) float64 {
	sum := 0.0
	for _, x := range all {
		sum += x
	}
	return sum / float64(len(all))
}

// again has the simulation do the same.
func (s *stage) again(settings scale.Settings) outcome {
	w := scale.New(settings)
	begin := s.deeds[0].created()
	for _, d := range s.deeds {
		spec := *sim.Program(d.length.String())
		spec.Submitter, spec.Emergency = d.submitter, d.emergency
		w.Submit(d.created()-begin, d.broker, &spec, d.length)
	}
	w.Declare(s.fired-s.begun, fireBroker, emergency.Critical, s.cleared-s.fired)
	w.Finish()
	r := w.Report()
	return outcome{r.Makespan, r.Busy / (r.Makespan * float64(r.Slots)), r.Place["visitor"].Mean, r.Place["emergency"].Mean}
}
