package executor

import (
	"encoding/json"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
)

// entryData is what a journal entry says beyond its kind, step, instance and
// operation: an Event's other fields and, for OperationRunning, the handle.
type entryData struct {
	RunKind   string          `json:"run_kind,omitempty"`
	Interface string          `json:"interface,omitempty"`
	Operation string          `json:"operation,omitempty"`
	Attempt   int             `json:"attempt,omitempty"`
	State     string          `json:"state,omitempty"`
	Attribute string          `json:"attribute,omitempty"`
	Cause     string          `json:"cause,omitempty"`
	Err       string          `json:"error,omitempty"`
	Detail    string          `json:"detail,omitempty"`
	Host      string          `json:"host,omitempty"`
	Driver    string          `json:"driver,omitempty"`
	Handle    json.RawMessage `json:"handle,omitempty"`
	// Trace is the span that the run began in (RunStarted), as a W3C traceparent.
	Trace string `json:"trace,omitempty"`
	// Old is the template that the run replaces (RunStarted of an update).
	Old *origin `json:"old,omitempty"`
	// Rollback is settings.rollback (RunStarted).
	Rollback     *origin         `json:"rollback,omitempty"`
	Notification json.RawMessage `json:"notification,omitempty"`
	Arguments    json.RawMessage `json:"arguments,omitempty"`
}

// origin is where a service template and its inputs come from.
type origin struct {
	Template string          `json:"template"`
	Entry    string          `json:"entry"`
	Inputs   json.RawMessage `json:"inputs,omitempty"`
}

// entryOf makes the journal entry that records an event.
func entryOf(ev *Event, data entryData) (*state.Entry, error) {
	e := &state.Entry{
		Time: ev.Time, Run: ev.Run, Kind: string(ev.Kind),
		Step: ev.Step, Instance: ev.Instance, Operation: ev.OperationID,
	}
	if ev.Kind == StateChanged {
		// By far the most frequent kind; states need no escapes.
		e.Data = json.RawMessage(`{"state":"` + ev.State + `"}`)
		return e, nil
	}
	data.RunKind, data.Interface, data.Operation, data.Attempt = ev.RunKind, ev.Interface, ev.Operation, ev.Attempt
	data.State, data.Attribute, data.Cause, data.Err = ev.State, ev.Attribute, ev.Cause, ev.Err
	data.Detail, data.Host = ev.Detail, ev.Host
	raw, err := json.Marshal(data)
	e.Data = raw
	return e, err
}

// eventOf reads an event back from its journal entry.
func eventOf(deployment string, e *state.Entry) (Event, error) {
	data, err := dataOf(e)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Seq: e.Seq, Kind: EventKind(e.Kind), Time: e.Time, Deployment: deployment, Run: e.Run,
		RunKind: data.RunKind, Step: e.Step, Instance: e.Instance, Interface: data.Interface,
		Operation: data.Operation, OperationID: e.Operation, Attempt: data.Attempt, State: data.State,
		Attribute: data.Attribute, Cause: data.Cause, Err: data.Err, Detail: data.Detail, Host: data.Host,
	}, nil
}

func dataOf(e *state.Entry) (entryData, error) {
	var data entryData
	if len(e.Data) == 0 {
		return data, nil
	}
	err := json.Unmarshal(e.Data, &data)
	return data, err
}

// now is the time as it is recorded.
func now() time.Time { return time.Now().UTC() }
