package hpc_test

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

func Example() {
	job := &hpc.Job{ID: "1234", State: hpc.Failed, Cause: hpc.ExitCode, ExitCode: 3, Raw: "FAILED"}
	if job.State.Ended() && job.State != hpc.Completed {
		fmt.Printf("job %s: %s (%s %d)\n", job.ID, job.State, job.Cause, job.ExitCode)
	}
	// Output: job 1234: failed (exit-code 3)
}
