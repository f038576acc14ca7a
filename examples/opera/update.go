package main

import (
	"github.com/spf13/cobra"
)

func newUpdate(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	cmd := &cobra.Command{
		Use:   "update TEMPLATE",
		Short: "Change what is deployed to another service template",
		Long: `Change what is deployed to what another service template, or the same with other
inputs, describes. Nodes that do not differ are left alone and keep their
attributes; "opera diff" tells which do.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dryRun {
				return f.printPlan(f.plan(cmd.Context(), args[0], false))
			}
			inputs, err := f.readInputs()
			if err != nil {
				return err
			}
			src, err := f.load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer src.archive.Close()
			in, err := f.open(false, false)
			if err != nil {
				return err
			}
			defer in.close()
			in.show.expect(src.nodes())
			result, err := in.engine.Update(cmd.Context(), f.request(src, inputs))
			if err := f.report(in, result, err); err != nil {
				return err
			}
			return f.summary(cmd.Context(), in)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addImports(cmd)
	f.addRun(cmd)
	return cmd
}
