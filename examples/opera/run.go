package main

import (
	"github.com/spf13/cobra"
)

func newRun(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	cmd := &cobra.Command{
		Use:   "run WORKFLOW",
		Short: "Run an imperative workflow on what is deployed",
		Long: `Run the imperative workflow of that name on what is deployed. --inputs has the
inputs of the workflow.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inputs, err := f.readInputs()
			if err != nil {
				return err
			}
			in, err := f.open(false, f.dryRun)
			if err != nil {
				return err
			}
			defer in.close()
			if f.dryRun {
				return f.printPlan(in.engine.PlanWorkflow(cmd.Context(), deployment, args[0]))
			}
			result, err := in.engine.RunWorkflow(cmd.Context(), deployment, args[0], inputs, f.options(nil))
			return f.report(in, result, err)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addRun(cmd)
	return cmd
}
