package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/spf13/cobra"
)

func newDeploy(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	var resume, clean, force, rollback bool
	cmd := &cobra.Command{
		Use:   "deploy [TEMPLATE]",
		Short: "Deploy a service template or CSAR",
		Long: `Deploy a service template (YAML) or a CSAR (zip, tar or folder).

Without TEMPLATE the one that was deployed last is used again, with its inputs.`,
		Example: `  opera deploy service.yaml
  opera deploy -i inputs.yaml -w 4 application.csar
  opera deploy --resume`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if resume && clean {
				return usagef("--resume and --clean-state exclude each other")
			}
			f.rollback = rollback
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			return f.deploy(cmd.Context(), path, resume, clean, force)
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addImports(cmd)
	f.addRun(cmd)
	cmd.Flags().BoolVarP(&resume, "resume", "r", false, "continue a deployment that failed or was interrupted")
	cmd.Flags().BoolVarP(&clean, "clean-state", "c", false, "forget what was deployed before (without undeploying it) and deploy everything anew")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	cmd.Flags().BoolVar(&rollback, "rollback", false, "undeploy again what was brought up if something fails")
	return cmd
}

func (f *instanceFlags) deploy(ctx context.Context, path string, resume, clean, force bool) error {
	inputs, err := f.readInputs()
	if err != nil {
		return err
	}
	var src *source
	if path != "" {
		if src, err = f.load(ctx, path); err != nil {
			return err
		}
		defer src.archive.Close()
	}
	if f.dryRun {
		return f.printPlan(f.planDeploy(ctx, src, path, inputs, clean))
	}
	in, err := f.open(path != "", false)
	if err != nil {
		return err
	}
	defer in.close()
	known, err := in.known(ctx)
	if err != nil {
		return err
	}
	if known == nil && path == "" {
		return errNoState
	}
	if known != nil && known.Run != "" {
		if err := f.redeploy(ctx, in, src, inputs, resume, clean, force); err != nil {
			if errors.Is(err, errNothingToDo) {
				return nil
			}
			return err
		}
	}
	req := f.request(src, inputs)
	req.Clean, req.Rollback = clean, f.rollback
	if src != nil {
		in.show.expect(src.nodes())
	}
	result, err := in.engine.Deploy(ctx, req)
	if err := f.report(in, result, err); err != nil {
		return err
	}
	return f.summary(ctx, in)
}

// planDeploy tells what deploy would do.
func (f *instanceFlags) planDeploy(ctx context.Context, src *source, path string, inputs map[string]any, clean bool) (*workflow.Plan, error) {
	in, err := f.open(false, true)
	if errors.Is(err, errNoState) && src != nil {
		return f.planFresh(ctx, path, inputs)
	}
	if err != nil {
		return nil, err
	}
	defer in.close()
	req := f.request(src, inputs)
	req.Clean = clean
	return in.engine.PlanDeploy(ctx, req)
}

// errNothingToDo means that what was asked for is there already.
var errNothingToDo = errors.New("nothing to do")

// redeploy decides whether an instance folder that was used before may be
// deployed to, and asks where something would be lost.
func (f *instanceFlags) redeploy(ctx context.Context, in *instance, src *source, inputs map[string]any, resume, clean, force bool) error {
	info, err := in.engine.Info(ctx, deployment)
	if err != nil {
		return err
	}
	switch {
	case clean:
		if info.Status == state.Undeployed || force {
			return nil
		}
		return confirm(ctx, f.io, "The state of what is deployed will be lost; whatever is running keeps running.")
	case info.Status == state.Undeployed || info.Status == state.Initialized:
		return nil
	case info.Status == state.Deployed:
		if src != nil || inputs != nil {
			diff, _, err := in.engine.PlanUpdate(ctx, f.request(src, inputs))
			if err != nil {
				return err
			}
			if !diff.Empty() {
				return errors.New("another service template or other inputs are deployed already: use \"opera update\" to change the deployment, or \"opera undeploy\" first")
			}
		}
		fmt.Fprintln(f.io.out, "All instances have already been deployed.")
		if same, err := in.asDeployed(ctx, src, inputs, info); err != nil {
			return err
		} else if !same {
			fmt.Fprintln(f.io.err, "opera: warning: the service template or its inputs differ from what is deployed, though no node does: \"opera update\" takes them over (such as for outputs and policies)")
		}
		return errNothingToDo
	case resume:
		if force {
			return nil
		}
		return confirm(ctx, f.io, fmt.Sprintf("The deployment is in the state %q and will be continued.", info.Status))
	}
	return fmt.Errorf("the instance model already exists and is in the state %q: use --resume/-r to continue the deployment, or --clean-state/-c to forget it and deploy anew", info.Status)
}

// redacted is what is shown of a secret.
const redacted = "***"

// asDeployed tells whether a source and inputs are those that are deployed.
func (in *instance) asDeployed(ctx context.Context, src *source, inputs map[string]any, info *executor.Info) (bool, error) {
	if inputs != nil {
		inputs = maps.Clone(inputs)
		for name, value := range info.Inputs {
			if _, ok := inputs[name]; ok && fmt.Sprint(value) == redacted {
				inputs[name] = redacted // a secret is not compared
			}
		}
		given, err := json.Marshal(inputs)
		if err != nil {
			return false, err
		}
		known, err := json.Marshal(info.Inputs)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(given, known) && len(inputs)+len(info.Inputs) > 0 {
			return false, nil
		}
	}
	if src == nil {
		return true, nil
	}
	old, err := in.deployedArchive(ctx)
	if err != nil {
		return false, err
	}
	now := src.archive
	if now.Meta().File == "" {
		if now, err = now.Subset(src.template.UsedFiles()); err != nil {
			return false, err
		}
	}
	before, err := digestFromEntry(old)
	if err != nil {
		return false, err
	}
	after, err := digestFromEntry(now)
	return before == after, err
}

// digestFromEntry is the digest of the files in the folder of the service
// template, which may be called by another path the next time.
func digestFromEntry(archive *csar.Archive) (string, error) {
	dir, err := fs.Sub(archive.FS(), path.Dir(archive.Entry()))
	if err != nil {
		return "", err
	}
	from, err := csar.FromFS(dir, path.Base(archive.Entry()))
	if err != nil {
		return "", err
	}
	return from.Digest()
}
