package torque

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

func recording(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return text
}

// read parses a recording in the format that its name tells.
func read(t testing.TB, name string) (string, []record) {
	t.Helper()
	kind := filepath.Dir(name)
	text := recording(t, name)
	var records []record
	var err error
	switch {
	case kind == kindTorque && strings.Contains(name, "qstat-x"):
		records, err = parseXML(text, "Job", "Job_Id")
	case strings.Contains(name, "json"):
		kind = kindPBS
		records, err = parseJSON(text, "Jobs")
	default:
		if kind != kindTorque {
			kind = kindPBS
		}
		records, err = parseText(text)
	}
	require.NoError(t, err, name)
	return kind, records
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// What the recordings of the real managers mean.
func TestStates(t *testing.T) {
	t.Parallel()
	type outcome struct {
		State        hpc.JobState
		Cause        hpc.Cause
		Exit, Signal int
		By, Reason   string
	}
	const started, ran = "Job started on Mon Nov 23 at 22:01", "Job run at Mon Nov 23 at 22:11 on (vm:ncpus=1)"
	for name, want := range map[string]outcome{
		"torque/completed.qstat-x.out":                {hpc.Completed, "", 0, 0, "", started},
		"torque/failed-exit3.qstat-x.out":             {hpc.Failed, hpc.ExitCode, 3, 0, "", started},
		"torque/signal-segv.qstat-x.out":              {hpc.Failed, hpc.Signal, 139, 11, "", started},
		"torque/walltime-exceeded.qstat-x.out":        {hpc.Failed, hpc.TimeLimit, 0, 0, "", started},
		"torque/deleted-running.qstat-x.out":          {hpc.Canceled, hpc.CanceledByUser, 0, 15, "", started},
		"torque/cancelled-plain.qstat-x.out":          {hpc.Canceled, hpc.CanceledByUser, 0, 15, "", started},
		"torque/cancelled-trap.qstat-x.out":           {hpc.Canceled, hpc.CanceledByUser, 0, 15, "", started},
		"torque/deleted-queued.qstat-x.out":           {hpc.Canceled, hpc.CanceledByUser, 0, 0, "", ""},
		"torque/cancelled-queued.qstat-x.out":         {hpc.Canceled, hpc.CanceledByUser, 0, 0, "", "Not Running: Not enough of the right type of nodes are available"},
		"torque/dep-never.qstat-x.out":                {hpc.Failed, hpc.DependencyNeverSatisfied, 0, 0, "", "Job deleted as result of dependency on job 2.vm"},
		"torque/dep-after-parent-deleted.qstat-x.out": {hpc.Failed, hpc.DependencyNeverSatisfied, 0, 0, "", "Job deleted as result of dependency on job 4.vm"},
		"torque/dep-any.qstat-x.out":                  {hpc.Completed, "", 0, 0, "", started},
		"torque/dep-held.qstat-x.out":                 {hpc.Queued, "", 0, 0, "", "waits for afterok:4.vm"},
		"torque/held-user.qstat-x.out":                {hpc.Held, "", 0, 0, "", "held by the user"},
		"torque/running.qstat-x.out":                  {hpc.Running, "", 0, 0, "", started},
		"torque/waiting.qstat-x.out":                  {hpc.Queued, "", 0, 0, "", "waits until 2030-01-01T00:00:00Z"},

		"openpbs/completed.qstat-xfjson.out":                {hpc.Completed, "", 0, 0, "", ran + " and finished"},
		"openpbs/failed-exit3.qstat-xfjson.out":             {hpc.Failed, hpc.ExitCode, 3, 0, "", ran + " and failed"},
		"openpbs/signal-segv.qstat-xfjson.out":              {hpc.Failed, hpc.Signal, 139, 11, "", ran + " and failed"},
		"openpbs/walltime-exceeded.qstat-xfjson.out":        {hpc.Failed, hpc.TimeLimit, 0, 0, "", ran + " and exceeded resource walltime"},
		"openpbs/cancelled-plain.qstat-xfjson.out":          {hpc.Canceled, hpc.CanceledByUser, 0, 15, "hpcuser@vm", ran + " and terminated by hpcuser@vm"},
		"openpbs/cancelled-trap.qstat-xfjson.out":           {hpc.Canceled, hpc.CanceledByUser, 0, 15, "hpcuser@vm", ran + " and terminated by hpcuser@vm"},
		"openpbs/deleted-queued.qstat-xfjson.out":           {hpc.Canceled, hpc.CanceledByUser, 0, 0, "", ""},
		"openpbs/dep-never.qstat-xfjson.out":                {hpc.Failed, hpc.DependencyNeverSatisfied, 0, 0, "", ""},
		"openpbs/dep-after-parent-deleted.qstat-xfjson.out": {hpc.Failed, hpc.DependencyNeverSatisfied, 0, 0, "", ""},
		"openpbs/dep-any.qstat-xfjson.out":                  {hpc.Completed, "", 0, 0, "", ran + " and finished"},
		"openpbs/dep-held.qstat-xfjson.out":                 {hpc.Queued, "", 0, 0, "", "waits for afterok:4.vm@vm"},
		"openpbs/held-user.qstat-xfjson.out":                {hpc.Held, "", 0, 0, "", "held by the user"},
		"openpbs/running.qstat-xfjson.out":                  {hpc.Running, "", 0, 0, "", ran},
		"openpbs/waiting.qstat-xfjson.out":                  {hpc.Queued, "", 0, 0, "", "waits until 2030-01-01T00:00:00Z"},
		"openpbs/toobig.qstat-xfjson.out":                   {hpc.Queued, hpc.Impossible, 0, 0, "", "Can Never Run: Insufficient amount of resource: ncpus (R: 81 A: 6 T: 6)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, records := read(t, name)
			require.Len(t, records, 1)
			j := records[0].job(kind)
			require.Equal(t, want, outcome{j.State, j.Cause, j.ExitCode, j.Signal, j.By, j.Reason})
			require.Equal(t, -1, j.Index)
			require.Equal(t, want.State.Ended(), !j.Ended.IsZero())
		})
	}
}

