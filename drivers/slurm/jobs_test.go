package slurm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// scripted is a shell that answers by a function of the command's name.
type scripted struct {
	hpc.Shell // of which no more than Run and Name is used
	asked     []string
	answer    func(args []string) (hpc.Result, error)
}

func (s *scripted) Name() string { return "login.example.org" }

func (s *scripted) Run(ctx context.Context, c hpc.Command) (hpc.Result, error) {
	if err := ctx.Err(); err != nil {
		return hpc.Result{}, err
	}
	s.asked = append(s.asked, c.Args[0])
	return s.answer(c.Args)
}

func managerOver(t *testing.T, answer func(args []string) (hpc.Result, error)) (*Manager, *scripted) {
	t.Helper()
	shell := &scripted{answer: answer}
	m, err := New(shell, nil)
	require.NoError(t, err)
	return m, shell
}

// queueLine is a record of squeue.
func queueLine(id, array, indexes, state, reason, exit string) string {
	return asked(strings.Join([]string{id, array, indexes, state, reason, exit}, "|"),
		[]string{"JobID", "ArrayJobID", "ArrayTaskID", "State", "Reason", "exit_code"}, queueFields)
}

func accountingLine(id, state, exit string) string {
	return asked(id+"|"+state+"|"+exit, []string{"JobID", "State", "ExitCode"}, accountingFields)
}

func said(out string) hpc.Result { return hpc.Result{Stdout: []byte(out)} }

func refusal(words string) hpc.Result { return hpc.Result{Code: 1, Stderr: []byte(words)} }

func TestJobsFromQueueAndAccounting(t *testing.T) {
	t.Parallel()
	banner := "Welcome to the cluster!\nMaintenance | on Friday\n"
	m, shell := managerOver(t, func(args []string) (hpc.Result, error) {
		switch args[0] {
		case "squeue":
			return said(banner + queueLine("1", "1", "N/A", "RUNNING", "None", "0") + queueLine("9", "5", "2", "RUNNING", "None", "0") +
				queueLine("5", "5", "3-4%1", "PENDING", "JobArrayTaskLimit", "0") + queueLine("7", "7", "N/A", "FAILED", "NonZeroExitCode", "768")), nil
		case "sacct":
			require.Contains(t, args, "3,2,5,6,7", "the one that runs is not asked for")
			return said(banner + accountingLine("2", "FAILED", "4:0") + accountingLine("5_0", "COMPLETED", "0:0") + accountingLine("5_1", "FAILED", "1:0") +
				accountingLine("5_2", "RUNNING", "0:0") + accountingLine("6", "RUNNING", "0:0") + accountingLine("7", "RUNNING", "0:0")), nil
		}
		return hpc.Result{}, errors.New("unexpected")
	})
	jobs, err := m.Jobs(t.Context(), []string{"3", "2", "1", "5", "no id", "6", "2", "7"})
	require.NoError(t, err)
	require.Equal(t, []string{"squeue", "sacct"}, shell.asked, "one query each")
	var got []string
	for _, j := range jobs {
		got = append(got, fmt.Sprintf("%s %s %d", j.ID, j.State, j.ExitCode))
	}
	require.Equal(t, []string{"2 failed 4", "1 running 0", "5 running 0", "6 unknown 0", "2 failed 4", "7 failed 3"}, got)
	var tasks []string
	for i, task := range jobs[2].Tasks {
		require.Equal(t, i, task.Index)
		tasks = append(tasks, task.ID+" "+string(task.State))
	}
	require.Equal(t, []string{"5_0 completed", "5_1 failed", "5_2 running", "5_3 queued", "5_4 queued"}, tasks)
}

func TestArraysSumUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines string
		want  string
	}{
		"waits": {queueLine("5", "5", "0-3", "PENDING", "PartitionNodeLimit", "0"), "queued impossible PartitionNodeLimit"},
		"waits, partly run": {queueLine("5", "5", "1-3", "PENDING", "Resources", "0") + queueLine("6", "5", "0", "COMPLETED", "None", "0"),
			"running  Resources"},
		"runs":   {queueLine("5", "5", "1", "RUNNING", "None", "0") + queueLine("6", "5", "0", "FAILED", "None", "256"), "running  "},
		"failed": {queueLine("5", "5", "1", "FAILED", "None", "256") + queueLine("6", "5", "0", "COMPLETED", "None", "0"), "failed exit-code "},
		"done":   {queueLine("5", "5", "1", "COMPLETED", "None", "0") + queueLine("6", "5", "0", "COMPLETED", "None", "0"), "completed  "},
		"ends":   {queueLine("5", "5", "1", "COMPLETING", "None", "0") + queueLine("6", "5", "0", "COMPLETED", "None", "0"), "completing  "},
	} {
		job := gather(parseQueue(c.lines), nil)["5"]
		require.Equal(t, c.want, fmt.Sprintf("%s %s %s", job.State, job.Cause, job.Reason), name)
		require.Equal(t, -1, job.Index)
	}
}

func TestAccountingMayFail(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]hpc.Result{
		"disabled": refusal("Slurm accounting storage is disabled\n"),
		"down":     refusal("sacct: error: Problem talking to the database: Connection refused\n"),
		"missing":  {Code: 127, Stderr: []byte("sh: sacct: not found\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, shell := managerOver(t, func(args []string) (hpc.Result, error) {
				if args[0] == "squeue" {
					return refusal("slurm_load_jobs error: Invalid job id specified\n"), nil
				}
				return answer, nil
			})
			for range 3 {
				jobs, err := m.Jobs(t.Context(), []string{"17"})
				require.NoError(t, err)
				if name == "down" {
					require.Len(t, jobs, 1)
					require.Equal(t, hpc.Unknown, jobs[0].State)
					require.Contains(t, jobs[0].Reason, "Problem talking to the database")
					continue
				}
				require.Empty(t, jobs, "left out")
			}
			require.Equal(t, []string{"squeue", "sacct", "squeue", "squeue"}, shell.asked, "it is left alone for a while")
			_, err := m.Submit(t.Context(), &hpc.JobSpec{Script: "true", Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "17"}}})
			require.Equal(t, name == "down", executor.Retryable(err), "%v", err)
			require.Error(t, err)
		})
	}
}

func TestControllerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	m, _ := managerOver(t, func([]string) (hpc.Result, error) {
		return refusal("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"), nil
	})
	_, err := m.Jobs(t.Context(), []string{"17"})
	require.Equal(t, errs.Unavailable, errs.CodeOf(err))
	require.True(t, executor.Retryable(err))
	_, err = m.Submit(t.Context(), &hpc.JobSpec{Script: "true"})
	require.True(t, executor.Retryable(err))
	require.True(t, executor.Retryable(m.Cancel(t.Context(), "17")))
}

