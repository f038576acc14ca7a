package statetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// sample makes a deployment with something of everything in it: a journal
// whose beginning was trimmed, gaps in the logs, blobs, a run that goes on.
func sample(t testing.TB, s state.Store, id string) *engine {
	e := deploy(t, s, id)
	digest := put(t, s, "template")
	for i, run := range []string{"r1", "r2", "r3"} {
		for _, ended := range []time.Time{{}, time.Unix(1, 0)} {
			if run == "r3" && !ended.IsZero() {
				continue
			}
			e.commit(state.Commit{
				Deployment: &state.Deployment{ID: id, Template: digest, Inputs: []byte(`{"a":1}`), Labels: map[string]string{"b": "<c>"}, Run: run},
				Run:        &state.Run{ID: run, Plan: put(t, s, "plan of "+run), Blobs: []string{put(t, s, "more")}, Started: time.Unix(int64(i), 0), Ended: ended},
				Put:        []*state.Instance{node(fmt.Sprintf("web_%d", i), "started"), node("db_0", "started")},
				Entries:    []*state.Entry{note(i), note(i)},
				Logs:       []*state.LogChunk{{Run: run, Operation: "op-" + run, Attempt: 1, Text: "hello\x00\n"}},
			})
		}
	}
	require.NoError(t, s.Trim(t.Context(), id, e.lease, 4))
	return e
}

