package statetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/stretchr/testify/require"
)

func export(t testing.TB, s state.Store, id string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, state.Export(t.Context(), s, id, &b))
	return b.Bytes()
}

// testExchange moves deployments between the store and one in memory.
func testExchange(t *testing.T, h *Harness) {
	other := memory.New(memory.Config{})
	defer other.Close()
	exchange(t, other, h.Store, "shop")
	exchange(t, h.Store, other, "office")
}

// exchange moves a deployment from one store to another and back, and requires
// that nothing changes on the way.
func exchange(t *testing.T, from, to state.Store, id string) {
	ctx := t.Context()
	sample(t, from, id)
	want := read(t, from, id)
	file := export(t, from, id)
	require.NoError(t, state.Import(ctx, to, bytes.NewReader(file), ""))
	require.Equal(t, want, read(t, to, id))
	for _, digest := range append(slices.Clone(want.Runs[0].Blobs), want.Deployment.Template, want.Runs[0].Plan) {
		given, err := get(ctx, from, digest)
		require.NoError(t, err)
		got, err := get(ctx, to, digest)
		require.NoError(t, err)
		require.Equal(t, given, got)
	}
	back := export(t, to, id)
	require.True(t, bytes.Equal(file, back), "the two stores' exports differ")
	require.NoError(t, state.Import(ctx, from, bytes.NewReader(back), id+"-copy"))
	require.Equal(t, want.as(id+"-copy"), read(t, from, id+"-copy"))
}

// testExport: within one store, and what is refused.
func testExport(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	is(t, state.CodeNotFound, state.Export(ctx, s, "nobody", io.Discard))
	is(t, state.CodeInvalidArgument, state.Export(ctx, s, "a/b", io.Discard))
	e := sample(t, s, "shop")
	want := read(t, s, "shop")
	file := export(t, s, "shop")
	require.Equal(t, file, export(t, s, "shop"))
	require.NoError(t, state.Import(ctx, s, iotest.OneByteReader(bytes.NewReader(file)), "copy"))
	require.Equal(t, want.as("copy"), read(t, s, "copy"))

	is(t, state.CodeAlreadyExists, state.Import(ctx, s, bytes.NewReader(file), ""))
	is(t, state.CodeAlreadyExists, state.Import(ctx, s, bytes.NewReader(file), "copy"))
	is(t, state.CodeInvalidArgument, state.Import(ctx, s, bytes.NewReader(file), "a/b"))

	// A deployment without anything, and one whose blobs are not there.
	require.NoError(t, s.CreateDeployment(ctx, &state.Deployment{ID: "empty", Template: digestOf([]byte("nowhere")), Run: "r9"}))
	require.NoError(t, state.Import(ctx, s, bytes.NewReader(export(t, s, "empty")), "empty2"))
	require.Equal(t, read(t, s, "empty").as("empty2"), read(t, s, "empty2"))
	// One whose whole journal was trimmed.
	require.NoError(t, s.Trim(ctx, "shop", e.lease, 1<<64-1))
	require.NoError(t, state.Import(ctx, s, bytes.NewReader(export(t, s, "shop")), "trimmed"))
	require.Equal(t, read(t, s, "shop").as("trimmed"), read(t, s, "trimmed"))

	before := collectIDs(t, s)
	refused := func(data []byte, text string) {
		t.Helper()
		err := state.Import(ctx, s, bytes.NewReader(data), "new")
		is(t, state.CodeInvalidArgument, err)
		require.ErrorContains(t, err, text)
		require.Equal(t, before, collectIDs(t, s))
	}
	refused(nil, "cut short")
	refused([]byte("hello, world, this is no export"), "no exported deployment")
	for n := 1; n < len(file); n += 1 + len(file)/40 {
		refused(file[:n], "cut short")
	}
	refused(file[:len(file)-1], "cut short")
	refused(append(slices.Clone(file), 'x'), "cut short")
	refused(append(slices.Clone(file), file...), "altered")
	for at := 30; at < len(file); at += 1 + len(file)/40 {
		altered := slices.Clone(file)
		altered[at] ^= 1
		refused(altered, "")
	}

	broken := errors.New("the line went dead")
	for _, n := range []int{0, 5, 100, len(file) / 2, len(file) - 3} {
		err := state.Import(ctx, s, io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)), "new")
		require.ErrorIs(t, err, broken, "%d bytes", n)
		require.NotEqual(t, state.CodeInvalidArgument, state.CodeOf(err), "%d bytes", n)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.Equal(t, state.CodeCanceled, state.CodeOf(state.Import(canceled, s, bytes.NewReader(file), "new")))
	require.Equal(t, state.CodeCanceled, state.CodeOf(state.Export(canceled, s, "shop", io.Discard)))
	require.ErrorIs(t, state.Export(ctx, s, "copy", brokenWriter{broken}), broken)
	require.Equal(t, before, collectIDs(t, s))
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// testExportWhileRunning: an export is one revision, whatever goes on.
func testExportWhileRunning(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	e.commit(state.Commit{Put: []*state.Instance{node("a", "0"), node("b", "0")}, Entries: []*state.Entry{note(0)}})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(i) * time.Millisecond): // ever longer: a slow machine comes to its turn
			}
			st := string(rune('0' + i%10))
			e.commit(state.Commit{Put: []*state.Instance{node("a", st), node("b", st)}, Entries: []*state.Entry{note(i)},
				Logs: []*state.LogChunk{chunk("op", "x")}})
		}
	}()
	whole := 0
	for i := 0; i < 20 || whole == 0; i++ {
		var file bytes.Buffer
		err := state.Export(ctx, s, "shop", &file)
		if err != nil {
			is(t, state.CodeConflict, err)
			continue
		}
		whole++
		id := "copy" + string(rune('a'+whole))
		require.NoError(t, state.Import(ctx, s, &file, id))
		got := read(t, s, id)
		require.Equal(t, got.Instances[0].State, got.Instances[1].State)
		require.Equal(t, got.Deployment.Revision, got.Deployment.LastSeq+1)
		require.Equal(t, got.Deployment.LastLog+1, got.Deployment.LastSeq)
		require.Len(t, got.Logs, int(got.Deployment.LastLog))
	}
	close(stop)
	<-stopped
}