func TestDependenciesAreLookedUp(t *testing.T) {
	t.Parallel()
	queue := queueLine("1", "1", "N/A", "RUNNING", "None", "0") + queueLine("2", "2", "N/A", "FAILED", "NonZeroExitCode", "256") +
		queueLine("3", "3", "N/A", "COMPLETED", "None", "0")
	m, _ := managerOver(t, func(args []string) (hpc.Result, error) {
		switch args[0] {
		case "squeue":
			return said(queue), nil
		case "sbatch":
			return said("banner\n44;lab\n"), nil
		}
		return said(""), nil
	})
	for dependency, why := range map[hpc.Dependency]string{
		{Kind: hpc.AfterOK, Job: "1"}: "", {Kind: hpc.AfterOK, Job: "2"}: "which has ended as FAILED", {Kind: hpc.AfterOK, Job: "3"}: "",
		{Kind: hpc.AfterOK, Job: "4"}:    "neither the queue nor the accounting knows",
		{Kind: hpc.AfterNotOK, Job: "2"}: "", {Kind: hpc.AfterNotOK, Job: "3"}: "which has completed",
		{Kind: hpc.AfterNotOK, Job: "4"}: "neither the queue nor the accounting knows",
		{Kind: hpc.AfterAny, Job: "4"}:   "", {Kind: hpc.After, Job: "2"}: "", {Kind: hpc.Singleton}: "",
		{Kind: hpc.AfterCorr, Job: "4"}: "neither", {Kind: hpc.AfterOK, Job: "x"}: "is no ID", {Kind: "afterwards", Job: "1"}: "no kind",
	} {
		id, err := m.Submit(t.Context(), &hpc.JobSpec{Name: "next", Script: "true", Dependencies: []hpc.Dependency{dependency}})
		if why != "" {
			require.ErrorContains(t, err, why)
			require.Contains(t, []errs.Code{errs.FailedPrecondition, errs.InvalidArgument}, errs.CodeOf(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "44", id)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	m, _ := managerOver(t, nil)
	now := time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)
	args, err := m.arguments(&hpc.JobSpec{
		Name: "a", Tag: "op-1.2", WorkDir: "/scratch/a b", Stdout: "out.txt", Nodes: 2, Tasks: 8, TasksPerNode: 4, CPUsPerTask: 2,
		Memory: 1<<20 + 1, MemoryPerCPU: 2 << 30, GPUs: 2, GPUType: "a100", Walltime: 61 * time.Second, Queue: "batch", Account: "acc", QOS: "high",
		Reservation: "res", Constraint: "ib&gpu", NodeList: []string{"n1", "n2"}, Exclusive: true, Mail: "a@example.org", MailOn: []string{"begin", "end"},
		Array: &hpc.Array{Indexes: "0-9:3", Limit: 2}, Begin: now.Add(90500 * time.Millisecond), Hold: true, Requeue: true,
		Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "17"}, {Kind: hpc.AfterAny, Job: "18_3"}, {Kind: hpc.Singleton}},
		Options:      []string{"--nice=5"},
	}, now)
	require.NoError(t, err)
	require.Equal(t, []string{
		"sbatch", "--parsable", "--job-name=a", "--comment=op-1.2", "--chdir=/scratch/a b", "--output=out.txt.%a", "--error=stderr.%a",
		"--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=2", "--mem=2M", "--mem-per-cpu=2048M", "--gres=gpu:a100:2", "--time=2",
		"--partition=batch", "--account=acc", "--qos=high", "--reservation=res", "--constraint=ib&gpu", "--nodelist=n1,n2", "--exclusive",
		"--mail-user=a@example.org", "--mail-type=BEGIN,END", "--array=0-9:3%2", "--begin=now+91", "--dependency=afterok:17,afterany:18_3,singleton",
		"--hold", "--requeue", "--nice=5",
	}, args)
	args, err = m.arguments(&hpc.JobSpec{Join: true, GPUs: 1}, now)
	require.NoError(t, err)
	require.Equal(t, []string{"sbatch", "--parsable", "--output=stdout", "--gres=gpu:1", "--no-requeue"}, args)
	args, err = m.arguments(&hpc.JobSpec{WorkDir: "/a/%j", Stdout: "%x", Stderr: "/b/%j", Array: &hpc.Array{Indexes: "1"}}, now)
	require.NoError(t, err)
	require.Equal(t, []string{"--chdir=/a/%j", "--output=/a/%%j/%x.%a", "--error=/b/%j.%a"}, args[2:5], "no pattern in the work directory")
	for _, dir := range []string{"relative", `/a\b`} {
		_, err = m.arguments(&hpc.JobSpec{WorkDir: dir}, now)
		require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	}
}

