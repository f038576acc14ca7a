package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/executor"
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
			outputs, faults, err := f.outputs(cmd.Context(), in)
			if err != nil {
				return err
			}
			data := yamlx.Map{}
			for _, o := range outputs {
				data = append(data, yamlx.Item{Key: o.Name, Value: yamlx.Map{{Key: "description", Value: o.Description}, {Key: "value", Value: o.Value}}})
			}
			if err := format.write(io.out, data); err != nil {
				return err
			}
			return faults
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
	outputs, faults, err := f.outputs(ctx, in)
	if err != nil {
		return err
	}
	if len(outputs) == 0 {
		return faults
	}
	data := yamlx.Map{}
	for _, o := range outputs {
		data = append(data, yamlx.Item{Key: o.Name, Value: o.Value})
	}
	text, err := yamlx.Marshal(data)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(f.io.out, "\nOutputs:\n%s", text); err != nil {
		return err
	}
	return faults
}

// outputs evaluates the outputs. Those that cannot be evaluated are told on
// standard error, each with its cause; faults is errReported if there are any.
func (f *instanceFlags) outputs(ctx context.Context, in *instance) (outputs []executor.Output, faults, err error) {
	outputs, err = in.engine.Outputs(ctx, deployment)
	var each interface{ Unwrap() []error }
	if err == nil || outputs == nil || !errors.As(err, &each) {
		return outputs, nil, err
	}
	for _, fault := range each.Unwrap() {
		fmt.Fprintf(f.io.err, "opera: %s\n", message(fault))
	}
	return outputs, errReported, nil
}
