package slurm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// TestRESTRecordings: answers of slurmrestd 22.05.8, v0.0.38.
func TestRESTRecordings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"job-failed":    "44 failed exit-code 5:0 FAILED NonZeroExitCode",
		"job-array":     "45_2 failed exit-code 2:0 FAILED NonZeroExitCode; 45_1 failed exit-code 1:0 FAILED NonZeroExitCode; 45_0 completed 0:0 COMPLETED",
		"job-cancelled": "43 canceled canceled-by-user 0:15 CANCELLED",
		"job-running":   "43 running 0:0 RUNNING",
	} {
		answered, err := understand("get", "a job", 200, []byte(recording(t, "rest/"+name+".json")))
		require.NoError(t, err, name)
		entries, raw := parseJobs(answered)
		require.Equal(t, want, inShort(entries), name)
		if name == "job-array" {
			require.Equal(t, map[string]int64{"45_0": 46, "45_1": 47, "45_2": 45}, raw)
		}
	}
	for name, c := range map[string]struct {
		status int
		want   errs.Code
	}{
		"job-unknown": {500, errs.NotFound}, "delete-unknown": {500, errs.NotFound}, "submit-badpart": {500, errs.InvalidArgument},
		"submit-noenv": {400, errs.InvalidArgument}, "badtoken": {500, errs.Unavailable},
	} {
		_, err := understand("get", "a job", c.status, []byte(recording(t, "rest/"+name+".json")))
		require.Equal(t, c.want, errs.CodeOf(err), "%s: %v", name, err)
	}
	answered, err := understand("get", "nodes", 200, []byte(recording(t, "rest/nodes.json")))
	require.NoError(t, err)
	nodes := readNodes(answered)
	require.Len(t, nodes, 3)
	require.Equal(t, &hpc.Node{Name: "n3", State: hpc.NodeMixed, Raw: "MIXED", Queues: []string{"batch", "low"}, CPUs: 4, Memory: 4000 << 20}, nodes[2])
	answered, err = understand("get", "partitions", 200, []byte(recording(t, "rest/partitions.json")))
	require.NoError(t, err)
	require.Equal(t, []*hpc.Queue{
		{Name: "batch", Default: true, Enabled: true, Started: true, Nodes: 3},
		{Name: "low", Enabled: true, Started: true, Nodes: 3},
	}, readPartitions(answered))
}

func TestRESTStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		text   string
		want   errs.Code
	}{
		{200, `{}`, ""}, {401, `Authentication failure`, errs.PermissionDenied}, {404, `<html>`, errs.Internal}, {502, `<html>`, errs.Unavailable},
		{200, `<html>`, errs.Internal}, {500, `{"errors": []}`, errs.Unavailable}, {500, `{"errors": {"error": 7}}`, errs.Unavailable},
	} {
		_, err := understand("get", "jobs", c.status, []byte(c.text))
		require.Equal(t, c.want, errs.CodeOf(err), "%d %s", c.status, c.text)
	}
}

func FuzzREST(f *testing.F) {
	for _, name := range []string{"job-array", "job-running", "nodes", "partitions", "badtoken"} {
		text, err := os.ReadFile(filepath.Join("testdata", "recordings", "rest", name+".json"))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"jobs": [{"job_id": {"set": true, "number": 7}, "job_state": ["RUNNING", "COMPLETING"], "exit_code": {"signal": {"id": {"number": 9}}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		answered, err := understand("get", "it", 200, text)
		if err != nil && json.Valid(text) {
			require.NotEqual(t, errs.Code(""), errs.CodeOf(err))
		}
		entries, _ := parseJobs(answered)
		for _, e := range entries {
			require.NotEmpty(t, e.State)
		}
		gather(entries, nil)
		readNodes(answered)
		readPartitions(answered)
	})
}
