package executor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

func createsAndDeletes(int) string { return "create: do.sh, delete: do.sh" }

// failing is a script of which the operations named fail.
func failing(which ...string) *script {
	return &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		for _, w := range which {
			if w == op.Instance+"."+op.Name {
				return nil, errors.New("disk full")
			}
		}
		return nil, nil
	}}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store state.Store) {
		// n2 fails; what came before it is taken back, last first.
		driver := failing("n2_0.create")
		w := &watcher{}
		e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Observe: w.observe})
		request := executor.Request{Deployment: "x", Archive: template(t, things(4, createsAndDeletes, chain)), Rollback: true}
		result, err := e.Deploy(t.Context(), request)
		require.EqualError(t, err, "deploy x: n2_0: Standard.create: disk full")
		require.Equal(t, state.RunFailed, result.Run.Status)
		require.Equal(t, state.RunSucceeded, result.Rollback.Run.Status)
		require.Equal(t, "rollback", result.Rollback.Run.Kind)
		require.Equal(t, []string{"n0_0.create", "n1_0.create", "n2_0.create", "n2_0.delete", "n1_0.delete", "n0_0.delete"}, driver.seen())
		info, err := e.Info(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, state.Undeployed, info.Status)
		require.Empty(t, info.Instances)
		for _, ev := range w.all() {
			if ev.Kind == executor.RunStarted && ev.Run == "run-2" {
				require.Equal(t, "run-1", ev.Cause)
			}
		}
		_, err = e.Resume(t.Context(), "x", executor.Options{})
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err), "all is told")

		driver.do = nil
		_, err = e.Deploy(t.Context(), executor.Request{Deployment: "x"})
		require.NoError(t, err)
		requireDeployed(t, e, "x")
	})
}

// What was up before stays, with the template that it was deployed from.
func TestRollbackKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	driver := failing("n3_0.create", "n2_0.delete")
	e := newEngine(t, executor.Config{Drivers: []executor.Driver{executor.Sync(driver)}})
	_, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(2, createsAndDeletes, chain))})
	require.NoError(t, err)
	before, err := e.Info(t.Context(), "x")
	require.NoError(t, err)
	result, err := e.Deploy(t.Context(), executor.Request{Deployment: "x", Archive: template(t, things(4, createsAndDeletes, chain)), Rollback: true})
	require.ErrorContains(t, err, "n3_0: Standard.create: disk full; and what it has made could not be taken back: rollback x: n2_0: Standard.delete: disk full")
	require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
	require.Equal(t, state.RunFailed, result.Rollback.Run.Status)
	require.Equal(t, []string{before.Deployment.Template}, result.Rollback.Run.Blobs)

	// The rollback goes on like every run.
	plan, err := e.PlanResume(t.Context(), "x")
	require.NoError(t, err)
	require.NoError(t, plan.Validate())
	require.Equal(t, "n2_0.Standard.delete", plan.Steps[0].ID)
	driver.do = nil
	_, err = e.Resume(t.Context(), "x", executor.Options{})
	require.NoError(t, err)
	after, err := e.Info(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, before.Deployment.Template, after.Deployment.Template)
	require.Equal(t, state.Deployed, after.Status)
	require.Equal(t, before.Instances, after.Instances)
	require.NotContains(t, driver.seen(), "n0_0.delete")
	require.NotContains(t, driver.seen(), "n1_0.delete")
}

// The process dies at every commit of a deploy that fails and of its rollback:
// Resume does the rest, and nothing is left.
func TestRollbackSurvivesCrash(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			t.Parallel()
			crashes := 0
			for crashed := true; crashed; crashes++ {
				synctest.Test(t, func(t *testing.T) { crashed = crashInRollback(t, crashes, after) })
			}
			require.Greater(t, crashes, 6)
		})
	}
}

func crashInRollback(t *testing.T, commits int, after bool) bool {
	driver, live := failing("n1_0.create"), newMemory(t)
	dying := &crashing{Store: live, left: commits, after: after}
	request := executor.Request{Deployment: "x", Archive: template(t, things(3, createsAndDeletes, chain)), Rollback: true}
	first := newEngine(t, executor.Config{Store: dying, Drivers: []executor.Driver{executor.Sync(driver)}, LeaseTTL: time.Minute})
	_, err := first.Deploy(t.Context(), request)
	require.Error(t, err)
	time.Sleep(2 * time.Minute)

	second := newEngine(t, executor.Config{Store: live, Drivers: []executor.Driver{executor.Sync(driver)}, RerunLost: true})
	record, err := live.Deployment(t.Context(), "x")
	require.NoError(t, err)
	if record.Run == "" {
		_, err = second.Deploy(t.Context(), request)
		require.Equal(t, executor.CodeFailed, executor.CodeOf(err))
	} else if _, err := second.PlanResume(t.Context(), "x"); err == nil {
		result, err := second.Resume(t.Context(), "x", executor.Options{})
		if result.Run.Kind == "deploy" { // it had not failed yet
			require.ErrorContains(t, err, "disk full")
			result = result.Rollback
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, "rollback", result.Run.Kind)
	} else {
		require.Equal(t, executor.FailedPrecondition, executor.CodeOf(err), "it had ended")
	}
	info, err := second.Info(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, state.Undeployed, info.Status)
	require.Empty(t, info.Instances)
	require.Contains(t, driver.seen(), "n0_0.delete")
	return dying.dead
}
