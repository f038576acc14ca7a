package slurm_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
)

// A program on the login node of a cluster submits a job, with what it takes, and
// waits for its end. On machines without Slurm it says so.
func Example() {
	ctx := context.Background()
	shell := hpc.Local()
	if found, err := slurm.Factory().Detect(ctx, shell); err != nil || !found {
		fmt.Println("no Slurm here")
		return
	}
	cluster, err := slurm.New(shell, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := cluster.Submit(ctx, &hpc.JobSpec{
		Name: "simulate", Script: "#!/bin/sh\nsrun ./simulate\n", WorkDir: "/scratch/run1",
		Nodes: 2, TasksPerNode: 16, Memory: 8 << 30, Walltime: 2 * time.Hour,
	})
	for err == nil {
		var jobs []*hpc.Job
		if jobs, err = cluster.Jobs(ctx, []string{id}); err == nil && len(jobs) == 1 && jobs[0].State.Ended() {
			fmt.Println(jobs[0].State, jobs[0].Cause, jobs[0].ExitCode)
			return
		}
		time.Sleep(10 * time.Second)
	}
	fmt.Println(err)
}

func ExampleNew() {
	cluster, err := slurm.New(hpc.Local(), &slurm.Options{Env: map[string]string{"SLURM_CONF": "/etc/slurm/slurm.conf"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = cluster.Submit(context.Background(), &hpc.JobSpec{Name: "empty"})
	fmt.Println(cluster.Name(), err)
	// Output: slurm submit job empty: it has neither a script nor a command
}
