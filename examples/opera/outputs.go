package main

import (
	"context"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/spf13/cobra"
)

func newOutputs(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io}, &formatFlags{}
	cmd := &cobra.Command{
		Use:   "outputs",
		Short: "Print the outputs of what is deployed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.check(); err != nil {
				return err
			}
			in, err := f.open(false, true)
			if err != nil {
				return err
			}
			defer in.close()
			outputs, err := in.engine.Outputs(cmd.Context(), deployment)
			if err != nil {
				return err
			}
			data := yamlx.Map{}
			for _, o := range outputs {
				data = append(data, yamlx.Item{Key: o.Name, Value: yamlx.Map{{Key: "description", Value: o.Description}, {Key: "value", Value: o.Value}}})
			}
			return format.write(io.out, data)
		},
	}
	f.addPath(cmd)
	format.add(cmd)
	return cmd
}

// summary prints the values of the outputs behind the progress of a run that
// succeeded, for people; "opera outputs" is for programs.
func (f *instanceFlags) summary(ctx context.Context, in *instance) error {
	if f.progress == "json" || f.progress == "none" {
		return nil
	}
	outputs, err := in.engine.Outputs(ctx, deployment)
	if err != nil || len(outputs) == 0 {
		return err
	}
	data := yamlx.Map{}
	for _, o := range outputs {
		data = append(data, yamlx.Item{Key: o.Name, Value: o.Value})
	}
	text, err := yamlx.Marshal(data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f.io.out, "\nOutputs:\n%s", text)
	return err
}