func TestWholeJob(t *testing.T) {
	t.Parallel()
	kind, records := read(t, "torque/walltime-exceeded.qstat-x.out")
	require.Empty(t, cmp.Diff(&hpc.Job{ID: "5.vm", Name: "wall", User: "hpcuser", Queue: "batch", State: hpc.Failed, Cause: hpc.TimeLimit,
		Reason: "Job started on Mon Nov 23 at 22:01", Raw: "C", Submitted: at(1795471313), Eligible: at(1795471313),
		Started: at(1795471313), Ended: at(1795471319), Nodes: []string{"vm"}, WorkDir: "/home/hpcuser", Index: -1,
		Usage: hpc.Usage{Elapsed: 6 * time.Second, MaxMemory: 6776 << 10}}, records[0].job(kind)))

	kind, records = read(t, "openpbs/walltime-exceeded.qstat-xfjson.out")
	require.Empty(t, cmp.Diff(&hpc.Job{ID: "5.vm", Name: "wall", User: "hpcuser", Queue: "batch", State: hpc.Failed, Cause: hpc.TimeLimit,
		Reason: "Job run at Mon Nov 23 at 22:11 on (vm:ncpus=1) and exceeded resource walltime", Raw: "F",
		Submitted: time.Date(2026, 11, 23, 22, 11, 0, 0, time.UTC), Eligible: time.Date(2026, 11, 23, 22, 11, 0, 0, time.UTC),
		Started: time.Date(2026, 11, 23, 22, 11, 0, 0, time.UTC), Ended: time.Date(2026, 11, 23, 22, 11, 24, 0, time.UTC),
		Nodes: []string{"vm"}, WorkDir: "/home/hpcuser", Index: -1,
		Usage: hpc.Usage{Elapsed: 24 * time.Second, MaxMemory: 6280 << 10}}, records[0].job(kind)))
}

// The formats of one job tell the same.
func TestFormatsAgree(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"openpbs/completed.qstat-xfjson.out", "openpbs/completed.qstat-xfw.out"},
		{"openpbs/completed.qstat-xfjson.out", "openpbs/completed.qstat-xf.out"}, // folded
		{"openpbs/running.qstat-xfjson.out", "openpbs/running.qstat-xfw.out"},
		{"openpbs/running.qstat-xfjson.out", "openpbs/running.qstat-xf.out"},
		{"openpbs/toobig.qstat-xfjson.out", "openpbs/toobig.qstat-xfw.out"},
		{"openpbs/walltime-exceeded.qstat-xfjson.out", "openpbs/walltime-exceeded.qstat-xfw.out"},
		{"torque/running.qstat-x.out", "torque/running.qstat-f-1.out"},
		{"torque/running.qstat-x.out", "torque/running.qstat-f.out"}, // folded
	} {
		kind, a := read(t, pair[0])
		_, b := read(t, pair[1])
		require.Len(t, a, 1)
		require.Len(t, b, 1)
		require.Empty(t, cmp.Diff(a[0].job(kind), b[0].job(kind)), pair[1])
	}
}

