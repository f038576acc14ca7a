package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

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
	cmd := &cobra.Command{Use: "list", Short: "List the jobs that the manager shows", Args: none,
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
	var output string
	var stderr, follow bool
	var period time.Duration
	cmd := &cobra.Command{Use: "logs ID", Short: "Print what a job has printed, from its work directory", Args: oneJob,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if output == "" {
				output = "stdout"
				if stderr {
					output = "stderr"
				}
			}
			return p.with(cmd.Context(), func(ctx context.Context, shell hpc.Shell, m hpc.Manager) error {
				return p.tail(ctx, shell, m, ids[0], output, follow, period)
			})
		}}
	cmd.Flags().StringVar(&output, "output", "", "the file that submit --output or --error named")
	cmd.Flags().BoolVar(&stderr, "stderr", false, "the standard error instead of the output")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	cmd.Flags().DurationVar(&period, "period", 2*time.Second, "how often to look, with --follow")
	return cmd
}

// fileOf is the path of a file that a job prints to. That of an array's task has
// its index behind the name.
func fileOf(j *hpc.Job, name string) string {
	if j.Index >= 0 {
		name += "." + strconv.Itoa(j.Index)
	}
	if path.IsAbs(name) {
		return name
	}
	return path.Join(j.WorkDir, name)
}

// tail prints a file of a job's work directory; where it follows, until the job
// has ended.
func (p *program) tail(ctx context.Context, shell hpc.Shell, m hpc.Manager, id, name string, follow bool, period time.Duration) error {
	tick := time.NewTicker(max(period, 100*time.Millisecond))
	defer tick.Stop()
	var offset int64
	for {
		jobs, err := m.Jobs(ctx, []string{id})
		if err == nil {
			err = missing([]string{id}, jobs)
		}
		if err != nil {
			return err
		}
		file := fileOf(jobs[0], name)
		n, err := shell.ReadAt(ctx, file, offset, 0, p.out)
		offset += n
		switch last := !follow || jobs[0].State.Ended(); {
		case errors.Is(err, fs.ErrNotExist) && last && len(jobs[0].Tasks) > 0:
			return fmt.Errorf("job %s is an array: name a task, such as %s", id, jobs[0].Tasks[0].ID)
		case errors.Is(err, fs.ErrNotExist) && last:
			return fmt.Errorf("job %s has printed nothing into %s", id, file)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case last:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *program) queues() *cobra.Command {
	return &cobra.Command{Use: "queues", Short: "List the queues or partitions", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				queues, err := m.Queues(ctx)
				if err != nil {
					return err
				}
				if p.json {
					return p.print(list(queues))
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
	return &cobra.Command{Use: "nodes", Short: "List the nodes", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
				nodes, err := m.Nodes(ctx)
				if err != nil {
					return err
				}
				if p.json {
					return p.print(list(nodes))
				}
				return p.table("NAME\tSTATE\tCPUS\tMEMORY\tGPUS\tQUEUES\tREASON", len(nodes), func(i int) string {
					n := nodes[i]
					return fmt.Sprintf("%s\t%s\t%d\t%d MiB\t%d\t%s\t%s", n.Name, n.State, n.CPUs, n.Memory>>20, n.GPUs, strings.Join(n.Queues, ","), n.Reason)
				})
			})
		}}
}

// drain and undrain change nodes, with managers that can.
func (p *program) drain() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "drain NODE...", Short: "Let nodes start no more jobs, for operators", Args: atLeastOneNode,
		RunE: func(cmd *cobra.Command, nodes []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("say why with --reason")
			}
			return p.drainer(cmd.Context(), func(ctx context.Context, d hpc.Drainer) error { return d.Drain(ctx, reason, nodes...) })
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who see the nodes")
	return cmd
}

func (p *program) undrain() *cobra.Command {
	return &cobra.Command{Use: "undrain NODE...", Short: "Let drained nodes start jobs again, for operators", Args: atLeastOneNode,
		RunE: func(cmd *cobra.Command, nodes []string) error {
			return p.drainer(cmd.Context(), func(ctx context.Context, d hpc.Drainer) error { return d.Undrain(ctx, nodes...) })
		}}
}

func (p *program) drainer(ctx context.Context, do func(context.Context, hpc.Drainer) error) error {
	return p.with(ctx, func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error {
		d, ok := m.(hpc.Drainer)
		if !ok {
			return fmt.Errorf("nodes of %s cannot be drained from here", m.Name())
		}
		return do(ctx, d)
	})
}

// jobs prints jobs, one in a line.
func (p *program) jobs(jobs []*hpc.Job) error {
	if p.json {
		return p.print(list(jobs))
	}
	return p.table("ID\tNAME\tQUEUE\tSTATE\tCAUSE\tEXIT\tNODES\tREASON", len(jobs), func(i int) string {
		j := jobs[i]
		exit := "-"
		if j.State == hpc.Completed || j.ExitCode != 0 {
			exit = strconv.Itoa(j.ExitCode)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", j.ID, j.Name, j.Queue, j.State, j.Cause, exit, strings.Join(j.Nodes, ","), j.Reason)
	})
}

// list is never nil, which would be null in JSON.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
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
