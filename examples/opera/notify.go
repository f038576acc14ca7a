package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/spf13/cobra"
)

func newNotify(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	var trigger, file string
	var force bool
	cmd := &cobra.Command{
		Use:   "notify --trigger NAME",
		Short: "Fire a policy's trigger on what is deployed",
		Long: `Fire the trigger of that name, or the triggers that wait for the event of that
name, and run their operations on the nodes that the policies aim at.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if trigger == "" {
				return usagef("notify needs the name of a trigger or event: --trigger/-t NAME (also --event/-e)")
			}
			var notification any
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				notification = string(text)
			}
			in, err := f.open(false, f.dryRun)
			if err != nil {
				return err
			}
			defer in.close()
			if f.dryRun {
				return f.printPlan(in.engine.PlanNotify(cmd.Context(), deployment, trigger))
			}
			if err := f.mayNotify(cmd.Context(), in, force); err != nil {
				return err
			}
			opts := f.options(nil)
			opts.Notification = notification
			result, err := in.engine.Notify(cmd.Context(), deployment, trigger, opts)
			if err == nil && result.Run != nil && result.Run.Steps == 0 {
				fmt.Fprintf(f.io.err, "opera: warning: nothing was done: the triggers for %q act on none of the nodes (see their target_filter)\n", trigger)
			}
			return f.report(in, result, err)
		},
	}
	f.addPath(cmd)
	f.addRun(cmd)
	cmd.Flags().StringVarP(&trigger, "trigger", "t", "", "name of the trigger or of its event")
	cmd.Flags().StringVarP(&trigger, "event", "e", "", "the same as --trigger")
	cmd.Flags().StringVarP(&file, "notification", "n", "", "file whose text is handed to the operations as the input \"notification\"")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	return cmd
}

// mayNotify asks before operations run on something that is not wholly deployed.
func (f *instanceFlags) mayNotify(ctx context.Context, in *instance, force bool) error {
	info, err := in.engine.Info(ctx, deployment)
	if err != nil || force || info.Status == state.Deployed {
		return err
	}
	return confirm(ctx, f.io, fmt.Sprintf("The deployment is in the state %q, not deployed.", info.Status))
}
