// Package statetest is the definition of a correct state.Store: a suite that
// every implementation must pass, under the race detector.
//
//	func TestStore(t *testing.T) {
//		statetest.Run(t, func(t testing.TB) *statetest.Harness {
//			clock := statetest.NewClock()
//			return &statetest.Harness{
//				Store:   mystore.New(mystore.Config{Now: clock.Now}),
//				Advance: clock.Advance,
//			}
//		})
//	}
package statetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// Harness is one store under test.
type Harness struct {
	// Store is empty. The suite closes it.
	Store state.Store
	// Advance sets the store's clock forward. Required.
	Advance func(time.Duration)
	// Reopen closes Store and returns it opened again, with all it held. It is
	// nil for a store that does not last.
	Reopen func() state.Store
	// Syncs tells how often Store has synced a disk. It may be nil; the
	// benchmarks report it.
	Syncs func() uint64
}

// Clock is a clock for a store under test, set by hand.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a fixed time.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)}
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance sets the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the suite. Each test calls open for a store of its own; tests run
// in parallel.
func Run(t *testing.T, open func(t testing.TB) *Harness) {
	for name, test := range map[string]func(*testing.T, *Harness){
		"Deployments":        testDeployments,
		"IDs":                testIDs,
		"Commit":             testCommit,
		"CommitOrder":        testCommitOrder,
		"CommitRefused":      testCommitRefused,
		"CommitLarge":        testCommitLarge,
		"Runs":               testRuns,
		"RunPlace":           testRunPlace,
		"Values":             testValues,
		"Isolation":          testIsolation,
		"Delete":             testDelete,
		"Lease":              testLease,
		"LeaseExpiry":        testLeaseExpiry,
		"LeaseArguments":     testLeaseArguments,
		"Fencing":            testFencing,
		"FencingRecreated":   testFencingRecreated,
		"Journal":            testJournal,
		"JournalReentrant":   testJournalReentrant,
		"JournalDeleted":     testJournalDeleted,
		"Watch":              testWatch,
		"WatchRecreated":     testWatchRecreated,
		"WatchClosed":        testWatchClosed,
		"WatchMany":          testWatchMany,
		"Logs":               testLogs,
		"LogsMany":           testLogsMany,
		"WatchLogs":          testWatchLogs,
		"Trim":               testTrim,
		"TrimRuns":           testTrimRuns,
		"TrimWhileReading":   testTrimWhileReading,
		"TrimMany":           testTrimMany,
		"Signals":            testSignals,
		"SignalsForgotten":   testSignalsForgotten,
		"Restore":            testRestore,
		"RestoreRefused":     testRestoreRefused,
		"RestoreMany":        testRestoreMany,
		"Export":             testExport,
		"ExportWhileRunning": testExportWhileRunning,
		"Exchange":           testExchange,
		"Sweep":              testSweep,
		"SweepMany":          testSweepMany,
		"Blobs":              testBlobs,
		"BlobsLarge":         testBlobsLarge,
		"BlobsConcurrent":    testBlobsConcurrent,
		"Concurrency":        testConcurrency,
		"LeaseRace":          testLeaseRace,
		"Readers":            testReaders,
		"Context":            testContext,
		"Closed":             testClosed,
		"Reopen":             testReopen,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, open))
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testModel(t, open)
	})
}

func start(t testing.TB, open func(testing.TB) *Harness) *Harness {
	h := open(t)
	t.Cleanup(func() { _ = h.Store.Close() })
	return h
}

// is requires that err has a code.
func is(t require.TestingT, want state.Code, err error) {
	require.Error(t, err)
	require.Equal(t, want, state.CodeOf(err), "%v", err)
	var e *state.Error
	require.True(t, errors.As(err, &e), "%T is no *state.Error: %v", err, err)
}

// engine is the holder of a deployment's lease in these tests.
type engine struct {
	t        testing.TB
	s        state.Store
	id       string
	lease    state.Lease
	revision uint64
}

// deploy creates a deployment and takes its lease.
func deploy(t testing.TB, s state.Store, id string) *engine {
	require.NoError(t, s.CreateDeployment(t.Context(), &state.Deployment{ID: id, Status: state.Initialized}))
	lease, err := s.AcquireLease(t.Context(), id, "engine", time.Hour)
	require.NoError(t, err)
	return &engine{t: t, s: s, id: id, lease: lease, revision: 1}
}

// commit fills in the lease and revision, and requires success.
func (e *engine) commit(c state.Commit) {
	e.t.Helper()
	e.revision = e.try(c)
}

func (e *engine) try(c state.Commit) uint64 {
	e.t.Helper()
	c.Lease, c.Revision = e.lease, e.revision
	revision, err := e.s.Commit(e.t.Context(), e.id, &c)
	require.NoError(e.t, err)
	require.Equal(e.t, e.revision+1, revision)
	return revision
}

// note commits n journal entries of kind "note", numbered from the given on.
func (e *engine) note(from, n int) {
	e.t.Helper()
	var entries []*state.Entry
	for i := range n {
		entries = append(entries, note(from+i))
	}
	e.commit(state.Commit{Entries: entries})
}

func note(i int) *state.Entry {
	return &state.Entry{Kind: "note", Data: json.RawMessage(fmt.Sprint(i))}
}

func node(id, nodeState string) *state.Instance {
	return &state.Instance{ID: id, Kind: state.Node, Type: "tosca.nodes.Root", State: nodeState}
}

// everything is all that a store tells of a deployment.
type everything struct {
	Deployment *state.Deployment
	Instances  []*state.Instance
	Runs       []*state.Run
	Journal    []*state.Entry
	Logs       []*state.LogChunk
}

func read(t testing.TB, s state.Store, id string) everything {
	t.Helper()
	d, err := s.Deployment(t.Context(), id)
	require.NoError(t, err)
	instances, err := s.Instances(t.Context(), id)
	require.NoError(t, err)
	runs, err := s.Runs(t.Context(), id)
	require.NoError(t, err)
	return everything{d, instances, runs, journal(t, s, id, 0), logs(t, s, id, "", 0)}
}

func journal(t testing.TB, s state.Store, id string, after uint64) []*state.Entry {
	t.Helper()
	return collect(t, s.Journal(t.Context(), id, after))
}

func logs(t testing.TB, s state.Store, id, operation string, after uint64) []*state.LogChunk {
	t.Helper()
	return collect(t, s.Logs(t.Context(), id, operation, after))
}

// collect returns all that a loop yields.
func collect[T any](t testing.TB, seq iter.Seq2[*T, error]) (all []*T) {
	t.Helper()
	for v, err := range seq {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// seqs returns the numbers of entries, log chunks or signals.
func seqs[T any](all []*T) []uint64 {
	var ns []uint64
	for _, v := range all {
		ns = append(ns, seqOf(v))
	}
	return ns
}

func seqOf(v any) uint64 {
	switch v := v.(type) {
	case *state.Entry:
		return v.Seq
	case *state.LogChunk:
		return v.Seq
	case *state.Signal:
		return v.Seq
	}
	panic(fmt.Sprintf("%T has no number", v))
}

// span returns from, from+1, ... to.
func span(from, to uint64) []uint64 {
	var ns []uint64
	for n := from; n <= to; n++ {
		ns = append(ns, n)
	}
	return ns
}
