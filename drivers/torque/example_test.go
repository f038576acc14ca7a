package torque_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/torque"
)

// login stands for a login node: in a program, hpc.Local() or hpc.SSH(...).
type login struct{ hpc.Shell }

func (login) Name() string { return "alice@login" }

func (login) Run(_ context.Context, c hpc.Command) (hpc.Result, error) {
	answers := map[string]string{
		"qstat --version": "Version: 6.1.3\n",
		"qsub":            "27.head\n",
		"qstat -x -t 27.head": "<Data><Job><Job_Id>27.head</Job_Id><Job_Owner>alice@login</Job_Owner>" +
			"<job_state>C</job_state><exit_status>3</exit_status></Job></Data>\n",
	}
	line := strings.Join(c.Args, " ")
	if c.Args[0] == "qsub" {
		fmt.Println(strings.Join(c.Args[:5], " "))
		line = "qsub"
	}
	return hpc.Result{Stdout: []byte(answers[line])}, nil
}

func Example() {
	ctx := context.Background()
	manager, err := torque.New(login{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := manager.Submit(ctx, &hpc.JobSpec{Name: "fit", Command: []string{"./fit", "--all"}, Nodes: 2, TasksPerNode: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	jobs, err := manager.Jobs(ctx, []string{id})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s, %s %d\n", jobs[0].ID, jobs[0].State, jobs[0].Cause, jobs[0].ExitCode)
	// Output:
	// qsub -N fit -l nodes=2:ppn=4
	// 27.head: failed, exit-code 3
}
