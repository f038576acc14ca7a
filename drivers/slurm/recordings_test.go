package slurm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func recording(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "recordings", name))
	require.NoError(t, err)
	return string(text)
}

// asked puts recorded columns, separated by '|', into the fields that we ask for.
func asked(text string, columns, fields []string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		values := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		for _, f := range fields {
			if i := slices.Index(columns, f); i >= 0 && i < len(values) {
				out.WriteString(values[i])
			}
			out.WriteString(separator)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// inShort tells the entries of a recording as "ID state cause code:signal word reason by".
func inShort(entries []entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %d:%d %s %s %s", e.ID, e.State, e.Cause, e.ExitCode, e.Signal, e.Raw, e.Reason, e.By)), " "))
	}
	return strings.Join(all, "; ")
}

// TestQueueRecordings: squeue -h -a -t all -j ID -o '%i|%T|%r|%N|%M|%l|%S|%e' of
// Slurm 22.05.8. It has no exit codes.
func TestQueueRecordings(t *testing.T) {
	t.Parallel()
	columns := []string{"JobID", "State", "Reason", "NodeList", "TimeUsed", "", "StartTime", "EndTime", "ArrayJobID", "ArrayTaskID"}
	for name, want := range map[string]string{
		"array-done": "32_3 canceled canceled-by-user 0:0 CANCELLED; 32_1 completed 0:0 COMPLETED; 32_0 completed 0:0 COMPLETED; " +
			"32_2 failed exit-code 0:0 FAILED NonZeroExitCode",
		"array-mixed": "32_2 queued 0:0 PENDING JobArrayTaskLimit; 32_3 queued 0:0 PENDING JobArrayTaskLimit; 32_1 running 0:0 RUNNING; 32_0 running 0:0 RUNNING",
		"array-pending": "21_0 queued 0:0 PENDING Priority; 21_1 queued 0:0 PENDING Priority; 21_2 queued 0:0 PENDING Priority; " +
			"21_3 queued 0:0 PENDING Priority",
		"cancelled-pending":         "12 canceled canceled-by-user 0:0 CANCELLED BeginTime",
		"cancelled-plain":           "31 canceled canceled-by-user 0:0 CANCELLED",
		"cancelled-running":         "29 canceled canceled-by-user 0:0 CANCELLED",
		"cancelled-trap":            "30 canceled canceled-by-user 0:0 CANCELLED",
		"completed":                 "4 completed 0:0 COMPLETED",
		"completing":                "29 completing 0:0 COMPLETING",
		"deadline":                  "9 failed time-limit 0:0 DEADLINE DeadLine",
		"depany":                    "17 queued 0:0 PENDING Priority",
		"depnever-later":            "16 queued dependency-never-satisfied 0:0 PENDING DependencyNeverSatisfied",
		"failed-exit3":              "5 failed exit-code 0:0 FAILED NonZeroExitCode",
		"failed-signal11":           "6 failed node-failure 0:0 FAILED JobLaunchFailure",
		"nodefail":                  "9 failed node-failure 0:0 NODE_FAIL NodeDown",
		"nodefail-requeued":         "10 queued 0:0 PENDING BeginTime",
		"nodefail-requeued-later":   "10 running 0:0 RUNNING",
		"pending-begintime":         "12 queued 0:0 PENDING BeginTime",
		"pending-dependency":        "15 queued 0:0 PENDING Dependency",
		"pending-depneversatisfied": "18 queued dependency-never-satisfied 0:0 PENDING DependencyNeverSatisfied",
		"pending-held":              "11 held 0:0 PENDING JobHeldUser",
		"pending-resources":         "14 queued 0:0 PENDING Resources",
		"pending-toolarge":          "13 queued impossible 0:0 PENDING PartitionNodeLimit",
		"preempt-requeued":          "7 queued 0:0 PENDING BeginTime",
		"requeued":                  "35 held 0:0 PENDING JobHeldUser",
		"running":                   "7 running 0:0 RUNNING",
		"running-cancelme":          "29 running 0:0 RUNNING",
		"steps":                     "36 completed 0:0 COMPLETED",
		"steps-failed":              "37 completed 0:0 COMPLETED",
		"suspended":                 "35 suspended 0:0 SUSPENDED",
		"timeout":                   "8 failed time-limit 0:0 TIMEOUT TimeLimit",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			for line := range strings.Lines(recording(t, name+".squeue-fmt.txt")) {
				id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "|")
				array, index, isTask := strings.Cut(id, "_")
				if !isTask {
					index = "N/A"
				}
				fmt.Fprintf(&text, "%s|%s|%s|%s\n", array, rest, array, strings.Trim(index, "[]")) // as -O prints it
			}
			require.Equal(t, want, inShort(parseQueue(asked(text.String(), columns, queueFields))))
		})
	}
}

