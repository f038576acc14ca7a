package slurm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

func FuzzQueue(f *testing.F) {
	f.Add(queueLine("5", "5", "1-3,7%2", "PENDING", "Resources", "0") + queueLine("6", "5", "0", "FAILED", "None", "256"))
	f.Add("banner\n" + queueLine("1", "1", "N/A", "RUNNING", "None", "0"))
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parseQueue(text) {
			require.Regexp(t, jobID, e.Job.ID[:strings.IndexByte(e.ID+"_", '_')])
			require.NotEmpty(t, e.State)
			require.Equal(t, e.array != "", e.Index >= 0)
		}
	})
}

func FuzzAccounting(f *testing.F) {
	f.Add(accountingLine("5_0", "CANCELLED by 7", "0:0") + accountingLine("5_0.batch", "CANCELLED", "0:15") + accountingLine("5_[1-2%1]", "PENDING", "0:0"))
	f.Add(accountingLine("9", "OUT_OF_MEMORY", "0:125"))
	f.Fuzz(func(t *testing.T, text string) {
		entries := parseAccounting(text)
		for _, e := range entries {
			require.NotEmpty(t, e.State)
			require.GreaterOrEqual(t, e.Usage.MaxMemory, int64(0))
		}
		for id, job := range gather(nil, entries) {
			require.Equal(t, id, job.ID)
		}
		parseTagged(text, "a")
	})
}

func FuzzScontrol(f *testing.F) {
	for _, name := range []string{"scontrol-nodes-o.txt", "scontrol-part.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata", "recordings", name))
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add("NodeName=a State=IDLE Reason=State=DOWN x=y Partitions=none")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range parseNodes(text) {
			require.NotEmpty(t, n.Name)
			require.GreaterOrEqual(t, n.Memory, int64(0))
		}
		for _, q := range parsePartitions(text) {
			require.NotEmpty(t, q.Name)
		}
	})
}

func FuzzNodeList(f *testing.F) {
	f.Add("login,n[1-3,07],r[0-1]c[00-10]")
	f.Add("n[0-99999]m[0-99999]")
	f.Fuzz(func(t *testing.T, folded string) {
		require.LessOrEqual(t, len(expandNodes(folded)), maxNodes)
	})
}

func FuzzIndexes(f *testing.F) {
	f.Add("2-3,7,10-20:5%2")
	f.Fuzz(func(t *testing.T, folded string) {
		if strings.Count(folded, "-") > 2 {
			t.Skip("long lists are slow")
		}
		for _, i := range expandIndexes(folded) {
			require.GreaterOrEqual(t, i, 0)
		}
	})
}

// BenchmarkParseQueue reads the 10,000 records of a busy cluster.
func BenchmarkParseQueue(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		state := []string{"RUNNING", "PENDING", "COMPLETED"}[i%3]
		fmt.Fprint(&text, strings.Join([]string{
			fmt.Sprint(100000 + i), fmt.Sprint(100000 + i), "N/A", state, "None", "0", "0", "ada", "batch", fmt.Sprintf("n[%d-%d]", i, i+1),
			"2026-11-23T21:42:53", "2026-11-23T21:42:53", "2026-11-23T21:42:53", "2026-11-23T21:52:53", "5:23", "/scratch/ada/run", "simulation",
			fmt.Sprintf("op-%d", i), "\n",
		}, separator))
	}
	b.ReportAllocs()
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if entries := parseQueue(text.String()); len(entries) != 10_000 || entries[0].State != hpc.Running {
			b.Fatal("read wrongly")
		}
	}
}
