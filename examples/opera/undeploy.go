package main

import (
	"context"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/spf13/cobra"
)

func newUndeploy(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	var resume, force bool
	cmd := &cobra.Command{
		Use:   "undeploy",
		Short: "Stop and remove what is deployed",
		Long: `Stop and remove what is deployed, with the service template as it was when it
was deployed: the original files may have changed or vanished.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.undeploy(cmd.Context(), resume, force)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addRun(cmd)
	cmd.Flags().BoolVarP(&resume, "resume", "r", false, "continue an undeployment that failed or was interrupted")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	return cmd
}

func (f *instanceFlags) undeploy(ctx context.Context, resume, force bool) error {
	inputs, err := f.readInputs()
	if err != nil {
		return err
	}
	if f.dryRun {
		return f.printPlan(f.plan(ctx, "", true))
	}
	in, err := f.open(false, false)
	if err != nil {
		return err
	}
	defer in.close()
	info, err := in.engine.Info(ctx, deployment)
	if err != nil {
		return err
	}
	switch info.Status {
	case state.Undeployed, state.Initialized:
		fmt.Fprintln(f.io.out, "All instances have already been undeployed.")
		return nil
	case state.Undeploying:
		if resume && !force {
			if err := confirm(ctx, f.io, "The undeployment was interrupted and will be continued."); err != nil {
				return err
			}
		}
	}
	var nodes []string
	for _, i := range info.Instances {
		if i.Kind == state.Node {
			nodes = append(nodes, i.ID)
		}
	}
	in.show.expect(nodes)
	result, err := in.engine.Undeploy(ctx, deployment, f.options(inputs))
	return f.report(in, result, err)
}
