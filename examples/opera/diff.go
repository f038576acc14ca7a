package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/spf13/cobra"
)

func newDiff(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io}, &formatFlags{}
	var templateOnly bool
	cmd := &cobra.Command{
		Use:   "diff TEMPLATE",
		Short: "Tell what differs between what is deployed and another service template",
		Long: `Tell what differs between what is deployed and another service template, or the
same with other inputs: what "opera update" would change.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := format.check(); err != nil {
				return err
			}
			diff, err := f.diff(cmd.Context(), args[0], templateOnly)
			if err != nil {
				return err
			}
			data, err := diffData(diff)
			if err != nil {
				return err
			}
			return format.write(io.out, data)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addImports(cmd)
	format.add(cmd)
	cmd.Flags().BoolVarP(&templateOnly, "template-only", "t", false, "compare the templates only, not the states of the instances")
	return cmd
}

func (f *instanceFlags) diff(ctx context.Context, path string, templateOnly bool) (*workflow.Diff, error) {
	inputs, err := f.readInputs()
	if err != nil {
		return nil, err
	}
	src, err := f.load(ctx, path)
	if err != nil {
		return nil, err
	}
	defer src.archive.Close()
	in, err := f.open(false, true)
	if err != nil {
		return nil, err
	}
	defer in.close()
	if !templateOnly {
		diff, _, err := in.engine.PlanUpdate(ctx, f.request(src, inputs))
		return diff, err
	}
	old, err := in.deployedArchive(ctx)
	if err != nil {
		return nil, err
	}
	t, _ := tosca.Load(old.FS(), old.Entry(), &tosca.Options{Inputs: inputs, Definitions: append([]string{}, old.OtherDefinitions()...)})
	return workflow.Compare(t, src.template, workflow.DiffOptions{OldFiles: old.FS(), NewFiles: src.archive.FS()})
}

// deployedArchive opens the files that were deployed, as they were.
func (in *instance) deployedArchive(ctx context.Context) (*csar.Archive, error) {
	record, err := in.store.Deployment(ctx, deployment)
	if err != nil {
		return nil, err
	}
	blob, err := in.store.Blob(ctx, record.Template)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(blob)
	if err != nil {
		return nil, err
	}
	return csar.OpenReader(bytes.NewReader(content), int64(len(content)), &csar.Options{Entry: record.Entry})
}

// diffData is a Diff as data that keeps its order in YAML, too.
func diffData(diff *workflow.Diff) (any, error) {
	text, err := json.Marshal(diff)
	if err != nil {
		return nil, err
	}
	root, faults := yamlx.Parse(text, yamlx.Limits{})
	if len(faults) > 0 {
		return nil, faults[0]
	}
	return root.Ordered(), nil
}
