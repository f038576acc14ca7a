package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// usageArgs makes a usageError of what a check of positional arguments finds.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case !cmd.HasParent():
			return unknownCommand(cmd, args[0])
		}
		return usagef("%s: %v; see \"%s --help\"", cmd.Name(), err, cmd.CommandPath())
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	hint := ""
	if near := root.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? "
	}
	return usagef("unknown command %q for %q; %ssee \"%s --help\"", name, root.Name(), hint, root.Name())
}

// newHelp is cobra's command "help", which would show the general help for a
// command that there is not.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell how a command is used",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 0 {
				return root.Help()
			}
			for _, c := range root.Commands() {
				if c.Name() == args[0] {
					c.InitDefaultHelpFlag()
					return c.Help()
				}
			}
			return unknownCommand(root, args[0])
		},
	}
}

// flagError says of a flag that makes no sense what would.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		want := map[string]string{
			"int": "a whole number", "uint64": "a whole number from 0", "duration": "a duration such as 90s, 5m or 720h", "bool": "true or false",
		}[value.GetFlag().Value.Type()]
		if want != "" {
			return usagef("%s: --%s takes %s, not %q", cmd.Name(), value.GetFlag().Name, want, value.GetValue())
		}
	case errors.As(err, &unknown):
		if near := flagsWith(cmd.Flags(), unknown.GetSpecifiedName()); len(near) > 1 && unknown.GetSpecifiedShortnames() == "" {
			return usagef("%s: --%s may be %s", cmd.Name(), unknown.GetSpecifiedName(), strings.Join(near, " or "))
		}
	}
	return usagef("%w; see \"%s --help\"", err, cmd.CommandPath())
}

// flagsWith are the long flags that begin with a prefix, with their dashes.
func flagsWith(flags *pflag.FlagSet, prefix string) []string {
	var found []string
	flags.VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, prefix) {
			found = append(found, "--"+f.Name)
		}
	})
	slices.Sort(found)
	return found
}

// expandFlags completes long flags that are abbreviated to a unique prefix
// ("--clean" for "--clean-state"), as Python's argparse lets xOpera's users do.
func expandFlags(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return args
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		if arg == "--" {
			copy(out[i:], args[i:])
			break
		}
		name, ok := strings.CutPrefix(arg, "--")
		if !ok || name == "" {
			continue
		}
		name, value, hasValue := strings.Cut(name, "=")
		if cmd.Flags().Lookup(name) != nil {
			continue
		}
		if full := flagsWith(cmd.Flags(), name); len(full) == 1 {
			out[i] = full[0]
			if hasValue {
				out[i] += "=" + value
			}
		}
	}
	return out
}