func TestArrays(t *testing.T) {
	t.Parallel()
	kind, records := read(t, "torque/array-done.qstat-x-t.out")
	jobs := gather(kind, records)
	require.Len(t, jobs, 1)
	array := jobs[0]
	require.Equal(t, "27[].vm", array.ID)
	require.Equal(t, "arr", array.Name)
	require.Equal(t, hpc.Failed, array.State, "the task with index 2 returned 9")
	require.Equal(t, 9, array.ExitCode)
	require.Equal(t, at(1795471516), array.Started)
	require.Equal(t, at(1795471519), array.Ended)
	require.Len(t, array.Tasks, 3)
	for i, task := range array.Tasks {
		require.Equal(t, i, task.Index)
		require.Equal(t, "arr", task.Name)
	}
	require.Equal(t, []hpc.JobState{hpc.Completed, hpc.Completed, hpc.Failed},
		[]hpc.JobState{array.Tasks[0].State, array.Tasks[1].State, array.Tasks[2].State})

	// keep_completed is over for the task that failed: an array that would look
	// completed is not.
	jobs = gather(kind, records[:2])
	require.Equal(t, hpc.Unknown, jobs[0].State)
	require.Len(t, jobs[0].Tasks, 3)
	require.Equal(t, "27[2].vm", jobs[0].Tasks[2].ID)
	require.Equal(t, "the manager has forgotten the task", jobs[0].Tasks[2].Reason)

	// A single task that is asked for is found without its siblings.
	require.Equal(t, "27[1].vm", find(gather(kind, records[1:2]), "27[1]").ID)
	require.Nil(t, find(gather(kind, records[1:2]), "27[2].vm"))

	kind, parent := read(t, "openpbs/array-done.qstat-xfjson.out")
	_, task0 := read(t, "openpbs/array-task0.qstat-xfjson.out")
	_, task2 := read(t, "openpbs/array-task2.qstat-xfjson.out")
	jobs = gather(kind, append(append(parent, task0...), task2...))
	require.Len(t, jobs, 1)
	require.Equal(t, "14[].vm", jobs[0].ID)
	require.Equal(t, hpc.Failed, jobs[0].State)
	require.Equal(t, hpc.ExitCode, jobs[0].Cause)
	require.Equal(t, []hpc.JobState{hpc.Completed, hpc.Unknown, hpc.Failed},
		[]hpc.JobState{jobs[0].Tasks[0].State, jobs[0].Tasks[1].State, jobs[0].Tasks[2].State}, "task 1 is not in the recordings")
	require.Equal(t, 9, jobs[0].ExitCode)
}

// Tasks of which PBS keeps no record of their own: it shows the array's attributes,
// with a comment that tells how the task ended.
func TestTasksWithoutRecords(t *testing.T) {
	t.Parallel()
	_, parent := read(t, "openpbs/array-done.qstat-xfjson.out") // Exit_status 1, substate 93
	whole := parent[0].attrs
	task := func(index, state, comment string) record {
		attrs := map[string]string{}
		for name, value := range whole {
			if !strings.HasPrefix(name, "array") {
				attrs[name] = value
			}
		}
		attrs["job_state"], attrs["comment"] = state, comment
		return record{"14[" + index + "].vm", attrs}
	}
	for _, state := range []string{"X", "F"} {
		jobs := gather(kindPBS, []record{parent[0], task("0", state, "Subjob finished"), task("1", state, "Subjob terminated"), task("2", state, "Subjob failed")})
		require.Len(t, jobs, 1)
		require.Equal(t, []hpc.JobState{hpc.Completed, hpc.Canceled, hpc.Failed},
			[]hpc.JobState{jobs[0].Tasks[0].State, jobs[0].Tasks[1].State, jobs[0].Tasks[2].State}, state)
	}
	whole["job_state"] = "B" // without a history it is the same comment for all that have ended
	jobs := gather(kindPBS, []record{parent[0], task("0", "X", "Subjob finished"), task("1", "R", ""), task("2", "Q", "")})
	require.Equal(t, hpc.Running, jobs[0].State)
	require.Equal(t, hpc.Completing, jobs[0].Tasks[0].State)
}

