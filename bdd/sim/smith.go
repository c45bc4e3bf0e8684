package sim

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"
)

// smith makes actor systems. A new one costs milliseconds and megabytes, nearly all for a registry of a thousand maps; the smith makes one, and
// copies of it that each take one of those maps. It belongs to one goroutine, and is used for one world after the other.
type smith struct {
	template *actor.ActorSystem
	free     []int // maps that nobody uses
}

func newSmith() *smith {
	quiet := slog.New(slog.DiscardHandler)
	s := &smith{template: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))}
	s.template.Shutdown()
	for i := range s.template.ProcessRegistry.LocalPIDs.LocalPIDs {
		s.free = append(s.free, i)
	}
	return s
}

// forge returns an actor system with that address, to which resolve answers for every other one, and how to give it back.
func (s *smith) forge(address string, remote actor.Process) (*actor.ActorSystem, func()) {
	number := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	system := *s.template
	all := s.template.ProcessRegistry.LocalPIDs.LocalPIDs
	system.ProcessRegistry = &actor.ProcessRegistryValue{
		ActorSystem: &system, Address: address, LocalPIDs: &actor.SliceMap{LocalPIDs: all[number : number+1 : number+1]},
	}
	system.ProcessRegistry.RegisterAddressResolver(func(*actor.PID) (actor.Process, bool) { return remote, true })
	system.Root = actor.NewRootContext(&system, nil)
	system.Guardians = actor.NewGuardians(&system)
	system.EventStream = eventstream.NewEventStream()
	system.DeadLetter = actor.NewDeadLetter(&system)
	system.EventStream = eventstream.NewEventStream() // without the listeners that start goroutines and log
	system.EventStream.Subscribe(func(event any) { answerDead(&system, event) })
	return &system, func() { s.release(number) }
}

// release empties a map, whose actors must not run any more, and makes it usable again.
func (s *smith) release(number int) {
	names := s.template.ProcessRegistry.LocalPIDs.LocalPIDs[number]
	var all []string
	names.IterCb(func(name string, _ any) { all = append(all, name) })
	for _, name := range all {
		names.Remove(name)
	}
	s.free = append(s.free, number)
}

// answerDead tells those who wait for an actor that is not there, as the engine does.
func answerDead(system *actor.ActorSystem, event any) {
	d, ok := event.(*actor.DeadLetterEvent)
	if !ok {
		return
	}
	if w, ok := d.Message.(*actor.Watch); ok {
		if p, ok := system.ProcessRegistry.Get(w.Watcher); ok {
			p.SendSystemMessage(w.Watcher, &actor.Terminated{Who: d.PID, Why: actor.TerminatedReason_NotFound})
		}
	}
	if d.Sender != nil {
		system.Root.Send(d.Sender, &actor.DeadLetterResponse{Target: d.PID})
	}
}
