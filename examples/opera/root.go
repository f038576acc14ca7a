package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRoot(io stdio) *cobra.Command {
	var shell string
	root := &cobra.Command{
		Use:   "opera",
		Short: "Deploy TOSCA service templates",
		Long: `opera deploys TOSCA service templates (YAML files or CSAR archives) with scripts
and Ansible playbooks in them on this machine and on any host reachable through
SSH, and keeps what it deployed under control afterwards.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if shell != "" {
				return completion(cmd, shell)
			}
			return cmd.Help()
		},
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().StringVarP(&shell, "shell-completion", "s", "", "print the completion script of a shell: bash, zsh, fish or tcsh")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newDeploy(io), newUndeploy(io), newUpdate(io), newDiff(io), newPlan(io), newNotify(io), newRun(io),
		newEvents(io), newLogs(io), newInfo(io), newOutputs(io), newValidate(io), newPackage(io), newUnpackage(io),
		newResume(io), newCancel(io), newExport(io), newImport(io), newPrune(io),
	)
	for _, cmd := range root.Commands() {
		cmd.Args = usageArgs(cmd.Args)
	}
	root.Args = usageArgs(root.Args)
	return root
}

// usageArgs makes a usageError of what a check of positional arguments finds.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			name := cmd.Name() + ": "
			if !cmd.HasParent() {
				name = "" // the program's own name stands before every message
			}
			return usagef("%s%v; see \"%s --help\"", name, err, cmd.CommandPath())
		}
		return nil
	}
}

func completion(cmd *cobra.Command, shell string) error {
	root := cmd.Root()
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(cmd.OutOrStdout(), true)
	case "zsh":
		return root.GenZshCompletion(cmd.OutOrStdout())
	case "fish":
		return root.GenFishCompletion(cmd.OutOrStdout(), true)
	case "tcsh":
		return tcshCompletion(cmd.OutOrStdout(), root)
	}
	return usagef("there is no completion for the shell %q; use bash, zsh, fish or tcsh", shell)
}

// expandFlags completes long flags that are abbreviated to a unique prefix
// ("--clean" for "--clean-state"), as Python's argparse lets xOpera's users do.
func expandFlags(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
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
		if full := uniqueFlag(cmd.Flags(), name); full != "" {
			out[i] = "--" + full
			if hasValue {
				out[i] += "=" + value
			}
		}
	}
	return out
}

func uniqueFlag(flags *pflag.FlagSet, prefix string) string {
	if flags.Lookup(prefix) != nil {
		return ""
	}
	var found []string
	flags.VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, prefix) {
			found = append(found, f.Name)
		}
	})
	if len(found) != 1 {
		return ""
	}
	return found[0]
}
