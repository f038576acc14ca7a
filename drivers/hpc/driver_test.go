package hpc_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

func TestBadProperties(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for want, properties := range map[string]map[string]any{
		"the job has nothing to run":     {},
		"give one of script":             {"script": "date", "command": "date"},
		`"soon" is no walltime`:          {"command": "date", "walltime": "soon"},
		`"much" is no amount of memory`:  {"command": "date", "memory": "much"},
		"-1 is no whole number":          {"command": "date", "nodes": int64(-1)},
		`"a b" is no name of a variable`: {"command": "date", "environment": map[string]any{"a b": "c"}},
		"the indexes":                    {"command": "date", "array": map[string]any{"indexes": "all"}},
		"it names no image":              {"command": "date", "container": map[string]any{"runtime": "apptainer"}},
		"leads out of the folder":        {"command": "date", "stage_out": []any{map[string]any{"source": "../x"}}},
		"a dependency of kind afterok":   {"command": "date", "dependencies": []any{map[string]any{"kind": "afterok"}}},
		"it is neither true nor false":   nil,
		"is no number between 1 and 100": {"command": "date", "retry_memory_factor": 0.5},
		`"tomorrow" is no time`:          {"command": "date", "begin": "tomorrow"},
		"there is no memory to multiply": {"command": "date", "retry_memory_factor": 1.5},
	} {
		if properties == nil {
			properties, want = map[string]any{"command": "date", "hold": "maybe"}, "maybe is neither true nor false"
		}
		_, err := f.Start(t.Context(), f.operation("op-1", properties))
		require.ErrorContains(t, err, want)
		require.Equal(t, executor.InvalidArgument, executor.CodeOf(err), want)
	}
	op := f.operation("op-1", map[string]any{"command": "date"})
	op.Hosts[0].Properties["work_directory"] = "/a\nb"
	_, err := f.Start(t.Context(), op)
	require.ErrorContains(t, err, "has a control character")
	require.Empty(t, f.specs)
}

// Whoever names an address is told of the end.
func TestMail(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.start(t, map[string]any{"command": "date", "mail": "me@example.org"})
	require.Equal(t, []string{"end", "fail"}, f.specs[0].MailOn)
}

// The environment of a cluster may hold secrets: no handle has it, and a process
// that resumes takes it from the operation.
func TestNoSecretsInHandles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &fakeManager{jobs: map[string]*hpc.Job{}}
	var tokens []string
	driver := func() *hpc.Driver {
		d := hpc.New(hpc.Config{MinPeriod: time.Millisecond, MaxPeriod: time.Millisecond,
			Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
				New: func(shell hpc.Shell) (hpc.Manager, error) {
					r, err := shell.Run(t.Context(), hpc.Command{Args: []string{"sh", "-c", "printf %s \"$TOKEN\""}})
					tokens = append(tokens, string(r.Stdout))
					return m, err
				}}}})
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	}
	op := operation("op-1", map[string]any{"command": "date", "environment": map[string]any{"PASSWORD": "of-the-job"}})
	op.Hosts[0].Properties["work_directory"] = dir
	op.Hosts[0].Properties["environment"] = map[string]any{"TOKEN": "of-the-cluster"}
	stop := *op
	stop.ID, stop.Name = "op-2", "stop"
	first := driver()
	s, err := first.Start(t.Context(), op)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d1", "op-1-1", "job.id"), []byte("101\n"), 0o600))
	stopping, err := first.Start(t.Context(), &stop)
	require.NoError(t, err)
	require.Equal(t, executor.Running, stopping.State)
	for _, h := range []executor.Handle{s.Handle, stopping.Handle} {
		require.NotContains(t, string(h.Data), "of-the-")
		require.NotContains(t, string(h.Data), "TOKEN")
	}
	second := driver()
	second.Resume(op, s.Handle)
	require.Equal(t, executor.Canceled, await(t, second, s).State)
	require.Equal(t, []string{"of-the-cluster", "of-the-cluster"}, tokens)
}

func TestStopAndDelete(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op, _ := f.start(t, map[string]any{"command": "date"})
	do := func(name string) (executor.Status, error) {
		other := f.operation("op-"+name, map[string]any{})
		other.Name = name
		require.True(t, f.Accepts(other))
		return f.Start(t.Context(), other)
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "job.id"), []byte("101\n"), 0o600))
	_, err := do("delete")
	require.ErrorContains(t, err, "job 101 has not ended")
	s, err := do("stop")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, hpc.Canceled, f.jobs["101"].State)
	s, err = do("stop")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, s.State)
	s, err = do("delete")
	require.NoError(t, err)
	require.Equal(t, executor.Succeeded, s.State)
	require.NoDirExists(t, filepath.Dir(f.folder(op)))
}
