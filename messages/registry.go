package messages

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
)

// ErrNotAllowed is wrapped by the errors of Allowed.
var ErrNotAllowed = errors.New("not allowed")

// The roles that a certificate can carry.
const (
	Broker    = "broker"
	Executor  = "executor"
	Datastore = "datastore"
	Client    = "client"
)

// The actors of a node that other nodes may address, by name.
const (
	BrokerActor    = "broker"
	SyncActor      = "broker/sync"
	ExecutorActor  = "executor"
	DatastoreActor = "datastore"
	GatewayActor   = "gateway"
	ClientActor    = "client"
)

// entry says what a wire message is called on a link, and which roles may send it to which actors.
type entry struct {
	message proto.Message
	from    []string
	to      []string
}

var (
	toGateway = []string{GatewayActor}
	toAsker   = []string{"future", ClientActor} // the asking future, or the client's own actor
	anyone    = []string{Client, Broker, Executor, Datastore}
	broker    = []string{Broker}
	executor  = []string{Executor}
	datastore = []string{Datastore}
)

// wire lists every message that may cross a link. A message's place is its number there: add at the end, never reorder.
var wire = []entry{
	1:  {&SubmitJob{}, anyone, toGateway},
	2:  {&JobSubmitted{}, broker, toAsker},
	3:  {&Refused{}, anyone, append(toAsker, GatewayActor, BrokerActor, ExecutorActor, SyncActor)},
	4:  {&JobRequest{}, anyone, toGateway},
	5:  {&JobChanged{}, broker, toAsker},
	6:  {&CancelJob{}, anyone, toGateway},
	7:  {&JobsRequest{}, anyone, toGateway},
	8:  {&JobsResponse{}, broker, toAsker},
	9:  {&NodesRequest{}, anyone, toGateway},
	10: {&NodesResponse{}, broker, toAsker},
	11: {&StatusRequest{}, anyone, toGateway},
	12: {&StatusResponse{}, broker, toAsker},
	13: {&SealSession{}, anyone, toGateway},
	14: {&SessionSealed{}, broker, toAsker},
	15: {&ReadStdin{}, []string{Broker, Executor}, []string{GatewayActor, ClientActor}},
	16: {&StdinChunk{}, []string{Client, Broker}, []string{GatewayActor, ExecutorActor}},
	17: {&OutputChunk{}, []string{Broker, Executor}, []string{GatewayActor, ClientActor}},
	18: {&RegisterExecutor{}, executor, []string{BrokerActor}},
	19: {&ExecutorRegistered{}, broker, []string{ExecutorActor}},
	20: {&Heartbeat{}, executor, []string{BrokerActor}},
	21: {&HeartbeatAnswered{}, broker, []string{ExecutorActor}},
	22: {&DeployAttempt{}, broker, []string{ExecutorActor}},
	23: {&AttemptStarted{}, executor, []string{BrokerActor}},
	24: {&AttemptDeclined{}, executor, []string{BrokerActor}},
	25: {&AttemptFinished{}, executor, []string{BrokerActor}},
	26: {&ResultAnswered{}, broker, []string{ExecutorActor}},
	27: {&StopAttempt{}, broker, []string{ExecutorActor}},
	28: {&SyncPing{}, broker, []string{SyncActor}},
	29: {&SyncVector{}, broker, []string{SyncActor}},
	30: {&SyncDelta{}, broker, []string{SyncActor}},
	31: {&SyncTaken{}, broker, []string{SyncActor}},
	32: {&SlotRequest{}, broker, []string{BrokerActor}},
	33: {&SlotReserved{}, broker, []string{BrokerActor}},
	34: {&ReprieveJob{}, anyone, toGateway},
	35: {&ForgetBroker{}, anyone, toGateway},
	36: {&BrokerForgotten{}, broker, toAsker},
	37: {&HearRequest{}, broker, []string{BrokerActor}},
	38: {&HearResponse{}, broker, []string{BrokerActor}},
	39: {&ForwardResult{}, broker, []string{BrokerActor}},
	40: {&Relay{}, broker, []string{BrokerActor}},
	41: {&SyncForgotten{}, broker, []string{SyncActor}},
	42: {&SyncAudit{}, broker, []string{SyncActor}},
	43: {&SyncSums{}, broker, []string{SyncActor}},
	44: {&SyncWant{}, broker, []string{SyncActor}},
	45: {&SyncRepair{}, broker, []string{SyncActor}},
	46: {&HeldRequest{}, broker, []string{BrokerActor}},
	47: {&HeldResponse{}, broker, []string{BrokerActor}},
	48: {&Ping{}, broker, []string{ExecutorActor}},
	49: {&Pong{}, executor, []string{BrokerActor}},
	50: {&PutData{}, anyone, toGateway},
	51: {&DataPut{}, broker, toAsker},
	52: {&DataRequest{}, anyone, toGateway},
	53: {&DataList{}, anyone, toGateway},
	54: {&DataResponse{}, broker, toAsker},
	55: {&RemoveData{}, anyone, toGateway},
	56: {&DataRemoved{}, broker, toAsker},
	57: {&StoresRequest{}, anyone, toGateway},
	58: {&StoresResponse{}, broker, toAsker},
	59: {&RegisterStore{}, datastore, []string{BrokerActor}},
	60: {&StoreRegistered{}, broker, []string{DatastoreActor}},
	61: {&StoreHeartbeat{}, datastore, []string{BrokerActor}},
	62: {&StoreAnswered{}, broker, []string{DatastoreActor}},
	63: {&ReferencesRequest{}, datastore, []string{BrokerActor}},
	64: {&ReferencesResponse{}, broker, []string{DatastoreActor}},
	65: {&DeclareEmergency{}, anyone, toGateway},
	66: {&EmergencyDeclared{}, broker, toAsker},
	67: {&ClearEmergency{}, anyone, toGateway},
	68: {&EmergenciesRequest{}, anyone, toGateway},
	69: {&EmergenciesResponse{}, broker, toAsker},
	70: {&CordonNode{}, anyone, toGateway},
	71: {&NodeCordoned{}, broker, toAsker},
	72: {&WhyRequest{}, anyone, toGateway},
	73: {&WhyResponse{}, broker, toAsker},
	74: {&WorkWanted{}, broker, []string{BrokerActor}},
}

