package statetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testCommit(t *testing.T, h *Harness) {
	s := h.Store
	e := deploy(t, s, "shop")
	created := read(t, s, "shop").Deployment.Created

	// An empty commit counts.
	e.commit(state.Commit{})
	require.Equal(t, uint64(2), read(t, s, "shop").Deployment.Revision)

	h.Advance(time.Minute)
	e.commit(state.Commit{
		Deployment: &state.Deployment{ID: "shop", Status: state.Deploying, Run: "r1", Revision: 99, FirstSeq: 98, LastSeq: 99, LastLog: 97},
		Run:        &state.Run{ID: "r1", Kind: "deploy", Status: state.RunRunning, Steps: 2, FirstSeq: 99, LastSeq: 98},
		Put:        []*state.Instance{node("web_0", "initial"), node("db_0", "initial")},
		Entries:    []*state.Entry{note(1), note(2)},
	})
	got := read(t, s, "shop")
	require.Equal(t, &state.Deployment{
		ID: "shop", Status: state.Deploying, Run: "r1", Revision: 3, FirstSeq: 1, LastSeq: 2,
		Created: created, Updated: created.Add(time.Minute),
	}, got.Deployment)
	require.Equal(t, []*state.Instance{node("db_0", "initial"), node("web_0", "initial")}, got.Instances)
	require.Equal(t, []*state.Run{{ID: "r1", Kind: "deploy", Status: state.RunRunning, Steps: 2, FirstSeq: 1}}, got.Runs)
	require.Equal(t, []uint64{1, 2}, seqs(got.Journal))

	// What is not in a commit stays.
	e.commit(state.Commit{Put: []*state.Instance{node("web_0", "created")}, Delete: []string{"db_0", "unknown", ""}, Entries: []*state.Entry{note(3)}})
	got = read(t, s, "shop")
	require.Equal(t, state.Deploying, got.Deployment.Status)
	require.Equal(t, uint64(4), got.Deployment.Revision)
	require.Equal(t, uint64(3), got.Deployment.LastSeq)
	require.Equal(t, []*state.Instance{node("web_0", "created")}, got.Instances)
	require.Len(t, got.Runs, 1)
	require.Equal(t, []uint64{1, 2, 3}, seqs(got.Journal))
}

func testCommitOrder(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	e.commit(state.Commit{Put: []*state.Instance{node("a", "1"), node("b", "1"), node("a", "2")}})
	require.Equal(t, []*state.Instance{node("a", "2"), node("b", "1")}, read(t, h.Store, "shop").Instances)
	// Delete comes before Put.
	e.commit(state.Commit{Put: []*state.Instance{node("a", "3")}, Delete: []string{"a", "b", "b"}})
	require.Equal(t, []*state.Instance{node("a", "3")}, read(t, h.Store, "shop").Instances)
}

// testCommitRefused: a refused commit changes nothing at all.
func testCommitRefused(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	e.commit(state.Commit{Put: []*state.Instance{node("web_0", "initial")}, Run: &state.Run{ID: "r1"}, Entries: []*state.Entry{note(1)}})
	before := read(t, s, "shop")

	stranger := e.lease
	stranger.Token++
	renamed := e.lease
	renamed.Owner = "somebody"
	elsewhere := e.lease
	elsewhere.Deployment = "other"
	for name, test := range map[string]struct {
		lease    state.Lease
		revision uint64
		entry    *state.Entry
		put      *state.Instance
		want     state.Code
	}{
		"old revision":       {e.lease, e.revision - 1, note(2), node("web_0", "x"), state.CodeConflict},
		"revision to come":   {e.lease, e.revision + 1, note(2), node("web_0", "x"), state.CodeConflict},
		"no revision":        {e.lease, 0, note(2), node("web_0", "x"), state.CodeConflict},
		"no lease":           {state.Lease{}, e.revision, note(2), node("web_0", "x"), state.CodeFailedPrecondition},
		"unknown token":      {stranger, e.revision, note(2), node("web_0", "x"), state.CodeFailedPrecondition},
		"another owner":      {renamed, e.revision, note(2), node("web_0", "x"), state.CodeFailedPrecondition},
		"another deployment": {elsewhere, e.revision, note(2), node("web_0", "x"), state.CodeFailedPrecondition},
		"entry with broken JSON": {e.lease, e.revision,
			&state.Entry{Kind: "note", Data: json.RawMessage(`{"a":`)}, node("web_0", "x"), state.CodeInvalidArgument},
		"instance with broken JSON": {e.lease, e.revision, note(2),
			&state.Instance{ID: "web_0", Attributes: map[string]json.RawMessage{"a": json.RawMessage("nope")}}, state.CodeInvalidArgument},
		"instance nested too deeply": {e.lease, e.revision, note(2),
			&state.Instance{ID: "web_0", Attributes: map[string]json.RawMessage{"a": nested(9_999)}}, state.CodeInvalidArgument},
		"log chunk without a run":     {e.lease, e.revision, note(2), node("web_0", "x"), state.CodeInvalidArgument},
		"last instance without an ID": {e.lease, e.revision, note(2), node("", "x"), state.CodeInvalidArgument},
	} {
		_, err := s.Commit(ctx, "shop", &state.Commit{
			Lease: test.lease, Revision: test.revision,
			Deployment: &state.Deployment{ID: "shop", Status: state.Deployed},
			Run:        &state.Run{ID: "r2"},
			Put:        []*state.Instance{node("db_0", "x"), test.put},
			Delete:     []string{"web_0"},
			Entries:    []*state.Entry{note(1), test.entry},
			Logs:       []*state.LogChunk{{Run: map[bool]string{false: "r1"}[name == "log chunk without a run"], Text: "x"}},
		})
		require.Equal(t, test.want, state.CodeOf(err), "%s: %v", name, err)
		require.Equal(t, before, read(t, s, "shop"), name)
	}
	e.note(2, 1)
}

