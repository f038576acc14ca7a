package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRoot(io stdio) *cobra.Command {
	var shell string
	root := &cobra.Command{
		Use:   "opera",
		Short: "Deploy TOSCA service templates",
		Long: `opera deploys TOSCA service templates (YAML files or CSAR archives) with scripts
and Ansible playbooks in them on this machine and on any host reachable through
SSH, and as jobs of HPC clusters under Slurm, Torque and PBS. It keeps what it
deployed under control afterwards.`,
		Version:       versionOf(),
		SilenceUsage:  true,
		SilenceErrors: true,
		// How many letters may be wrong for "did you mean".
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.NoArgs,
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
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().StringVarP(&shell, "shell-completion", "s", "", "print the completion script of a shell: bash, zsh, fish or tcsh")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newDeploy(io), newUndeploy(io), newUpdate(io), newDiff(io), newPlan(io), newNotify(io), newRun(io),
		newEvents(io), newLogs(io), newInfo(io), newOutputs(io), newValidate(io), newPackage(io), newUnpackage(io),
		newResume(io), newCancel(io), newExport(io), newImport(io), newPrune(io),
	)
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		cmd.Args = usageArgs(cmd.Args)
		completeValues(cmd)
	}
	completeValues(root)
	root.Args = usageArgs(root.Args)
	return root
}

// versionOf is the version that the linker was told, else that of the module
// which "go install" built.
func versionOf() string {
	if info, ok := debug.ReadBuildInfo(); version == "devel" && ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}