// More IDs than fit into one argument are asked after in several queries.
func TestVeryManyJobs(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 20000 {
		ids = append(ids, fmt.Sprint(10000000+i))
	}
	asked := map[string]int{}
	m, _ := managerOver(t, func(args []string) (hpc.Result, error) {
		list := args[slices.Index(args, "-j")+1]
		require.Less(t, len(list), 128<<10)
		asked[args[0]] += len(strings.Split(list, ","))
		if args[0] == "squeue" {
			return refusal("slurm_load_jobs error: Invalid job id specified\n"), nil
		}
		return said(accountingLine(list[:8], "COMPLETED", "0:0")), nil
	})
	jobs, err := m.Jobs(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, jobs, 3)
	require.Equal(t, map[string]int{"squeue": 20000, "sacct": 20000}, asked)
}

// While the accounting does not answer, an array whose earlier tasks may have
// left the queue has not ended for certain.
func TestArrayWithoutAnswerOfAccounting(t *testing.T) {
	t.Parallel()
	m, _ := managerOver(t, func(args []string) (hpc.Result, error) {
		if args[0] == "sacct" {
			return refusal("sacct: error: Problem talking to the database: Connection refused\n"), nil
		}
		return said(queueLine("6", "5", "1", "COMPLETED", "None", "0") + queueLine("8", "7", "0", "COMPLETED", "None", "0") +
			queueLine("7", "7", "1", "RUNNING", "None", "0")), nil
	})
	jobs, err := m.Jobs(t.Context(), []string{"5", "7"})
	require.NoError(t, err)
	require.Equal(t, hpc.Unknown, jobs[0].State)
	require.Empty(t, jobs[0].Raw)
	require.Contains(t, jobs[0].Reason, "tasks may have left the queue")
	require.Equal(t, hpc.Completed, jobs[0].Tasks[0].State)
	require.Equal(t, hpc.Running, jobs[1].State)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec hpc.JobSpec
		want string
	}{
		{hpc.JobSpec{Script: "#!/usr/bin/python3\n#SBATCH -N2\nprint()"}, "#!/usr/bin/python3\n#SBATCH -N2\nprint()"},
		{hpc.JobSpec{Script: "true"}, "#!/bin/sh\ntrue"},
		{hpc.JobSpec{Command: []string{"echo", "it's", "$HOME"}}, "#!/bin/sh\nexec 'echo' 'it'\\''s' '$HOME'\n"},
		{hpc.JobSpec{}, ""},
		{hpc.JobSpec{Script: "true", Command: []string{"true"}}, ""},
		{hpc.JobSpec{Script: "a\x00"}, ""},
	} {
		got, err := scriptOf(&c.spec)
		require.Equal(t, c.want, got)
		require.Equal(t, c.want == "", err != nil)
	}
}

func TestFindInAccounting(t *testing.T) {
	t.Parallel()
	text := asked("12_0|op-1|\n12_1|op-1|\n13||sbatch --parsable --comment=op-1 --job-name=a\n14|op-12|\n15||sbatch --comment=op-1x", []string{"JobID", "Comment", "SubmitLine"},
		[]string{"JobID", "Comment", "SubmitLine"})
	require.Equal(t, []string{"12", "13"}, parseTagged(text, "op-1"))
	require.Empty(t, parseTagged(text, "op"))
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	m, _ := managerOver(t, func(args []string) (hpc.Result, error) {
		if args[0] == "sbatch" {
			return said("done\n"), nil
		}
		return hpc.Result{Code: 127, Stderr: []byte("sh: 1: squeue: not found")}, nil
	})
	_, err := m.Submit(t.Context(), &hpc.JobSpec{Script: "true"})
	require.ErrorContains(t, err, "no job's ID")
	_, err = m.Jobs(t.Context(), []string{"1"})
	require.Equal(t, errs.FailedPrecondition, errs.CodeOf(err))
	require.ErrorContains(t, err, "login shell")
	require.Equal(t, errs.NotFound, errs.CodeOf(m.Hold(t.Context(), "1; rm -rf /")))
	_, err = m.Find(t.Context(), "")
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
	_, err = New(nil, nil)
	require.Error(t, err)
}