// nested returns an array in an array and so on.
func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

func testCommitLarge(t *testing.T, h *Harness) {
	const n = 3000
	e := deploy(t, h.Store, "shop")
	var c state.Commit
	for i := n; i > 0; i-- {
		in := node(fmt.Sprintf("web_%04d", i), "initial")
		in.Attributes = map[string]json.RawMessage{"text": json.RawMessage(`"` + strings.Repeat("x", i) + `"`)}
		c.Put = append(c.Put, in)
		c.Entries = append(c.Entries, note(i))
	}
	e.commit(c)
	got := read(t, h.Store, "shop")
	require.Len(t, got.Instances, n)
	for i, in := range got.Instances {
		require.Equal(t, c.Put[n-1-i], in)
	}
	require.Equal(t, span(1, n), seqs(got.Journal))
	c = state.Commit{}
	for i := range n - 1 {
		c.Delete = append(c.Delete, fmt.Sprintf("web_%04d", i+1))
	}
	e.commit(c)
	got = read(t, h.Store, "shop")
	require.Len(t, got.Instances, 1)
	require.Equal(t, "web_3000", got.Instances[0].ID)
}

func testRuns(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	older := &state.Run{ID: "z", Kind: "deploy", Status: state.RunRunning, Started: at}
	newer := &state.Run{ID: "a", Kind: "undeploy", Status: state.RunFailed, Started: at.Add(time.Second), Ended: at.Add(time.Hour),
		Plan: "sha256:00", Error: "step x: <exit 1> & more", Blobs: []string{"sha256:01", "sha256:02"},
		Steps: 4, Done: 1, Failed: 2, Skipped: 1}
	e.commit(state.Commit{Run: newer})
	e.commit(state.Commit{Run: older})
	older.FirstSeq, newer.FirstSeq = 1, 1 // set by the store
	runs, err := s.Runs(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, []*state.Run{older, newer}, runs)
	got, err := s.Run(ctx, "shop", "a")
	require.NoError(t, err)
	require.Equal(t, newer, got)

	done := *older
	done.Status, done.Ended = state.RunSucceeded, at.Add(time.Minute)
	e.commit(state.Commit{Run: &done})
	runs, err = s.Runs(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, []*state.Run{&done, newer}, runs)

	for _, run := range []string{"", "b", "a/b"} {
		_, err = s.Run(ctx, "shop", run)
		is(t, state.CodeNotFound, err)
	}
}

// testRunPlace: the store says where in the journal a run's entries are.
func testRunPlace(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	place := func(run string) [2]uint64 {
		t.Helper()
		r, err := h.Store.Run(t.Context(), "shop", run)
		require.NoError(t, err)
		return [2]uint64{r.FirstSeq, r.LastSeq}
	}
	ended := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}, Entries: []*state.Entry{note(1)}})
	require.Equal(t, [2]uint64{1, 0}, place("r1"))
	e.note(2, 3)
	e.commit(state.Commit{Run: &state.Run{ID: "r1", Ended: ended}, Entries: []*state.Entry{note(5)}})
	require.Equal(t, [2]uint64{1, 5}, place("r1"))
	e.note(6, 1)
	e.commit(state.Commit{Run: &state.Run{ID: "r2"}}) // its entries come later
	require.Equal(t, [2]uint64{7, 0}, place("r2"))
	e.note(7, 2)
	// A run that is resumed begins where it began.
	e.commit(state.Commit{Run: &state.Run{ID: "r1"}, Entries: []*state.Entry{note(9)}})
	require.Equal(t, [2]uint64{1, 0}, place("r1"))
	e.commit(state.Commit{Run: &state.Run{ID: "r2", Ended: ended}})
	require.Equal(t, [2]uint64{7, 9}, place("r2"))
}