var numbers = func() map[reflect.Type]uint32 {
	m := make(map[reflect.Type]uint32, len(wire))
	for i, e := range wire {
		if e.message != nil {
			m[reflect.TypeOf(e.message)] = uint32(i)
		}
	}
	return m
}()

// TypeID returns the number of m's type on a link, and whether it may cross one at all.
func TypeID(m proto.Message) (uint32, bool) {
	id, ok := numbers[reflect.TypeOf(m)]
	return id, ok
}

// NewMessage returns an empty message of the type with the given number.
func NewMessage(id uint32) (proto.Message, bool) {
	if id == 0 || int(id) >= len(wire) {
		return nil, false
	}
	return wire[id].message.ProtoReflect().New().Interface(), true
}

// Allowed returns nil if a node with these roles may send messages of type id to the actor of that name, and else an error that says what
// is wrong with it (LINK-6).
func Allowed(roles []string, target string, id uint32) error {
	if id == 0 || int(id) >= len(wire) {
		return fmt.Errorf("message type %d is unknown: %w", id, ErrNotAllowed)
	}
	e := wire[id]
	name := e.message.ProtoReflect().Descriptor().Name()
	if !slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(e.from, r) }) {
		return fmt.Errorf("%s may not send %s: %w", strings.Join(roles, "+"), name, ErrNotAllowed)
	}
	if !slices.ContainsFunc(e.to, func(t string) bool { return addresses(target, t) }) {
		return fmt.Errorf("%s may not be sent to %q: %w", name, target, ErrNotAllowed)
	}
	return nil
}

// addresses says whether target is the actor t; futures and clients have names of their own behind a prefix.
func addresses(target, t string) bool {
	if t == "future" || t == ClientActor {
		return strings.HasPrefix(target, t)
	}
	return target == t
}
