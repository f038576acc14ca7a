package torque

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

func TestParseXML(t *testing.T) {
	t.Parallel()
	records, err := parseXML(recording(t, "torque/qstat-x-mixed.out"), "Job", "Job_Id")
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, "11.vm", records[0].id)
	require.Equal(t, "01:00:00", records[0].attrs["Resource_List.walltime"])

	// Two documents, an entity, and a character that XML forbids.
	records, err = parseXML([]byte("<?xml version=\"1.0\"?>\n<Data><Job><Job_Id>1.vm</Job_Id><comment>a &amp; b\x01</comment></Job></Data>\n"+
		"<?xml version=\"1.0\"?>\n<Data><Job><Job_Id>2.vm</Job_Id></Job></Data>\n"), "Job", "Job_Id")
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Equal(t, "a & b?", records[0].attrs["comment"])

	records, err = parseXML(nil, "Job", "Job_Id")
	require.NoError(t, err)
	require.Empty(t, records, "nothing is what Torque prints where there are no jobs")

	_, err = parseXML([]byte("<Data><Job><Job_Id>1.vm</Job_Id><job_state>R</job"), "Job", "Job_Id")
	require.ErrorContains(t, err, "not the XML of jobs", "an answer that was cut off is not taken for all jobs")
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	records, err := parseJSON(recording(t, "openpbs/qstat-json-unknown.out"), "Jobs")
	require.NoError(t, err)
	require.Empty(t, records)
	records, err = parseJSON(recording(t, "openpbs/qstat-json-all.out"), "Jobs")
	require.NoError(t, err)
	require.Equal(t, "0.vm", records[0].id)
	require.Equal(t, "10.vm", records[10].id, "in the order of numbers")
	require.Equal(t, "/home/hpcuser", records[0].attrs["Variable_List.PBS_O_WORKDIR"])
	_, err = parseJSON([]byte(`{"Jobs": {"1.vm": {"a":`), "Jobs")
	require.ErrorContains(t, err, "not the JSON of PBS")
}

func TestParseText(t *testing.T) {
	t.Parallel()
	records, err := parseText(recording(t, "torque/qstat-Q-f.out"))
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, "batch", records[0].id)
	require.Equal(t, "Transit:0 Queued:0 Held:1 Waiting:1 Running:0 Exiting:0 Complete:8 ", records[0].attrs["state_count"])

	// A variable with line feeds does not pass for what the manager says.
	records, err = parseText([]byte("Job Id: 1.vm\n    job_state = R\n    Variable_List = A=x\n    job_state = F\n"))
	require.NoError(t, err)
	require.Equal(t, "R", records[0].attrs["job_state"])

	// An exported function of the shell, as qsub -V takes it along.
	records, err = parseText([]byte("Job Id: 1.vm\n    job_state = F\n    Variable_List = PBS_O_HOST=vm,BASH_FUNC_f%%=() {  eval x\n},\n\tA=b\n    Exit_status = 0\n\n" +
		"Job Id: 2.vm\n    job_state = R\n"))
	require.NoError(t, err)
	require.Equal(t, []record{
		{"1.vm", map[string]string{"job_state": "F", "Variable_List": "PBS_O_HOST=vm,BASH_FUNC_f%%=() {  eval x\n},A=b", "Exit_status": "0"}},
		{"2.vm", map[string]string{"job_state": "R"}}}, records)
	_, err = parseText([]byte("    job_state = R\n"))
	require.ErrorContains(t, err, "an attribute of nothing")
}

func TestQueues(t *testing.T) {
	t.Parallel()
	records, err := parseText(recording(t, "torque/qstat-Q-f.out"))
	require.NoError(t, err)
	require.Equal(t, &hpc.Queue{Name: "batch", Enabled: true, Started: true, Queued: 2}, records[0].queue())
	records, err = parseText(recording(t, "openpbs/qstat-Q-f.out"))
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Equal(t, &hpc.Queue{Name: "workq", Enabled: true, Started: true}, records[0].queue())
}

