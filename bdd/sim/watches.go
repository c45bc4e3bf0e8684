package sim

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// watch is one actor watching another: names, one of them at this end.
type watch struct{ watcher, watchee string }

// watches are those that cross a connection, as one end knows them.
type watches struct{ out, in []watch }

func (e *end) endWatches() {
	out, in := e.watches.out, e.watches.in
	e.watches = watches{}
	for _, x := range out {
		e.tellWatcher(x, actor.TerminatedReason_AddressTerminated)
	}
	for _, x := range in {
		e.system(x.watchee, &actor.Unwatch{Watcher: actor.NewPID(e.other().node.ID, x.watcher)})
	}
}

func (e *end) tellWatcher(x watch, why actor.TerminatedReason) {
	e.system(x.watcher, &actor.Terminated{Who: actor.NewPID(e.other().node.ID, x.watchee), Why: why})
}

// system hands a system message to an actor at this end, and says whether there is one.
func (e *end) system(id string, message any) bool {
	p, ok := e.life.system.ProcessRegistry.GetLocal(id)
	if ok {
		p.SendSystemMessage(actor.NewPID(e.node.ID, id), message)
	}
	return ok
}

// remove takes x out of a list and says whether it was there.
func remove(list *[]watch, x watch) bool {
	i := slices.Index(*list, x)
	if i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
	return i >= 0
}
