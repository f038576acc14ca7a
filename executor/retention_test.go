package executor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// runs are the IDs of the runs that are kept; that every journal entry is one of
// them is checked.
func keptRuns(t *testing.T, s state.Store) []string {
	t.Helper()
	runs, err := s.Runs(t.Context(), "x")
	require.NoError(t, err)
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	for entry, err := range s.Journal(t.Context(), "x", 0) {
		require.NoError(t, err)
		require.Contains(t, ids, entry.Run)
	}
	return ids
}

func TestRetention(t *testing.T) {
	t.Parallel()
	archive := func(t *testing.T) executor.Archive { return template(t, things(3, createsAndDeletes, chain)) }
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		stores(t, func(t *testing.T, store state.Store) {
			e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(&script{})}, Keep: executor.Retention{Runs: 2}})
			for range 2 {
				_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive(t)})
				require.NoError(t, err)
				_, err = e.Undeploy(t.Context(), "x", executor.Options{})
				require.NoError(t, err)
			}
			require.Equal(t, []string{"run-3", "run-4"}, keptRuns(t, store))
			plain := newEngine(t, executor.Config{Store: store})
			require.NoError(t, plain.Prune(t.Context(), "x", executor.Retention{}))
			require.Equal(t, []string{"run-3", "run-4"}, keptRuns(t, store))
			require.NoError(t, plain.Prune(t.Context(), "x", executor.Retention{Runs: 1}))
			require.Equal(t, []string{"run-4"}, keptRuns(t, store))
			// Two plans: of deploy and of undeploy; that of run-3 goes.
			removed, err := plain.Sweep(t.Context(), 0)
			require.NoError(t, err)
			require.Equal(t, 1, removed)
			_, err = plain.Info(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, executor.NotFound, executor.CodeOf(plain.Prune(t.Context(), "y", executor.Retention{Runs: 1})))
		})
	})
	// A run that may be resumed keeps its journal, however old it is.
	t.Run("age", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store, driver := newMemory(t), failing("n2_0.create")
			e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
			for range 2 {
				_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: archive(t)})
				require.Error(t, err)
				time.Sleep(time.Hour)
			}
			require.NoError(t, e.Prune(t.Context(), "x", executor.Retention{Age: 3 * time.Hour}))
			require.Equal(t, []string{"run-1", "run-2"}, keptRuns(t, store))
			require.NoError(t, e.Prune(t.Context(), "x", executor.Retention{Age: time.Minute}))
			require.Equal(t, []string{"run-2"}, keptRuns(t, store))
			_, err := e.Sweep(t.Context(), 0)
			require.NoError(t, err)
			driver.do = nil
			_, err = e.Resume(t.Context(), "x", executor.Options{})
			require.NoError(t, err)
			require.Equal(t, []string{"n0_0.create", "n1_0.create", "n2_0.create", "n2_0.create", "n2_0.create"}, driver.seen())
		})
	})
}

// The archive that an update replaces is kept as long as the run may need it.
func TestSweepKeepsWhatAnUpdateReplaces(t *testing.T) {
	t.Parallel()
	driver, store := failing("n1_0.delete"), newMemory(t)
	e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, createsAndDeletes, chain))})
	require.NoError(t, err)
	_, err = e.Update(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(1, createsAndDeletes, chain))})
	require.ErrorContains(t, err, "disk full")
	_, err = e.Sweep(t.Context(), 0)
	require.NoError(t, err)
	driver.do = nil
	// Another engine has nothing in memory.
	e = newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err = e.Resume(t.Context(), "x", executor.Options{})
	require.NoError(t, err)
	require.Contains(t, driver.seen(), "n1_0.delete")
}
