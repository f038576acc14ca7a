package torque

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// answers is a shell that notes commands and gives the answers of a function.
type answers struct {
	hpc.Shell
	asked  []string
	answer func(command string) hpc.Result
}

func (a *answers) Name() string { return "head" }

func (a *answers) Run(_ context.Context, c hpc.Command) (hpc.Result, error) {
	line := strings.Join(c.Args, " ")
	a.asked = append(a.asked, line)
	return a.answer(line), nil
}

func ids(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%d.head", i))
	}
	return all
}

// PBS is asked by name for however many, since its history may be that of weeks;
// Torque for all where they are many.
func TestManyJobs(t *testing.T) {
	t.Parallel()
	none := func(string) hpc.Result { return hpc.Result{Stdout: []byte("{}")} }
	pbs := &answers{answer: none}
	m, err := New(pbs, &Options{Kind: kindPBS})
	require.NoError(t, err)
	_, err = m.Jobs(t.Context(), ids(0, 1500))
	require.NoError(t, err)
	options := "qstat -x -t -f -F json "
	require.Equal(t, []string{options + strings.Join(ids(0, 1000), " "), options + strings.Join(ids(1000, 1500), " ")}, pbs.asked)

	torque := &answers{answer: func(string) hpc.Result { return hpc.Result{} }}
	m, err = New(torque, &Options{Kind: kindTorque})
	require.NoError(t, err)
	_, err = m.Jobs(t.Context(), ids(0, 1500))
	require.NoError(t, err)
	_, err = m.Jobs(t.Context(), ids(0, 2))
	require.NoError(t, err)
	require.Equal(t, []string{"qstat -x -t", "qstat -x -t 0.head 1.head"}, torque.asked)
}

// A server that keeps no history is asked without from then on. What it says of
// that comes with the exit code 0 and an answer without jobs.
func TestWithoutHistory(t *testing.T) {
	t.Parallel()
	head := &answers{answer: func(command string) hpc.Result {
		switch {
		case slices.Contains(strings.Fields(command), "-x"):
			return hpc.Result{Stdout: []byte(`{"pbs_version":"23.06.06"}`), Stderr: []byte("qstat: PBS is not configured to maintain job history 1.head\n")}
		case strings.HasPrefix(command, "id "):
			return hpc.Result{Stdout: []byte("me\n")}
		case strings.HasPrefix(command, "qselect"):
			return hpc.Result{Stdout: []byte("1.head\n")}
		}
		return hpc.Result{Stdout: []byte(`{"Jobs":{"1.head":{"job_state":"R","Job_Owner":"me@head","Variable_List":{"ORCHESTRATOR_TAG":"t"}}}}`)}
	}}
	m, err := New(head, &Options{Kind: kindPBS})
	require.NoError(t, err)
	for range 2 {
		jobs, err := m.Jobs(t.Context(), []string{"1.head"})
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		require.Equal(t, hpc.Running, jobs[0].State)
	}
	found, err := m.Find(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, []string{"1.head"}, found)
	require.Equal(t, []string{"qstat -x -t -f -F json 1.head", "qstat -t -f -F json 1.head", "qstat -t -f -F json 1.head",
		"id -un", "qselect -u me", "qstat -t -f -F json 1.head"}, head.asked)
}