// TestAccountingRecordings: sacct -P -j ID -o JobID,... of Slurm 22.05.8, with steps.
// They do not have the number of the user, so who cancelled a job is not told apart.
func TestAccountingRecordings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"array-done": "32_0 completed 0:0 COMPLETED; 32_1 completed 0:0 COMPLETED; 32_2 failed exit-code 9:0 FAILED; " +
			"32_3 canceled canceled-by-user 0:15 CANCELLED 1001",
		"array-mixed": "32_0 completed 0:0 COMPLETED; 32_1 completed 0:0 COMPLETED; 32_2 queued 0:0 PENDING JobArrayTaskLimit; " +
			"32_3 queued 0:0 PENDING JobArrayTaskLimit",
		"array-pending":             "21_0 queued 0:0 PENDING; 21_1 queued 0:0 PENDING; 21_2 queued 0:0 PENDING; 21_3 queued 0:0 PENDING",
		"cancelled-pending":         "12 canceled canceled-by-user 0:0 CANCELLED 1001",
		"cancelled-plain":           "31 canceled canceled-by-user 0:15 CANCELLED 1001",
		"cancelled-running":         "29 canceled canceled-by-user 0:9 CANCELLED 1001",
		"cancelled-trap":            "30 canceled canceled-by-user 7:0 CANCELLED 1001",
		"completed":                 "4 completed 0:0 COMPLETED",
		"completing":                "29 canceled canceled-by-user 0:0 CANCELLED 1001",
		"deadline":                  "9 failed time-limit 0:0 DEADLINE",
		"failed-exit3":              "5 failed exit-code 3:0 FAILED",
		"failed-signal11":           "6 failed signal 0:11 FAILED",
		"nodefail":                  "9 failed node-failure 0:0 NODE_FAIL",
		"nodefail-requeued":         "10 queued 0:0 PENDING",
		"pending-depneversatisfied": "18 queued dependency-never-satisfied 0:0 PENDING DependencyNeverSatisfied",
		"pending-held":              "11 held 0:0 PENDING JobHeldUser",
		"pending-toolarge":          "13 queued impossible 0:0 PENDING PartitionNodeLimit",
		"running":                   "7 running 0:0 RUNNING",
		"steps":                     "36 completed 0:0 COMPLETED a step ended with exit code 1:0",
		"steps-failed":              "37 completed 0:0 COMPLETED a step ended with exit code 5:0",
		"suspended":                 "35 suspended 0:0 SUSPENDED",
		"timeout":                   "8 failed time-limit 0:15 TIMEOUT",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head, text, _ := strings.Cut(recording(t, name+".sacct.txt"), "\n")
			require.Equal(t, want, inShort(parseAccounting(asked(text, strings.Split(head, "|"), accountingFields))))
		})
	}
}

