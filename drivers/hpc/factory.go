package hpc

import (
	"context"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Factory makes the Manager of one kind. drivers/slurm and drivers/torque have
// one each; so this package imports neither.
type Factory struct {
	// Name is the kind of manager, such as "slurm": what the property
	// workload_manager of a cluster says. Aliases are other names for it.
	Name    string
	Aliases []string
	// Detect tells whether a cluster has such a manager. It runs one quick command.
	Detect func(ctx context.Context, shell Shell) (bool, error)
	// New returns a Manager that works through a shell.
	New func(shell Shell) (Manager, error)
	// Service returns a Manager that works through a service of the workload
	// manager at an address, as the login node sees it, and through the shell
	// where the service cannot help. nil where the kind has no service.
	Service func(shell Shell, endpoint string) (Manager, error)
}

func (f Factory) is(name string) bool {
	if strings.EqualFold(f.Name, name) {
		return true
	}
	for _, alias := range f.Aliases {
		if strings.EqualFold(alias, name) {
			return true
		}
	}
	return false
}

// Open returns the Manager of a cluster. kind is the name of a factory; empty or
// "auto" takes the first that detects its own.
//
// Errors: InvalidArgument for an unknown kind; FailedPrecondition where none is
// detected; those of the shell.
func Open(ctx context.Context, shell Shell, kind string, factories ...Factory) (Manager, error) {
	f, err := choose(ctx, shell, kind, factories)
	if err != nil {
		return nil, err
	}
	return f.New(shell)
}

// OpenService is Open for a cluster whose workload manager has a service, such as
// Slurm's slurmrestd at "http://head:6820": see Factory.Service.
//
// Errors: those of Open; InvalidArgument where the kind has no service, or for an
// endpoint that it cannot have.
func OpenService(ctx context.Context, shell Shell, kind, endpoint string, factories ...Factory) (Manager, error) {
	f, err := choose(ctx, shell, kind, factories)
	if err != nil {
		return nil, err
	}
	if f.Service == nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "use", Subject: "endpoint " + endpoint,
			Err: errs.New(errs.InvalidArgument, "", "", "%s has no service to submit jobs to", f.Name), Hint: "leave the endpoint out"}
	}
	return f.Service(shell, endpoint)
}

// choose returns the factory of a cluster's workload manager.
func choose(ctx context.Context, shell Shell, kind string, factories []Factory) (*Factory, error) {
	detect := kind == "" || kind == "auto"
	var known []string
	for i, f := range factories {
		known = append(known, f.Name)
		found := f.is(kind)
		if detect {
			var err error
			if found, err = f.Detect(ctx, shell); err != nil {
				return nil, errs.Wrap(err, "look for "+f.Name+" on", shell.Name())
			}
		}
		if found {
			return &factories[i], nil
		}
	}
	if detect {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Op: "look for a workload manager on", Subject: shell.Name(),
			Err:  errs.New(errs.FailedPrecondition, "", "", "found none of %s", strings.Join(known, ", ")),
			Hint: "if its commands are in the PATH of login shells only, set login_shell; else say which with workload_manager"}
	}
	return nil, errs.New(errs.InvalidArgument, "use", "workload manager "+kind, "known are auto, %s", strings.Join(known, ", "))
}

// Has tells whether a cluster has a command in its PATH, for Factory.Detect.
func Has(ctx context.Context, shell Shell, command string) (bool, error) {
	r, err := shell.Run(ctx, Command{Args: []string{"sh", "-c", `command -v -- "$1" >/dev/null 2>&1`, "sh", command}})
	return err == nil && r.Code == 0, err
}
