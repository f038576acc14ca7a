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
	var known []string
	for _, f := range factories {
		known = append(known, f.Name)
		if kind == "" || kind == "auto" {
			found, err := f.Detect(ctx, shell)
			if err != nil {
				return nil, errs.Wrap(err, "look for "+f.Name+" on", shell.Name())
			}
			if !found {
				continue
			}
		} else if !f.is(kind) {
			continue
		}
		return f.New(shell)
	}
	if kind == "" || kind == "auto" {
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
