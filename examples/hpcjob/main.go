// Command hpcjob submits jobs to a cluster and watches them, whichever workload
// manager it has: Slurm, Torque, PBS Pro or OpenPBS. It is an example of a
// program that uses package hpc without TOSCA.
//
//	hpcjob --host alice@login.example.org submit --walltime 00:10:00 --tasks 4 job.sh
//	hpcjob --host alice@login.example.org watch 1234
//
// Exit codes: 0 success, 1 failure (of the job that is watched, or a refusal), 2
// wrong use of the command line, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/drivers/torque"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	p := &program{out: out}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "hpcjob: %v\n", err)
		return 2
	}
	if ctx.Err() != nil {
		fmt.Fprintln(errOut, "hpcjob: interrupted; jobs go on")
		return 130
	}
	fmt.Fprintf(errOut, "hpcjob: %v\n", err)
	return 1
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// program is the flags that all commands have.
type program struct {
	out                    io.Writer
	host, key, jump        string
	manager, endpoint      string
	environment            string
	login, acceptNew, json bool
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{Use: "hpcjob", Short: "Submit and watch jobs on a cluster", SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil // the help
			}
			return usagef("there is no command %q: see hpcjob --help", args[0])
		}, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&p.host, "host", "", "login node, such as user@host:22 (default this machine)")
	f.StringVar(&p.key, "key", "", "private key to log in with (default those of ~/.ssh, and the agent)")
	f.StringVar(&p.jump, "jump", "", "hosts to go through, the nearest first, such as user@gateway:22,user@inner")
	f.StringVar(&p.manager, "manager", "auto", "workload manager: auto, slurm, torque or pbs")
	f.StringVar(&p.endpoint, "endpoint", "", "slurmrestd to submit jobs to, as the login node sees it, such as http://head:6820")
	f.BoolVar(&p.login, "login-shell", false, "run the manager's commands in a login shell")
	f.StringVar(&p.environment, "environment-file", "", "file on the cluster that is read before the manager's commands and in the job")
	f.BoolVar(&p.acceptNew, "accept-new", false, "trust a host whose key is not known yet")
	f.BoolVar(&p.json, "json", false, "print JSON")
	root.AddCommand(p.submit(), p.status(), p.watch(), p.logs(), p.list(), p.queues(), p.nodes(), p.drain(), p.undrain())
	for _, c := range []struct {
		name, short string
		do          func(hpc.Manager, context.Context, []string) error
	}{
		{"cancel", "End jobs, waiting or running", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Cancel(ctx, ids...) }},
		{"hold", "Keep waiting jobs from starting", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Hold(ctx, ids...) }},
		{"release", "Let held jobs start", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Release(ctx, ids...) }},
		{"suspend", "Stop running jobs for the time being", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Suspend(ctx, ids...) }},
		{"resume", "Let suspended jobs go on", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Resume(ctx, ids...) }},
		{"requeue", "End running jobs and queue them anew", func(m hpc.Manager, ctx context.Context, ids []string) error { return m.Requeue(ctx, ids...) }},
	} {
		root.AddCommand(&cobra.Command{Use: c.name + " ID...", Short: c.short, Args: atLeastOne,
			RunE: func(cmd *cobra.Command, ids []string) error {
				return p.with(cmd.Context(), func(ctx context.Context, _ hpc.Shell, m hpc.Manager) error { return c.do(m, ctx, ids) })
			}})
	}
	return root
}

func atLeastOne(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("name a job")
	}
	return nil
}

func atLeastOneNode(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("name a node")
	}
	return nil
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, such as %q", cmd.Name(), args[0])
	}
	return nil
}

func oneJob(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("name one job")
	}
	return nil
}

// with opens the cluster for a piece of work.
func (p *program) with(ctx context.Context, work func(context.Context, hpc.Shell, hpc.Manager) error) error {
	shell, done, err := p.shell()
	if err != nil {
		return err
	}
	defer done()
	m, err := p.open(ctx, shell)
	if err != nil {
		return err
	}
	return work(ctx, shell, m)
}

func (p *program) open(ctx context.Context, shell hpc.Shell) (hpc.Manager, error) {
	if p.endpoint != "" {
		return hpc.OpenService(ctx, shell, p.manager, p.endpoint, slurm.Factory(), torque.Factory())
	}
	return hpc.Open(ctx, shell, p.manager, slurm.Factory(), torque.Factory())
}

func (p *program) shell() (hpc.Shell, func(), error) {
	options := hpc.ShellOptions{LoginShell: p.login, EnvironmentFile: p.environment}
	if p.host == "" || p.host == "localhost" {
		return hpc.NewLocal(options), func() {}, nil
	}
	config := transport.Config{AcceptNew: p.acceptNew}.FromEnvironment(os.Getenv)
	if p.key != "" {
		config.KeyFiles = []string{p.key}
	}
	host, err := hpc.ParseHost(p.host)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	if p.jump != "" {
		if host.Jump, err = hpc.ParseJump(p.jump); err != nil {
			return nil, nil, &usageError{err}
		}
	}
	pool := transport.NewPool(config)
	return hpc.SSH(pool, host, options), pool.Close, nil
}
