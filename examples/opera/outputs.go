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
			outputs, faults, err := in.outputs(cmd.Context())
			if err != nil {
				return err
			}
			for _, fault := range faults {
				fmt.Fprintf(io.err, "opera: %s\n", message(fault))
			}
			data := yamlx.Map{}
			for _, o := range outputs {
				data = append(data, yamlx.Item{Key: o.Name, Value: yamlx.Map{{Key: "description", Value: o.Description}, {Key: "value", Value: o.Value}}})
			}
			if err := format.write(io.out, data); err != nil {
				return err
			}
			if len(faults) > 0 {
				return errReported
			}
			return nil
		},
	}
	f.addPath(cmd)
	format.add(cmd)
	return cmd
}

// summary prints the values of the outputs behind the progress of a run that
// succeeded, for people; "opera outputs" is for programs. The run has succeeded
// whatever becomes of its outputs: those without a value are warned of, with
// every kind of progress.
func (f *instanceFlags) summary(ctx context.Context, in *instance) error {
	outputs, faults, err := in.outputs(ctx)
	if err != nil {
		faults = []error{err}
	}
	for _, fault := range faults {
		fmt.Fprintf(f.io.err, "opera: warning: %s\n", message(fault))
	}
	if len(outputs) == 0 || f.progress == "json" || f.progress == "none" {
		return nil
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

// outputs evaluates the outputs. The faults tell, each with its cause, which
// cannot be evaluated.
func (in *instance) outputs(ctx context.Context) (outputs []executor.Output, faults []error, err error) {
	outputs, err = in.engine.Outputs(ctx, deployment)
	var each interface{ Unwrap() []error }
	if err == nil || outputs == nil || !errors.As(err, &each) {
		return outputs, nil, err
	}
	return outputs, each.Unwrap(), nil
}