func TestClusterRecordings(t *testing.T) {
	t.Parallel()
	partitions := strings.ReplaceAll(strings.ReplaceAll(recording(t, "scontrol-part.txt"), "\n\n", "\x00"), "\n", " ") // as -o prints it
	require.Equal(t, []*hpc.Queue{
		{Name: "batch", Default: true, Enabled: true, Started: true, Nodes: 3},
		{Name: "low", Enabled: true, Started: true, Nodes: 3},
	}, parsePartitions(strings.ReplaceAll(partitions, "\x00", "\n")))

	node := func(name string) *hpc.Node {
		return &hpc.Node{Name: name, State: hpc.NodeIdle, Raw: "IDLE", Queues: []string{"batch", "low"}, Features: []string{}, CPUs: 4, Memory: 4000 << 20}
	}
	require.Equal(t, []*hpc.Node{node("n1"), node("n2"), node("n3")}, parseNodes(recording(t, "scontrol-nodes-o.txt")))

	down := node("n3")
	down.State, down.Raw, down.Reason = hpc.NodeDown, "DOWN+NOT_RESPONDING", "Not responding [slurm@2026-11-23T21:42:01]"
	require.Equal(t, []*hpc.Node{down}, parseNodes(strings.ReplaceAll(recording(t, "scontrol-node-down.txt"), "\n", " ")))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		want errs.Code
	}{
		"no such partition": {recording(t, "sbatch-badpart.err"), errs.InvalidArgument},
		"controller down":   {recording(t, "ctld-down.squeue.err"), errs.Unavailable},
		"submit, down":      {recording(t, "ctld-down.sbatch.err"), errs.Unavailable},
		"no such job":       {recording(t, "unknown.squeue.err"), errs.NotFound},
		"a hung controller": {"slurm_load_jobs error: Unable to contact slurm controller (connect failure)", errs.Unavailable},
		"submit limit": {"sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy " +
			"(job submit limit, user's size and/or time limits)", errs.Unavailable},
		"limit on one job": {"sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy " +
			"(job submit limit, user's size and/or time limits)", errs.InvalidArgument},
		"no such node":    {"sbatch: error: Batch job submission failed: Invalid node name specified", errs.InvalidArgument},
		"somebody else's": {"scancel: error: Kill job error on job id 7: Access/permission denied", errs.PermissionDenied},
		"no word":         {"", errs.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := refused("submit", "job a", answer{code: 1, err: c.said})
			require.Equal(t, c.want, errs.CodeOf(err))
			require.ErrorContains(t, err, strings.Join(strings.Fields(strings.SplitN(c.said, "\n", 2)[0]), " "))
		})
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, reason string
		state        hpc.JobState
		cause        hpc.Cause
		by           string
	}{
		{"PENDING", "None", hpc.Queued, "", ""},
		{"PENDING", "JobHeldAdmin", hpc.Held, "", ""},
		{"PENDING", "launch failed requeued held", hpc.Held, hpc.NodeFailure, ""},
		{"PENDING", "QOSMaxWallDurationPerJobLimit", hpc.Queued, hpc.Impossible, ""},
		{"PENDING", "AssocMaxNodePerJobLimit", hpc.Queued, hpc.Impossible, ""},
		{"PENDING", "QOSMaxJobsPerUserLimit", hpc.Queued, "", ""},
		{"PENDING", "AssocGrpCpuLimit", hpc.Queued, "", ""},
		{"PENDING", "PartitionTimeLimit", hpc.Queued, hpc.Impossible, ""},
		{"CONFIGURING", "None", hpc.Starting, "", ""},
		{"STOPPED", "None", hpc.Suspended, "", ""},
		{"OUT_OF_MEMORY", "OutOfMemory", hpc.Failed, hpc.OutOfMemory, ""},
		{"PREEMPTED", "None", hpc.Failed, hpc.Preempted, ""},
		{"BOOT_FAIL", "None", hpc.Failed, hpc.NodeFailure, ""},
		{"SPECIAL_EXIT", "None", hpc.Held, "", ""},
		{"REVOKED", "None", hpc.Canceled, "", ""},
		{"FAILED", "BadConstraints", hpc.Failed, hpc.Impossible, ""},
		{"FAILED", "JobLaunchFailure", hpc.Failed, hpc.NodeFailure, ""},
		{"CANCELLED by 1001", "None", hpc.Canceled, hpc.CanceledByUser, "1001"},
		{"CANCELLED", "DependencyNeverSatisfied", hpc.Canceled, hpc.DependencyNeverSatisfied, ""},
		{"SOMETHING_NEW", "None", hpc.Unknown, "", ""},
	} {
		job := &hpc.Job{}
		describe(job, c.word, c.reason)
		require.Equal(t, [3]string{string(c.state), string(c.cause), c.by}, [3]string{string(job.State), string(job.Cause), job.By}, "%s, %s", c.word, c.reason)
		require.Equal(t, strings.SplitN(c.word, " ", 2)[0], job.Raw)
	}
	job := &hpc.Job{Signal: notLaunched}
	describe(job, "FAILED", "None")
	require.Equal(t, hpc.NodeFailure, job.Cause)
	require.Zero(t, job.Signal)
}

