package hpc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// What a job prints is followed, and its phases are shown.
func TestFollowed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op := f.operation("op-1", map[string]any{"command": "date"})
	log := &logs{}
	op.Log = log
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	all, err := f.Poll(t.Context(), []executor.Handle{s.Handle})
	require.NoError(t, err)
	require.Equal(t, "job 101 is queued: Priority", all[0].Detail)
	out := filepath.Join(f.folder(op), "stdout")
	require.NoError(t, os.WriteFile(out, []byte("one\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State, j.Started, j.Nodes = hpc.Running, time.Now(), []string{"n1", "n2"} })
	require.Eventually(t, func() bool {
		all, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
		return err == nil && len(all) == 1 && all[0].Detail == "job 101 is running on n1, n2"
	}, 2*time.Minute, 5*time.Millisecond)
	const waited = "submitted job 101 to localhost\njob 101 is queued: Priority\n"
	require.Equal(t, waited+"one\n", log.String())
	require.NoError(t, os.WriteFile(out, []byte("one\ntwo"), 0o600))
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, waited+"one\ntwo", log.String())
}

// A job that the manager starts anew begins its files anew, and what is called
// like them is the user's.
func TestFollowedAnew(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	op := f.operation("op-1", map[string]any{"command": "date"})
	log := &logs{}
	op.Log = log
	s, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	out := filepath.Join(f.folder(op), "stdout")
	require.NoError(t, os.WriteFile(out+".1", []byte("of the user\n"), 0o600))
	require.NoError(t, os.WriteFile(out, []byte("the first run\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State, j.Started = hpc.Running, time.Now() })
	require.Eventually(t, func() bool {
		_, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
		return err == nil && strings.Contains(log.String(), "the first run\n")
	}, 2*time.Minute, time.Millisecond)
	require.NoError(t, os.WriteFile(out, []byte("again\n"), 0o600))
	f.set(func(j *hpc.Job) { j.State = hpc.Completed })
	require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
	require.Equal(t, "submitted job 101 to localhost\nthe first run\nagain\n", log.String())
}

// What goes into the log is bounded for the job, whatever the number of its files.
func TestMaxLog(t *testing.T) {
	t.Parallel()
	array := map[string]any{"command": "date", "array": map[string]any{"indexes": "0-2"}}
	plain := map[string]any{"command": "date"}
	lines := strings.Repeat("aaaa\n", 4)
	for name, c := range map[string]struct {
		properties     map[string]any
		running, ended map[string]string // the files
		logged         int               // bytes of them
		rest           bool              // that there is more
	}{
		"fits":                  {plain, map[string]string{"stdout": lines}, map[string]string{"stdout": lines, "stderr": lines}, 40, false},
		"a byte too many":       {plain, nil, map[string]string{"stdout": lines, "stderr": lines + "b"}, 40, true},
		"one file":              {plain, map[string]string{"stdout": lines + lines}, map[string]string{"stdout": lines + lines + lines}, 40, true},
		"full before the other": {plain, map[string]string{"stdout": lines + lines}, map[string]string{"stdout": lines + lines, "stderr": "b"}, 40, true},
		"tasks":                 {array, map[string]string{"stdout.0": lines}, map[string]string{"stdout.0": lines, "stdout.1": lines, "stdout.2": lines}, 40, true},
		"many lines of a task":  {array, nil, map[string]string{"stdout.0": strings.Repeat("\n", 30)}, 40, true}, // 30 bytes, and 30 times "[0] "
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeWith(t, func(c *hpc.Config) { c.MaxLog = 40 })
			op, log := f.operation("op-1", c.properties), &logs{}
			op.Log = log
			s, err := f.Start(t.Context(), op)
			require.NoError(t, err)
			write := func(files map[string]string) {
				for name, text := range files {
					require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), name), []byte(text), 0o600))
				}
			}
			write(c.running)
			f.set(func(j *hpc.Job) { j.State, j.Started = hpc.Running, time.Now() })
			require.Eventually(t, func() bool {
				_, err = f.Poll(t.Context(), []executor.Handle{s.Handle})
				return err == nil && (c.running == nil || strings.Contains(log.String(), "aaaa\n"))
			}, 2*time.Minute, time.Millisecond)
			write(c.ended)
			f.set(func(j *hpc.Job) {
				j.State = hpc.Completed
				if c.properties["array"] != nil {
					for i := range 3 {
						j.Tasks = append(j.Tasks, &hpc.Job{Index: i, State: hpc.Completed})
					}
				}
			})
			require.Equal(t, executor.Succeeded, await(t, f.Driver, s).State)
			told := log.String()
			rest := "\n(the rest is in " + f.folder(op) + ")\n"
			require.Equal(t, c.rest, strings.HasSuffix(told, rest), told)
			require.LessOrEqual(t, strings.Count(told, "the rest is in"), 1)
			_, told, _ = strings.Cut(told, " to localhost\n")
			require.Len(t, strings.TrimSuffix(told, rest), c.logged)
		})
	}
}