func TestNodes(t *testing.T) {
	t.Parallel()
	records, err := parseXML(recording(t, "torque/pbsnodes-x.out"), "Node", "name")
	require.NoError(t, err)
	require.Equal(t, &hpc.Node{Name: "vm", State: hpc.NodeDown, Raw: "down", CPUs: 4, Memory: 24684092 << 10}, records[0].node(kindTorque))
	want := &hpc.Node{Name: "vm", State: hpc.NodeIdle, Raw: "free", CPUs: 6, Memory: 24684092 << 10}
	records, err = parseJSON(recording(t, "openpbs/pbsnodes-json.out"), "nodes")
	require.NoError(t, err)
	require.Equal(t, want, records[0].node(kindPBS))
	records, err = parseText(recording(t, "openpbs/pbsnodes.out"))
	require.NoError(t, err)
	require.Equal(t, want, records[0].node(kindPBS))

	busy := record{id: "n1", attrs: map[string]string{"state": "free", "np": "4", "jobs": "0/13.vm,1/14.vm", "properties": "fast,big", "gpus": "2"}}
	require.Equal(t, &hpc.Node{Name: "n1", State: hpc.NodeMixed, Raw: "free", CPUs: 4, GPUs: 2, Features: []string{"fast", "big"},
		Jobs: []string{"13.vm", "14.vm"}}, busy.node(kindTorque))
	for raw, want := range map[string]hpc.NodeState{"down,offline": hpc.NodeDown, "offline": hpc.NodeDrained, "job-exclusive": hpc.NodeAllocated,
		"job-busy": hpc.NodeAllocated, "state-unknown,down": hpc.NodeDown, "odd": hpc.NodeUnknown} {
		require.Equal(t, want, nodeState(raw, 0, 4), raw)
	}
	require.Equal(t, hpc.NodeDraining, nodeState("offline", 1, 4))
}

func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
	}
}

func FuzzParseXML(f *testing.F) {
	seed(f, "torque/*.qstat-x.out")
	f.Fuzz(func(t *testing.T, text []byte) {
		if records, err := parseXML(text, "Job", "Job_Id"); err == nil {
			checkGathered(t, gather(kindTorque, records))
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	seed(f, "openpbs/*.qstat-xfjson.out")
	f.Fuzz(func(t *testing.T, text []byte) {
		if records, err := parseJSON(text, "Jobs"); err == nil {
			checkGathered(t, gather(kindPBS, records))
		}
	})
}

func FuzzParseText(f *testing.F) {
	seed(f, "openpbs/*.qstat-xfw.out")
	seed(f, "torque/*.qstat-f*.out")
	f.Fuzz(func(t *testing.T, text []byte) {
		if records, err := parseText(text); err == nil {
			checkGathered(t, gather(kindPBS, records))
		}
	})
}

// checkGathered: every job has a state, and tasks stand in their arrays in order.
func checkGathered(t *testing.T, jobs []*hpc.Job) {
	for _, j := range jobs {
		if j.State == "" || j.Index != -1 {
			t.Fatalf("job %q: state %q, index %d", j.ID, j.State, j.Index)
		}
		for i, task := range j.Tasks {
			if task.State == "" || i > 0 && task.Index <= j.Tasks[i-1].Index && task.ID == j.Tasks[i-1].ID {
				t.Fatalf("task %q of %q", task.ID, j.ID)
			}
		}
	}
}

// BenchmarkParseJobs reads what "qstat -x -t" prints of 10,000 jobs.
func BenchmarkParseJobs(b *testing.B) {
	one := string(recording(b, "torque/walltime-exceeded.qstat-x.out"))
	_, one, _ = strings.Cut(one, "<Data>")
	one, _, _ = strings.Cut(one, "</Data>")
	var all strings.Builder
	all.WriteString("<?xml version=\"1.0\"?>\n<Data>")
	const jobs = 10_000
	for i := range jobs {
		all.WriteString(strings.Replace(one, "<Job_Id>5.vm", fmt.Sprintf("<Job_Id>%d.vm", i), 1))
	}
	all.WriteString("</Data>\n")
	text := []byte(all.String())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		records, err := parseXML(text, "Job", "Job_Id")
		if err != nil || len(gather(kindTorque, records)) != jobs {
			b.Fatal(err)
		}
	}
}