func TestWhoCancelled(t *testing.T) {
	t.Parallel()
	for by, want := range map[string][2]string{"1001": {"canceled-by-user", "ada"}, "0": {"canceled-by-admin", "root"}, "44": {"canceled-by-admin", "44"}} {
		text := asked("17|CANCELLED by "+by+"|1001|ada", []string{"JobID", "State", "UID", "User"}, accountingFields)
		e := parseAccounting(text)[0]
		require.Equal(t, want, [2]string{string(e.Cause), e.By})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]time.Duration{
		"0:00": 0, "1:33": 93 * time.Second, "2-03:04:05": 51*time.Hour + 4*time.Minute + 5*time.Second, "10:00:00": 10 * time.Hour,
		"00:00.002": 2 * time.Millisecond, "1-00": 0, "UNLIMITED": 0, "INVALID": 0, "": 0, "1:2:3:4": 0, "x-1:00": 0, "NaN": 0, "1.5:00": 0,
	} {
		require.Equal(t, want, parseElapsed(field), field)
	}
	for field, want := range map[string][2]int{
		"3:0": {3, 0}, "0:11": {0, 11}, "0:11:core": {0, 11}, "768": {3, 0}, "11": {0, 11}, "139": {0, 11}, "": {}, "x": {}, "4:y": {4, 0}, "-1:0": {},
	} {
		code, signal := parseExit(field)
		require.Equal(t, want, [2]int{code, signal}, field)
	}
	for field, want := range map[string]int64{"4000": 4000 << 20, "4000M": 4000 << 20, "1.5G": 3 << 29, "512K": 512 << 10, "2Gn": 2 << 30, "": 0, "0": 0, "x": 0, "1e300": 0, "-1": 0} {
		require.Equal(t, want, parseBytes(field, 1<<20), field)
	}
	require.Equal(t, time.Date(2026, 11, 23, 21, 42, 53, 0, time.UTC), parseTime("2026-11-23T21:42:53"))
	require.Zero(t, parseTime("N/A"))
	for gres, want := range map[string]int{"(null)": 0, "gpu:4": 4, "gpu:a100:4(S:0-1),gpu:2,fpga:1": 6, "gpu": 1, "gpu:v100:8(S:0,1)": 8} {
		require.Equal(t, want, countGPUs(gres), gres)
	}
}

func TestNodeStates(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]hpc.NodeState{
		"IDLE": hpc.NodeIdle, "MIXED": hpc.NodeMixed, "ALLOCATED": hpc.NodeAllocated, "IDLE+DRAIN": hpc.NodeDrained, "MIXED+DRAIN": hpc.NodeDraining,
		"DOWN+NOT_RESPONDING": hpc.NodeDown, "IDLE*": hpc.NodeDown, "IDLE+CLOUD+POWERED_DOWN": hpc.NodeIdle, "IDLE+COMPLETING": hpc.NodeMixed,
		"DOWN*+DRAIN": hpc.NodeDown, "ALLOCATED+COMPLETING": hpc.NodeAllocated, "UNKNOWN": hpc.NodeUnknown, "": hpc.NodeUnknown, "IDLE~": hpc.NodeIdle,
	} {
		require.Equal(t, want, nodeState(strings.Split(word, "+")), word)
	}
}

func TestFoldedLists(t *testing.T) {
	t.Parallel()
	for folded, want := range map[string][]int{
		"2-3%2": {2, 3}, "[2-3,7,10-20:5%2]": {2, 3, 7, 10, 15, 20}, "0": {0}, "1,3,5": {1, 3, 5}, "": nil, "a": nil, "1-x": nil, "1-9:0": nil, "5-1": nil,
		"0-4294967295": nil, "1,...": nil,
	} {
		require.Equal(t, want, expandIndexes(folded), folded)
	}
	for folded, want := range map[string][]string{
		"n1": {"n1"}, "n[1-3,07]": {"n1", "n2", "n3", "n07"}, "n[008-011]": {"n008", "n009", "n010", "n011"},
		"login,r[0-1]c[9-10]-ib": {"login", "r0c9-ib", "r0c10-ib", "r1c9-ib", "r1c10-ib"}, "": nil, "n[1-": {"n[1-"}, "n[2-1]": {"n[2-1]"}, "n1]": {"n1]"},
		"n[0-999999999]": {"n[0-999999999]"}, "n[x]": {"n[x]"},
	} {
		require.Equal(t, want, expandNodes(folded), folded)
	}
}
