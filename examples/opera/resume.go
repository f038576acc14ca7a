package main

import (
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/spf13/cobra"
)

func newResume(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Go on with a run that failed, was cancelled or was interrupted",
		Long: `Go on with the last run, whatever it was (a deployment, an update, an
undeployment, the actions of a trigger): what is done stays done, what may still be
going on is asked after, and only the steps that failed or were not reached are
run. So it is also the retry of a failed run. A deployment with --rollback that
was interrupted is rolled back.

The files are those that the run began with. Where they were mended since, use
"opera deploy --resume TEMPLATE" or "opera update TEMPLATE".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
				plan, err := in.engine.PlanResume(cmd.Context(), deployment)
				return f.printPlan(plan, err)
			}
			result, err := in.engine.Resume(cmd.Context(), deployment, f.options(inputs))
			if err := f.report(in, result, err); err != nil || result.Run.Kind != "deploy" && result.Run.Kind != "update" {
				return err
			}
			return f.summary(cmd.Context(), in)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addRun(cmd)
	return cmd
}

// options are those of a run of what is deployed.
func (f *instanceFlags) options(inputs map[string]any) executor.Options {
	return executor.Options{Inputs: inputs, Workers: f.workers, OnFailure: f.onFailure(), RerunLost: f.rerunLost}
}