// records returns the records of a deployment under another ID, in an order
// in which Restore takes them.
func (e everything) records() iter.Seq2[*state.Record, error] {
	return func(yield func(*state.Record, error) bool) {
		var all []*state.Record
		for _, v := range e.Instances {
			all = append(all, &state.Record{Instance: v})
		}
		for _, v := range e.Runs {
			all = append(all, &state.Record{Run: v})
		}
		for _, v := range e.Journal {
			all = append(all, &state.Record{Entry: v})
		}
		for _, v := range e.Logs {
			all = append(all, &state.Record{Log: v})
		}
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// as is the same of a deployment with another ID.
func (e everything) as(id string) everything {
	d := *e.Deployment
	d.ID = id
	e.Deployment = &d
	return e
}

func testRestore(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := sample(t, s, "shop")
	want := read(t, s, "shop").as("copy")
	h.Advance(time.Minute)
	require.NoError(t, s.Restore(ctx, want.Deployment, want.records()))
	require.Equal(t, want, read(t, s, "copy"))
	require.Equal(t, want.Logs[:1], logs(t, s, "copy", want.Logs[0].Operation, 0)[:1])
	is(t, state.CodeAlreadyExists, s.Restore(ctx, want.Deployment, want.records()))

	// It has no lease, and goes on like any other.
	c := &engine{t: t, s: s, id: "copy", revision: want.Deployment.Revision}
	require.NoError(t, renew(t, c))
	require.Greater(t, c.lease.Token, e.lease.Token)
	require.NoError(t, s.Signal(ctx, "copy", &state.Signal{Kind: "cancel", Run: "r3"}))
	c.commit(state.Commit{Entries: []*state.Entry{note(9)}, Logs: []*state.LogChunk{chunk("op", "x")}})
	got := read(t, s, "copy")
	require.Equal(t, append(seqs(want.Journal), want.Deployment.LastSeq+1), seqs(got.Journal))
	require.Equal(t, append(seqs(want.Logs), want.Deployment.LastLog+1), seqs(got.Logs))
	require.NoError(t, s.Trim(ctx, "copy", c.lease, 1<<64-1))
	require.NoError(t, s.DeleteDeployment(ctx, "copy", c.lease))
	require.NoError(t, s.Restore(ctx, want.Deployment, want.records()))
	require.Equal(t, want, read(t, s, "copy"))
	require.Equal(t, want.as("shop"), read(t, s, "shop"))
}

// testRestoreRefused: nothing stays of what was refused.
func testRestoreRefused(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	sample(t, s, "shop")
	good := read(t, s, "shop").as("copy")
	broken := errors.New("the line went dead")
	canceled, cancel := context.WithCancel(ctx)
	for name, test := range map[string]struct {
		ctx   context.Context
		spoil func(e *everything)
		tail  func(yield func(*state.Record, error) bool)
		want  state.Code
	}{
		"another ID":          {spoil: func(e *everything) { e.Deployment.ID = "a/b" }, want: state.CodeInvalidArgument},
		"taken ID":            {spoil: func(e *everything) { e.Deployment.ID = "shop" }, want: state.CodeAlreadyExists},
		"no revision":         {spoil: func(e *everything) { e.Deployment.Revision = 0 }, want: state.CodeInvalidArgument},
		"no first":            {spoil: func(e *everything) { e.Deployment.FirstSeq = 0 }, want: state.CodeInvalidArgument},
		"first behind last":   {spoil: func(e *everything) { e.Deployment.FirstSeq = 100 }, want: state.CodeInvalidArgument},
		"broken inputs":       {spoil: func(e *everything) { e.Deployment.Inputs = []byte("{") }, want: state.CodeInvalidArgument},
		"no last entry":       {spoil: func(e *everything) { e.Deployment.LastSeq++ }, want: state.CodeInvalidArgument},
		"an entry too many":   {spoil: func(e *everything) { e.Deployment.LastSeq-- }, want: state.CodeInvalidArgument},
		"no first entry":      {spoil: func(e *everything) { e.Journal = e.Journal[1:] }, want: state.CodeInvalidArgument},
		"entry twice":         {spoil: func(e *everything) { e.Journal = append(e.Journal[:1:1], e.Journal...) }, want: state.CodeInvalidArgument},
		"broken entry":        {spoil: func(e *everything) { e.Journal[0].Data = []byte("{") }, want: state.CodeInvalidArgument},
		"chunk behind last":   {spoil: func(e *everything) { e.Deployment.LastLog = e.Logs[0].Seq - 1 }, want: state.CodeInvalidArgument},
		"chunk twice":         {spoil: func(e *everything) { e.Logs = append(e.Logs, e.Logs[0]) }, want: state.CodeInvalidArgument},
		"chunk without run":   {spoil: func(e *everything) { e.Logs[0].Run = "" }, want: state.CodeInvalidArgument},
		"instances unordered": {spoil: func(e *everything) { e.Instances[0], e.Instances[1] = e.Instances[1], e.Instances[0] }, want: state.CodeInvalidArgument},
		"instance twice":      {spoil: func(e *everything) { e.Instances[1] = e.Instances[0] }, want: state.CodeInvalidArgument},
		"bad instance":        {spoil: func(e *everything) { e.Instances[0].ID = "" }, want: state.CodeInvalidArgument},
		"run twice":           {spoil: func(e *everything) { e.Runs = append(e.Runs, e.Runs[0]) }, want: state.CodeInvalidArgument},
		"bad run":             {spoil: func(e *everything) { e.Runs[0].ID = "a/b" }, want: state.CodeInvalidArgument},
		"run behind last":     {spoil: func(e *everything) { e.Runs[0].LastSeq = 100 }, want: state.CodeInvalidArgument},
		"nil":                 {tail: func(yield func(*state.Record, error) bool) { yield(nil, nil) }, want: state.CodeInvalidArgument},
		"empty":               {tail: func(yield func(*state.Record, error) bool) { yield(&state.Record{}, nil) }, want: state.CodeInvalidArgument},
		"an error":            {tail: func(yield func(*state.Record, error) bool) { yield(nil, broken) }, want: state.CodeInternal},
		"canceled":            {ctx: canceled, tail: func(func(*state.Record, error) bool) { cancel() }, want: state.CodeCanceled},
	} {
		e := read(t, s, "shop").as("copy") // a deep copy
		if test.spoil != nil {
			test.spoil(&e)
		}
		records := func(yield func(*state.Record, error) bool) {
			e.records()(yield)
			if test.tail != nil {
				test.tail(yield)
			}
		}
		if test.ctx == nil {
			test.ctx = ctx
		}
		err := s.Restore(test.ctx, e.Deployment, records)
		require.Equal(t, test.want, state.CodeOf(err), "%s: %v", name, err)
		require.Equal(t, name == "an error", errors.Is(err, broken), name)
		_, err = s.Deployment(ctx, "copy")
		is(t, state.CodeNotFound, err)
		require.Equal(t, []string{"shop"}, collectIDs(t, s), name)
	}
	is(t, state.CodeInvalidArgument, s.Restore(ctx, nil, good.records()))

	// Others go on while records are on their way, and may take the ID.
	taken := func(yield func(*state.Record, error) bool) {
		deploy(t, s, "copy").note(1, 1)
		good.records()(yield)
	}
	is(t, state.CodeAlreadyExists, s.Restore(ctx, good.Deployment, taken))
	require.Len(t, read(t, s, "copy").Journal, 1)
}

// testRestoreMany: more than fits into one transaction.
func testRestoreMany(t *testing.T, h *Harness) {
	const n = 12_345
	at := time.Unix(1, 0).UTC()
	want := everything{Deployment: &state.Deployment{ID: "shop", Revision: 9, FirstSeq: 11, LastSeq: n + 10, LastLog: 2 * n, Created: at, Updated: at}}
	for i := range n {
		want.Instances = append(want.Instances, node(fmt.Sprintf("node_%05d", i), "started"))
		want.Journal = append(want.Journal, &state.Entry{Seq: uint64(11 + i), Time: at, Kind: "note"})
		want.Logs = append(want.Logs, &state.LogChunk{Seq: uint64(2 * (i + 1)), Time: at, Run: "r1", Operation: fmt.Sprint("op", i%100), Text: "x"})
	}
	require.NoError(t, h.Store.Restore(t.Context(), want.Deployment, want.records()))
	require.Equal(t, want, read(t, h.Store, "shop"))
	require.Len(t, logs(t, h.Store, "shop", "op99", 0), n/100)
	if h.Reopen != nil {
		h.Store = h.Reopen()
		t.Cleanup(func() { _ = h.Store.Close() })
		require.Equal(t, want, read(t, h.Store, "shop"))
	}
}
