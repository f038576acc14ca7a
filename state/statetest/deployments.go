package statetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func testDeployments(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	list, err := s.Deployments(ctx)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = s.Deployment(ctx, "shop")
	is(t, state.CodeNotFound, err)

	shop := &state.Deployment{
		ID: "shop", Template: "sha256:00", Entry: "service.yaml",
		Inputs: json.RawMessage(`{"port":8080}`), Labels: map[string]string{"team": "blue"},
		Status: state.Initialized, Run: "r1",
		// These are the store's to set.
		Revision: 77, FirstSeq: 80, LastSeq: 88, LastLog: 99, Created: time.Unix(1, 0), Updated: time.Unix(2, 0),
	}
	require.NoError(t, s.CreateDeployment(ctx, shop))
	require.Equal(t, uint64(77), shop.Revision, "the argument was changed")

	got, err := s.Deployment(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, time.UTC, got.Created.Location())
	require.Greater(t, got.Created, time.Unix(2, 0))
	want := *shop
	want.Revision, want.FirstSeq, want.LastSeq, want.LastLog, want.Created, want.Updated = 1, 1, 0, 0, got.Created, got.Created
	require.Equal(t, &want, got)

	is(t, state.CodeAlreadyExists, s.CreateDeployment(ctx, &state.Deployment{ID: "shop"}))
	again, err := s.Deployment(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, got, again)

	for _, id := range []string{"b", "a10", "a", "A", "a.1"} {
		require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: id}))
	}
	list, err = s.Deployments(ctx)
	require.NoError(t, err)
	var ids []string
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	require.Equal(t, []string{"A", "a", "a.1", "a10", "b", "shop"}, ids)
	require.Equal(t, got, list[5])
}

func testIDs(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	is(t, state.CodeInvalidArgument, s.CreateDeployment(ctx, nil))
	for _, id := range []string{"", ".", "-rf", "a/b", "a b", "ä", "a\x00b", string(make([]byte, 200))} {
		is(t, state.CodeInvalidArgument, s.CreateDeployment(ctx, &state.Deployment{ID: id}))
		_, err := s.Deployment(ctx, id)
		is(t, state.CodeInvalidArgument, err)
		_, err = s.Commit(ctx, id, &state.Commit{})
		is(t, state.CodeInvalidArgument, err)
	}
	_, err := s.Instances(ctx, "nobody")
	is(t, state.CodeNotFound, err)
	_, err = s.Runs(ctx, "nobody")
	is(t, state.CodeNotFound, err)
	_, err = s.Run(ctx, "nobody", "r1")
	is(t, state.CodeNotFound, err)
	_, err = s.Commit(ctx, "nobody", &state.Commit{})
	is(t, state.CodeNotFound, err)
	is(t, state.CodeNotFound, s.DeleteDeployment(ctx, "nobody", state.Lease{}))

	e := deploy(t, s, "shop")
	for name, c := range map[string]*state.Commit{
		"no commit":                         nil,
		"run without an ID":                 {Run: &state.Run{}},
		"run with a bad ID":                 {Run: &state.Run{ID: "a/b"}},
		"another deployment":                {Deployment: &state.Deployment{ID: "other"}},
		"deployment without an ID":          {Deployment: &state.Deployment{}},
		"instance without an ID":            {Put: []*state.Instance{{}}},
		"instance with a long ID":           {Put: []*state.Instance{node(string(make([]byte, 5000)), "")}},
		"instance with a control character": {Put: []*state.Instance{node("a\nb", "")}},
		"instance that is not UTF-8":        {Put: []*state.Instance{node("a\xff", "")}},
		"nil instance":                      {Put: []*state.Instance{nil}},
		"nil entry":                         {Entries: []*state.Entry{nil}},
		"nil log chunk":                     {Logs: []*state.LogChunk{nil}},
		"log chunk without a run":           {Logs: []*state.LogChunk{{Operation: "op"}}},
		"log chunk of a long operation":     {Logs: []*state.LogChunk{{Run: "r1", Operation: strings.Repeat("x", 1025)}}},
		"log chunk with a zero byte":        {Logs: []*state.LogChunk{{Run: "r1", Operation: "a\x00b"}}},
	} {
		if c != nil {
			c.Lease, c.Revision = e.lease, e.revision
		}
		_, err := s.Commit(ctx, "shop", c)
		require.Equal(t, state.CodeInvalidArgument, state.CodeOf(err), "%s: %v", name, err)
	}
	// What TOSCA allows as a name is allowed in an instance's ID.
	e.commit(state.Commit{Put: []*state.Instance{node("Datenbank für Köln/1_0", "initial")}})
	list, err := s.Instances(ctx, "shop")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "Datenbank für Köln/1_0", list[0].ID)
}

func testDelete(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e, other := deploy(t, s, "shop"), deploy(t, s, "other")
	e.commit(state.Commit{Put: []*state.Instance{node("web_0", "started")}, Run: &state.Run{ID: "r1"}, Entries: []*state.Entry{note(1)}})
	other.commit(state.Commit{Put: []*state.Instance{node("web_0", "started")}, Entries: []*state.Entry{note(1)}})

	is(t, state.CodeFailedPrecondition, s.DeleteDeployment(ctx, "shop", state.Lease{}))
	is(t, state.CodeFailedPrecondition, s.DeleteDeployment(ctx, "shop", other.lease))
	require.NoError(t, s.DeleteDeployment(ctx, "shop", e.lease))
	is(t, state.CodeNotFound, s.DeleteDeployment(ctx, "shop", e.lease))
	_, err := s.Deployment(ctx, "shop")
	is(t, state.CodeNotFound, err)
	_, err = s.AcquireLease(ctx, "shop", "engine", time.Hour)
	is(t, state.CodeNotFound, err)

	// A new deployment of the same ID inherits nothing.
	deploy(t, s, "shop")
	got := read(t, s, "shop")
	require.Equal(t, uint64(1), got.Deployment.Revision)
	require.Equal(t, uint64(0), got.Deployment.LastSeq)
	require.Empty(t, got.Instances)
	require.Empty(t, got.Runs)
	require.Empty(t, got.Journal)

	kept := read(t, s, "other")
	require.Len(t, kept.Instances, 1)
	require.Len(t, kept.Journal, 1)
}
