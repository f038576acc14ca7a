package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state/memory"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/spf13/cobra"
)

func newPlan(io stdio) *cobra.Command {
	f := &instanceFlags{io: io, workers: 1, progress: "none"}
	var undeploy bool
	var format, output string
	cmd := &cobra.Command{
		Use:   "plan [TEMPLATE]",
		Short: "Show what deploy, update or undeploy would do, without doing it",
		Long: `Show the steps of a deployment and what waits for what, without doing anything.

With TEMPLATE: what deploy would do, or update where something is deployed
already. Without: what a further deploy of the stored template would do, or
undeploy with --undeploy.`,
		Example: `  opera plan service.yaml
  opera plan -f dot service.yaml | dot -Tsvg > plan.svg`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			if undeploy && path != "" {
				return usagef("--undeploy takes what is deployed, not a template")
			}
			plan, err := f.plan(cmd.Context(), path, undeploy)
			if err != nil {
				return err
			}
			text, err := render(plan, format)
			if err != nil {
				return err
			}
			return writeTo(io.out, output, text)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addImports(cmd)
	cmd.Flags().BoolVar(&undeploy, "undeploy", false, "show what undeploy would do")
	cmd.Flags().StringVarP(&format, "format", "f", "table", "output format: table, json, dot or mermaid")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file instead of standard output")
	return cmd
}

func render(plan *workflow.Plan, format string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch format {
	case "table":
		err = plan.WriteTable(&b)
	case "dot":
		err = plan.WriteDOT(&b)
	case "mermaid":
		err = plan.WriteMermaid(&b)
	case "json":
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		err = enc.Encode(plan)
	default:
		err = usagef("there is no format %q; use table, json, dot or mermaid", format)
	}
	return b.Bytes(), err
}

func (f *instanceFlags) plan(ctx context.Context, path string, undeploy bool) (*workflow.Plan, error) {
	inputs, err := f.readInputs()
	if err != nil {
		return nil, err
	}
	in, err := f.open(false, true)
	switch {
	case errors.Is(err, errNoState) && path != "":
		return f.planFresh(ctx, path, inputs)
	case err != nil:
		return nil, err
	}
	defer in.close()
	if undeploy {
		return in.engine.PlanUndeploy(ctx, deployment)
	}
	if path == "" {
		return in.engine.PlanDeploy(ctx, f.request(nil, inputs))
	}
	src, err := f.load(ctx, path)
	if err != nil {
		return nil, err
	}
	defer src.archive.Close()
	known, err := in.known(ctx)
	switch {
	case err != nil:
		return nil, err
	case known == nil || known.Run == "":
		return in.engine.PlanDeploy(ctx, f.request(src, inputs))
	}
	_, plan, err := in.engine.PlanUpdate(ctx, f.request(src, inputs))
	return plan, err
}

// planFresh plans the first deployment of a template, for which no state is made.
func (f *instanceFlags) planFresh(ctx context.Context, path string, inputs map[string]any) (*workflow.Plan, error) {
	src, err := f.load(ctx, path)
	if err != nil {
		return nil, err
	}
	defer src.archive.Close()
	drivers, closeDrivers, err := f.drivers()
	if err != nil {
		return nil, err
	}
	defer closeDrivers()
	store := memory.New(memory.Config{})
	defer store.Close()
	engine, err := executor.New(executor.Config{Store: store, Drivers: drivers})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	return engine.PlanDeploy(ctx, f.request(src, inputs))
}
