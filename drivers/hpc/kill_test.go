package hpc_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	labslurm "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// kills is how often the kill tests kill: go test ./drivers/hpc -run TestKilled -kills 100
var kills = flag.Int("kills", 3, "how many processes each kill test kills at random")

// killedChild tells a child process, as JSON, what to submit.
const killedChild = "ORCHESTRATOR_TEST_HPC_KILL"

type childCase struct{ ID, Dir, Conf, Script string }

func (c childCase) driver() *hpc.Driver {
	return hpc.New(hpc.Config{Managers: []hpc.Factory{slurm.Factory()}, Results: filepath.Join(c.Dir, "results"),
		Env: map[string]string{"SLURM_CONF": c.Conf}, MinPeriod: 100 * time.Millisecond, MaxPeriod: 200 * time.Millisecond})
}

func (c childCase) operation() *executor.Operation {
	op := operation(c.ID, map[string]any{"script": c.Script})
	op.Hosts[0].Properties["work_directory"] = filepath.Join(c.Dir, "jobs")
	return op
}

// operation is one as the engine makes it, for a job on this machine.
func operation(id string, properties map[string]any) *executor.Operation {
	return &executor.Operation{ID: id, Deployment: "d1", Attempt: 1, Instance: "job_0", Interface: "Standard", Name: "start", Began: time.Now(),
		Node: &tosca.NodeTemplate{Name: "job", Type: nodeType("hpc.nodes.Job")}, Log: io.Discard,
		Self:  &executor.Resource{ID: "job_0", Properties: properties},
		Hosts: []*executor.Resource{{ID: "cluster_0", Node: &tosca.NodeTemplate{Name: "cluster", Type: nodeType("hpc.nodes.Cluster")}, Properties: map[string]any{}}}}
}

func nodeType(name string) *tosca.NodeType {
	t := &tosca.NodeType{}
	t.Name = name
	return t
}

func runChild(what string) int {
	var c childCase
	if err := json.Unmarshal([]byte(what), &c); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("begins")
	s, err := c.driver().Start(context.Background(), c.operation())
	fmt.Println(s.State, err)
	select {}
}

// A process that is killed at any moment of a submission leaves no job behind
// that is not found again, and none is submitted twice.
func TestKilledSubmission(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a cluster")
	}
	cluster := labslurm.Shared(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	states := map[executor.OperationState]int{}
	for i := range *kills {
		dir := t.TempDir()
		c := childCase{ID: fmt.Sprintf("job_0-start-%d-%d", os.Getpid(), i), Dir: dir, Conf: cluster.Conf,
			Script: "echo ran >> " + filepath.Join(dir, "ran")}
		what, err := json.Marshal(c)
		require.NoError(t, err)
		child := exec.Command(exe)
		child.Env = append(os.Environ(), killedChild+"="+string(what))
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		_, err = io.ReadFull(out, make([]byte, len("begins\n")))
		require.NoError(t, err)
		<-time.After(time.Duration(rand.Int64N(int64(250 * time.Millisecond))))
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())

		states[finish(t, c)]++
		ran, err := os.ReadFile(filepath.Join(dir, "ran"))
		require.NoError(t, err)
		require.Equal(t, "ran\n", string(ran), "once")
		listed, err := cluster.Command(t.Context(), "sacct", "-nXP", "-o", "JobID", "--name", "job_0", "-S", "now-1hour", "-o", "JobID,Comment")
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(listed, c.ID+"-1"), 1, "submitted once")
	}
	t.Logf("found after the kill: %v", states)
}

// finish recovers an operation in a fresh driver and takes it to its end. It
// returns what was found.
func finish(t *testing.T, c childCase) executor.OperationState {
	t.Helper()
	d := c.driver()
	defer d.Close()
	s, err := d.Recover(t.Context(), c.operation())
	require.NoError(t, err)
	found := s.State
	if found == executor.NotStarted {
		s, err = d.Start(t.Context(), c.operation())
		require.NoError(t, err)
	}
	s = await(t, d, s)
	require.NoError(t, s.Err)
	require.Equal(t, executor.Succeeded, s.State)
	return found
}

// await polls until the operation has ended.
func await(t *testing.T, d *hpc.Driver, s executor.Status) executor.Status {
	t.Helper()
	handle := s.Handle
	require.Eventually(t, func() bool {
		if s.State == executor.Running {
			all, err := d.Poll(t.Context(), []executor.Handle{handle})
			if err == nil && len(all) == 1 {
				s = all[0]
			}
		}
		return s.State != executor.Running
	}, 2*time.Minute, 50*time.Millisecond)
	return s
}