// testValues: every field comes back as it was.
func testValues(t *testing.T, h *Harness) {
	e := deploy(t, h.Store, "shop")
	in := &state.Instance{
		ID: "web_0--db_0--database.1", Kind: state.Relationship, Template: "link", Index: 3,
		Type: "tosca.relationships.ConnectsTo", State: "configured",
		Source: "web_0", Target: "db_0", Requirement: "database", RequirementIndex: 1,
		Properties: map[string]json.RawMessage{
			"integer": json.RawMessage("9007199254740993"), // no float64
			"decimal": json.RawMessage("0.10"),
			"text":    json.RawMessage(`"<&> \u2028 ü \"quoted\""`),
			"null":    json.RawMessage("null"),
			"map":     json.RawMessage(`{"b":[1,true],"a":{}}`),
			"":        json.RawMessage(`""`),
		},
		Attributes:           map[string]json.RawMessage{"a": json.RawMessage("1")},
		CapabilityAttributes: map[string]map[string]json.RawMessage{"endpoint": {"ip": json.RawMessage(`"10.0.0.1"`)}},
		Outputs:              map[string]map[string]json.RawMessage{"Standard.create": {"out": json.RawMessage("[]")}},
	}
	at := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	entry := &state.Entry{
		Seq: 55, Time: at, Run: "r1", Kind: "operation-ended", Step: "web_0/create", Instance: "web_0",
		Operation: "op-1", Data: json.RawMessage(`{"html":"<b>"}`),
	}
	e.commit(state.Commit{Put: []*state.Instance{in}, Entries: []*state.Entry{entry, {Kind: "x"}}})
	got := read(t, h.Store, "shop")
	require.Equal(t, []*state.Instance{in}, got.Instances)
	want := *entry
	want.Seq, want.Time = 1, at.UTC()
	require.Equal(t, &want, got.Journal[0])
	// The store sets a time where there is none.
	require.Equal(t, &state.Entry{Seq: 2, Kind: "x", Time: got.Deployment.Updated}, got.Journal[1])
	require.Equal(t, uint64(55), entry.Seq, "the argument was changed")

	// White space in JSON may go, its value stays.
	e.commit(state.Commit{Entries: []*state.Entry{{Kind: "x", Data: json.RawMessage(" { \"a\" : [ 1 ] } ")}}})
	require.JSONEq(t, `{"a":[1]}`, string(journal(t, h.Store, "shop", 2)[0].Data))
}

// testIsolation: neither what was given nor what was returned leads into the store.
func testIsolation(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	d := &state.Deployment{ID: "shop", Inputs: json.RawMessage(`"in"`), Labels: map[string]string{"a": "1"}}
	require.NoError(t, s.CreateDeployment(ctx, d))
	lease, err := s.AcquireLease(ctx, "shop", "engine", time.Hour)
	require.NoError(t, err)
	in := node("web_0", "initial")
	in.Attributes = map[string]json.RawMessage{"a": json.RawMessage(`"1"`)}
	in.CapabilityAttributes = map[string]map[string]json.RawMessage{"c": {"a": json.RawMessage(`"1"`)}}
	run := &state.Run{ID: "r1", Kind: "deploy", Blobs: []string{"a"}}
	chunk := &state.LogChunk{Run: "r1", Text: "hello"}
	entry := &state.Entry{Kind: "note", Data: json.RawMessage(`"1"`)}
	put, entries, del := []*state.Instance{in}, []*state.Entry{entry}, []string{"gone"}
	_, err = s.Commit(ctx, "shop", &state.Commit{Lease: lease, Revision: 1, Deployment: d, Run: run, Put: put, Entries: entries, Logs: []*state.LogChunk{chunk}, Delete: del})
	require.NoError(t, err)
	want := read(t, s, "shop")

	spoil := func(e everything) {
		e.Deployment.Status, e.Deployment.Labels["a"], e.Deployment.Inputs[1] = state.Failed, "2", 'X'
		e.Instances[0].State, e.Instances[0].Attributes["a"][1] = "error", 'X'
		e.Instances[0].CapabilityAttributes["c"]["b"] = json.RawMessage("2")
		e.Runs[0].Kind, e.Runs[0].Blobs[0] = "X", "X"
		e.Logs[0].Text = "X"
		e.Journal[0].Kind, e.Journal[0].Data[1] = "X", 'X'
	}
	spoil(everything{d, put, []*state.Run{run}, entries, []*state.LogChunk{chunk}})
	put[0], entries[0] = nil, nil
	require.Equal(t, want, read(t, s, "shop"))
	spoil(read(t, s, "shop"))
	require.Equal(t, want, read(t, s, "shop"))

	list, err := s.Deployments(ctx)
	require.NoError(t, err)
	list[0].Labels["a"] = "2"
	r, err := s.Run(ctx, "shop", "r1")
	require.NoError(t, err)
	r.Kind = "X"
	require.Equal(t, want, read(t, s, "shop"))
}