// An array that has ended while it waited: its tasks may still be shown as queued.
func TestTasksOfEndedArrays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]hpc.Cause{"openpbs/dep-never.qstat-xfjson.out": hpc.DependencyNeverSatisfied,
		"openpbs/deleted-queued.qstat-xfjson.out": hpc.CanceledByUser, "openpbs/held-user.qstat-xfjson.out": "", "openpbs/toobig.qstat-xfjson.out": hpc.Impossible} {
		_, records := read(t, name)
		own := records[0].job(kindPBS)
		number, _, _ := strings.Cut(records[0].id, ".")
		records[0].id = number + "[].vm"
		for _, index := range []string{"0", "1"} {
			task := record{number + "[" + index + "].vm", maps.Clone(records[0].attrs)}
			task.attrs["job_state"], task.attrs["substate"] = "Q", "10"
			records = append(records, task)
		}
		jobs := gather(kindPBS, records)
		require.Len(t, jobs, 1, name)
		require.Equal(t, []any{own.State, want, own.Reason}, []any{jobs[0].State, jobs[0].Cause, jobs[0].Reason}, name)
		require.Equal(t, own.State, jobs[0].Tasks[1].State, name)
		alone := gather(kindPBS, records[1:2])
		require.False(t, alone[0].Tasks[0].State.Ended(), "%s: asked for alone it is as it is shown", name)
		require.NotEmpty(t, alone[0].Tasks[0].State, name)
	}
}

func TestArraySums(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tasks []hpc.JobState
		want  hpc.JobState
	}{
		{[]hpc.JobState{hpc.Completed, hpc.Completed}, hpc.Completed},
		{[]hpc.JobState{hpc.Completed, hpc.Running}, hpc.Running},
		{[]hpc.JobState{hpc.Failed, hpc.Queued}, hpc.Running},
		{[]hpc.JobState{hpc.Queued, hpc.Queued}, hpc.Queued},
		{[]hpc.JobState{hpc.Held, hpc.Held}, hpc.Held},
		{[]hpc.JobState{hpc.Completed, hpc.Canceled, hpc.Failed}, hpc.Canceled},
		{[]hpc.JobState{hpc.Unknown, hpc.Completed}, hpc.Unknown},
		{[]hpc.JobState{hpc.Unknown, hpc.Failed}, hpc.Failed},
		{[]hpc.JobState{hpc.Unknown, hpc.Running}, hpc.Running},
	} {
		array := &hpc.Job{}
		for i, s := range c.tasks {
			array.Tasks = append(array.Tasks, &hpc.Job{State: s, Index: i})
		}
		sumUp(array)
		require.Equal(t, c.want, array.State, "%v", c.tasks)
	}
}

