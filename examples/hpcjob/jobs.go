package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

func (p *program) submit() *cobra.Command {
	spec := &hpc.JobSpec{}
	var walltime, memory, array, dir, container string
	var limit int
	var after []string
	cmd := &cobra.Command{Use: "submit [flags] SCRIPT | -- COMMAND [ARGUMENT...]", Short: "Submit a job script, or a command of the cluster, and print the job's ID"}
	f := cmd.Flags()
	f.StringVar(&spec.Name, "name", "", "name of the job")
	f.IntVar(&spec.Nodes, "nodes", 0, "number of nodes")
	f.IntVar(&spec.Tasks, "tasks", 0, "number of processes altogether")
	f.IntVar(&spec.CPUsPerTask, "cpus-per-task", 0, "cores of each process")
	f.IntVar(&spec.GPUs, "gpus", 0, "GPUs on each node")
	f.StringVar(&memory, "memory", "", "memory of each node, such as 4GiB")
	f.StringVar(&walltime, "walltime", "", "how long it may run, such as 01:30:00")
	f.StringVar(&spec.Queue, "queue", "", "queue or partition")
	f.StringVar(&spec.Account, "account", "", "account")
	f.StringVar(&array, "array", "", "indexes of an array, such as 0-9")
	f.IntVar(&limit, "array-limit", 0, "how many tasks of the array may run at once")
	f.StringSliceVar(&after, "after", nil, "job that must have completed; may be given several times")
	f.StringSliceVar(&spec.Modules, "module", nil, "module to load; may be given several times")
	f.StringToStringVar(&spec.Env, "env", nil, "variable of the job, as NAME=VALUE")
	f.StringVar(&container, "container", "", "image of the container to run in")
	f.StringVar(&dir, "chdir", "", "folder on the cluster to run in (default the home)")
	f.BoolVar(&spec.Hold, "hold", false, "submit it held")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("name a job script, or a command behind --")
		}
		var err error
		if walltime != "" {
			if spec.Walltime, err = hpc.ParseWalltime(walltime); err != nil {
				return &usageError{err}
			}
		}
		if memory != "" {
			if spec.Memory, err = hpc.ParseMemory(memory); err != nil {
				return &usageError{err}
			}
		}
		if array != "" {
			spec.Array = &hpc.Array{Indexes: array, Limit: limit}
		}
		if container != "" {
			spec.Container = &hpc.Container{Image: container}
		}
		for _, id := range after {
			spec.Dependencies = append(spec.Dependencies, hpc.Dependency{Kind: hpc.AfterOK, Job: id})
		}
		if cmd.ArgsLenAtDash() == 0 {
			spec.Command = args
		} else {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			if len(args) > 1 {
				return usagef("arguments of a script are not passed on; put them into it")
			}
			spec.Script = string(text)
		}
		return p.with(cmd.Context(), func(ctx context.Context, shell hpc.Shell, m hpc.Manager) error {
			if spec.WorkDir, err = home(ctx, shell, dir); err != nil {
				return err
			}
			id, err := m.Submit(ctx, hpc.Rendered(spec))
			if err != nil {
				return err
			}
			if p.json {
				return p.print(map[string]string{"id": id})
			}
			fmt.Fprintln(p.out, id)
			return nil
		})
	}
	return cmd
}

// home makes a path on the cluster absolute.
func home(ctx context.Context, shell hpc.Shell, dir string) (string, error) {
	if path.IsAbs(dir) {
		return dir, nil
	}
	r, err := shell.Run(ctx, hpc.Command{Args: []string{"sh", "-c", "cd && pwd"}})
	return path.Join(strings.TrimSpace(string(r.Stdout)), dir), err
}

func (p *program) status() *cobra.Command {
	return &cobra.Command{Use: "status ID...", Short: "Tell how jobs are", Args: atLeastOne,
		RunE: func(cmd *cobra.Command, ids []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				jobs, err := m.Jobs(ctx, ids)
				if err != nil {
					return err
				}
				if err := p.jobs(jobs); err != nil {
					return err
				}
				return missing(ids, jobs)
			})
		}}
}

// missing is the error of jobs that the manager does not know.
func missing(ids []string, jobs []*hpc.Job) error {
	known := map[string]bool{}
	for _, j := range jobs {
		known[j.ID] = true
	}
	for _, id := range ids {
		if !known[id] {
			return fmt.Errorf("job %s: the manager does not know it, or has forgotten it", id)
		}
	}
	return nil
}

func (p *program) list() *cobra.Command {
	var user string
	cmd := &cobra.Command{Use: "list", Short: "List the jobs that the manager shows", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				jobs, err := m.List(ctx, user)
				if err != nil {
					return err
				}
				return p.jobs(jobs)
			})
		}}
	cmd.Flags().StringVar(&user, "user", "", "whose jobs (default everybody's)")
	return cmd
}

