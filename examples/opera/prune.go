package main

import (
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/spf13/cobra"
)

// sweepAge is how old what nothing refers to must be before it goes from a
// database, where other processes may be about to begin a run.
const sweepAge = time.Hour

func newPrune(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io, workers: 1, progress: "none"}, &formatFlags{}
	var keep executor.Retention
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Forget the history of old runs",
		Long: `Forget the events, the output and the plans of old runs; opera keeps all of them
unless asked. What is deployed, and the last run, stay.`,
		Example: `  opera prune --keep 10
  opera prune --older 720h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.check(); err != nil {
				return err
			}
			if keep == (executor.Retention{}) || keep.Runs < 0 || keep.Age < 0 {
				return usagef("prune: say what to keep with --keep N or what to forget with --older DURATION")
			}
			in, err := f.open(false, false)
			if err != nil {
				return err
			}
			defer in.close()
			if err := in.engine.Prune(cmd.Context(), deployment, keep); err != nil {
				return err
			}
			age := time.Duration(0)
			if f.store != "" {
				age = sweepAge
			}
			removed, err := in.engine.Sweep(cmd.Context(), age)
			if err != nil {
				return err
			}
			runs, err := in.store.Runs(cmd.Context(), deployment)
			if err != nil {
				return err
			}
			return format.write(io.out, yamlx.Map{{Key: "runs", Value: len(runs)}, {Key: "files_removed", Value: removed}})
		},
	}
	f.addPath(cmd)
	cmd.Flags().IntVar(&keep.Runs, "keep", 0, "number of runs to keep")
	cmd.Flags().DurationVar(&keep.Age, "older", 0, "forget runs that ended longer ago, such as 720h")
	format.add(cmd)
	return cmd
}