// What the recordings do not have, by the managers' documentation.
func TestStatusWithoutRecordings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, attrs string
		state       hpc.JobState
		cause       hpc.Cause
		exit, sig   int
	}{
		{kindTorque, "job_state=C exit_status=-10", hpc.Failed, hpc.OutOfMemory, 0, 0},
		{kindTorque, "job_state=C exit_status=-12", hpc.Failed, hpc.TimeLimit, 0, 0},
		{kindTorque, "job_state=C exit_status=-1", hpc.Failed, hpc.NodeFailure, 0, 0},
		{kindTorque, "job_state=C exit_status=265", hpc.Failed, hpc.Signal, 137, 9},
		{kindTorque, "job_state=C exit_status=255", hpc.Failed, hpc.ExitCode, 255, 0},
		{kindTorque, "job_state=C exit_status=271 Resource_List.walltime=00:01:00 resources_used.walltime=00:01:06", hpc.Failed, hpc.TimeLimit, 0, 0},
		{kindTorque, "job_state=C exit_status=271 Resource_List.walltime=01:00:00 resources_used.walltime=00:59:59", hpc.Canceled, hpc.CanceledByUser, 0, 15},
		{kindTorque, "job_state=H Hold_Types=l", hpc.Held, "", 0, 0},
		{kindTorque, "job_state=E", hpc.Completing, "", 0, 0},
		{kindTorque, "job_state=S", hpc.Suspended, "", 0, 0},
		{kindTorque, "job_state=Z", hpc.Unknown, "", 0, 0},
		{kindTorque, "job_state=H Hold_Types=us depend=afterok:4.vm", hpc.Held, "", 0, 0},
		{kindTorque, "job_state=H Hold_Types=o", hpc.Held, "", 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-27", hpc.Failed, hpc.OutOfMemory, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-28", hpc.Failed, hpc.TimeLimit, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-3", hpc.Failed, hpc.NodeFailure, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=271", hpc.Failed, hpc.Signal, 143, 15},
		{kindPBS, "job_state=F substate=93 Exit_status=271 Resource_List.walltime=00:01:00 resources_used.walltime=00:01:00", hpc.Failed, hpc.TimeLimit, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-31", hpc.Failed, hpc.OutOfMemory, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-20", hpc.Failed, hpc.NodeFailure, 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-25", hpc.Failed, "", 0, 0},
		{kindPBS, "job_state=F substate=93 Exit_status=-17", hpc.Failed, "", 0, 0},
		{kindPBS, "job_state=F substate=92", hpc.Failed, "", 0, 0},
		{kindPBS, "job_state=X substate=92", hpc.Completing, "", 0, 0},
		{kindPBS, "job_state=X substate=92 Exit_status=0", hpc.Completed, "", 0, 0},
		{kindPBS, "job_state=R substate=41", hpc.Starting, "", 0, 0},
		{kindPBS, "job_state=R substate=42", hpc.Running, "", 0, 0},
		{kindPBS, "job_state=S substate=45", hpc.Suspended, "", 0, 0},
		{kindPBS, "job_state=B", hpc.Running, "", 0, 0},
		{kindPBS, "job_state=M", hpc.Unknown, "", 0, 0},
	} {
		r := record{id: "1.vm", attrs: map[string]string{}}
		for pair := range strings.FieldsSeq(c.attrs) {
			name, value, _ := strings.Cut(pair, "=")
			r.attrs[name] = value
		}
		j := r.job(c.kind)
		require.Equal(t, []any{c.state, c.cause, c.exit, c.sig}, []any{j.State, j.Cause, j.ExitCode, j.Signal}, "%s: %s", c.kind, c.attrs)
	}
	byRoot := record{attrs: map[string]string{"job_state": "F", "substate": "91", "Exit_status": "271", "Job_Owner": "hpcuser@vm",
		"comment": "Job run at Mon Nov 23 at 22:11 on (vm:ncpus=1) and terminated by root@vm"}}.job(kindPBS)
	require.Equal(t, hpc.CanceledByAdmin, byRoot.Cause)
	require.Equal(t, "root@vm", byRoot.By)
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"ORCHESTRATOR_TAG=a.1,PBS_O_HOST=vm":       "a.1",
		"PBS_O_HOST=vm,ORCHESTRATOR_TAG=a.1":       "a.1",
		"MY_ORCHESTRATOR_TAG=b,PBS_O_HOST=vm":      "",
		"MY_ORCHESTRATOR_TAG=b,ORCHESTRATOR_TAG=a": "a",
		"": "",
	} {
		require.Equal(t, want, record{attrs: map[string]string{"Variable_List": list}}.variable(tagVariable), list)
	}
	require.Equal(t, "a.1", record{attrs: map[string]string{"Variable_List.ORCHESTRATOR_TAG": "a.1"}}.variable(tagVariable))
}

func TestQuantities(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"6664kb": 6664 << 10, "2gb": 2 << 30, "1024": 1024, "7b": 7, "5mw": 40 << 20,
		"": 0, "x": 0, "-4kb": 0, "9223372036854775807tb": 0} {
		require.Equal(t, want, size(text), text)
	}
	for text, want := range map[string]time.Duration{"00:00:06": 6 * time.Second, "165": 165 * time.Second, "100:00:01": 100*time.Hour + time.Second,
		"1.5": time.Second, "": 0, "never": 0} {
		require.Equal(t, want, span(text), text)
	}
	require.Equal(t, []string{"n1", "n2"}, hostNames("n1/0+n1/1+n2/0*4"))
	require.Empty(t, hostNames(""))
	require.Equal(t, time.Date(2026, 11, 3, 2, 1, 5, 0, time.UTC), instant("Tue Nov  3 02:01:05 2026"))
	require.True(t, instant("later").IsZero())
}