// watch tells each change of jobs until all have ended. A cluster that does not
// answer is asked again.
func (p *program) watch() *cobra.Command {
	var period time.Duration
	cmd := &cobra.Command{Use: "watch ID...", Short: "Tell each change of jobs until they have ended", Args: atLeastOne,
		RunE: func(cmd *cobra.Command, ids []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				return p.follow(ctx, m, ids, period)
			})
		}}
	cmd.Flags().DurationVar(&period, "period", 5*time.Second, "how often to ask")
	return cmd
}

func (p *program) follow(ctx context.Context, m hpc.Manager, ids []string, period time.Duration) error {
	last := map[string]string{}
	tick := time.NewTicker(max(period, 100*time.Millisecond))
	defer tick.Stop()
	for {
		jobs, err := m.Jobs(ctx, ids)
		if err == nil {
			err = missing(ids, jobs)
		} else if ctx.Err() == nil && executor.CodeOf(err) == executor.Unavailable {
			err = nil
		}
		if err != nil {
			return err
		}
		ended, failed := 0, ""
		for _, j := range jobs {
			if line := string(j.State) + " " + j.Reason; last[j.ID] != line {
				last[j.ID] = line
				if err := p.jobs([]*hpc.Job{j}); err != nil {
					return err
				}
			}
			if j.State.Ended() {
				ended++
			}
			if j.State.Ended() && j.State != hpc.Completed && failed == "" {
				failed = j.ID
			}
		}
		switch {
		case ended == len(ids) && failed != "":
			return fmt.Errorf("job %s has not completed", failed)
		case ended == len(ids):
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *program) logs() *cobra.Command {
	var stderr bool
	cmd := &cobra.Command{Use: "logs ID", Short: "Print what a job has printed, from its work directory", Args: atLeastOne,
		RunE: func(cmd *cobra.Command, ids []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, shell hpc.Shell, m hpc.Manager) error {
				jobs, err := m.Jobs(ctx, ids[:1])
				if err != nil {
					return err
				}
				if err := missing(ids[:1], jobs); err != nil {
					return err
				}
				name := "stdout"
				if stderr {
					name = "stderr"
				}
				var text bytes.Buffer
				_, err = shell.ReadAt(ctx, path.Join(jobs[0].WorkDir, name), 0, 0, &text)
				if errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("job %s has printed nothing into %s yet", ids[0], path.Join(jobs[0].WorkDir, name))
				}
				if err != nil {
					return err
				}
				_, err = text.WriteTo(p.out)
				return err
			})
		}}
	cmd.Flags().BoolVar(&stderr, "stderr", false, "the standard error instead of the output")
	return cmd
}

func (p *program) queues() *cobra.Command {
	return &cobra.Command{Use: "queues", Short: "List the queues or partitions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				queues, err := m.Queues(ctx)
				if err != nil || p.json {
					return errors.Join(err, p.print(queues))
				}
				return p.table("NAME\tDEFAULT\tENABLED\tSTARTED\tMAX WALLTIME\tNODES\tQUEUED\tRUNNING", len(queues), func(i int) string {
					q := queues[i]
					return fmt.Sprintf("%s\t%v\t%v\t%v\t%s\t%d\t%d\t%d", q.Name, q.Default, q.Enabled, q.Started, limitOf(q.MaxWalltime), q.Nodes, q.Queued, q.Running)
				})
			})
		}}
}

func limitOf(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}

func (p *program) nodes() *cobra.Command {
	return &cobra.Command{Use: "nodes", Short: "List the nodes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				nodes, err := m.Nodes(ctx)
				if err != nil || p.json {
					return errors.Join(err, p.print(nodes))
				}
				return p.table("NAME\tSTATE\tCPUS\tMEMORY\tGPUS\tQUEUES\tREASON", len(nodes), func(i int) string {
					n := nodes[i]
					return fmt.Sprintf("%s\t%s\t%d\t%d MiB\t%d\t%s\t%s", n.Name, n.State, n.CPUs, n.Memory>>20, n.GPUs, strings.Join(n.Queues, ","), n.Reason)
				})
			})
		}}
}

// jobs prints jobs, one in a line.
func (p *program) jobs(jobs []*hpc.Job) error {
	if p.json {
		return p.print(jobs)
	}
	return p.table("ID\tNAME\tQUEUE\tSTATE\tCAUSE\tEXIT\tNODES\tREASON", len(jobs), func(i int) string {
		j := jobs[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s", j.ID, j.Name, j.Queue, j.State, j.Cause, j.ExitCode, strings.Join(j.Nodes, ","), j.Reason)
	})
}

func (p *program) table(head string, n int, line func(int) string) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for i := range n {
		fmt.Fprintln(w, line(i))
	}
	return w.Flush()
}

func (p *program) print(v any) error {
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
