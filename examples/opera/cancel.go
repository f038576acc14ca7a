package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/spf13/cobra"
)

// cancelLook is how often to look whether a run has ended.
const cancelLook = 200 * time.Millisecond

func newCancel(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io, workers: 1, progress: "none"}, &formatFlags{}
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "End the run that goes on, also in another process",
		Long: `Ask for the end of the run that goes on, also where another process runs it: its
operations are stopped, the rest is skipped, and "opera resume" goes on later. A run
that was interrupted is ended, with what it left running.

The command waits until the run has ended; --timeout 0 only asks.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.check(); err != nil {
				return err
			}
			run, err := f.cancel(cmd.Context(), wait)
			if err != nil {
				return err
			}
			return format.write(io.out, yamlx.Map{
				{Key: "run", Value: run.ID}, {Key: "kind", Value: run.Kind}, {Key: "status", Value: string(run.Status)},
			})
		},
	}
	f.addPath(cmd)
	cmd.Flags().DurationVarP(&wait, "timeout", "t", time.Minute, "how long to wait for the end of the run")
	format.add(cmd)
	return cmd
}

// cancel asks for the end of the run and returns it as it is after at most wait.
func (f *instanceFlags) cancel(ctx context.Context, wait time.Duration) (*state.Run, error) {
	in, err := f.open(false, false)
	if executor.CodeOf(err) == executor.Conflict && f.store == "" {
		return f.cancelElsewhere(ctx, wait)
	}
	if err != nil {
		return nil, err
	}
	defer in.close()
	run, err := goingOn(ctx, in.store)
	if err != nil {
		return nil, err
	}
	if err := in.engine.Cancel(ctx, deployment, run.ID); err != nil {
		return nil, err
	}
	return awaitEnd(ctx, wait, func() (*state.Run, error) { return in.store.Run(ctx, deployment, run.ID) })
}

// cancelElsewhere leaves the wish beside the file that another process holds.
func (f *instanceFlags) cancelElsewhere(ctx context.Context, wait time.Duration) (*state.Run, error) {
	dir, err := f.folder(false)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, stateFile)
	look := func(do func(store state.Store) (*state.Run, error)) (*state.Run, error) {
		store, err := openFile(file, false, true)
		if err != nil {
			return nil, err
		}
		defer store.Close()
		return do(store)
	}
	run, err := look(func(store state.Store) (*state.Run, error) { return goingOn(ctx, store) })
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	signal := &state.Signal{Kind: state.SignalCancel, Run: run.ID, From: fmt.Sprintf("opera cancel (%s/%d)", host, os.Getpid())}
	if err := bolt.Signal(file, deployment, signal); err != nil {
		return nil, err
	}
	return awaitEnd(ctx, wait, func() (*state.Run, error) {
		r, err := look(func(store state.Store) (*state.Run, error) { return store.Run(ctx, deployment, run.ID) })
		if executor.CodeOf(err) == executor.Conflict {
			return run, nil // it changes too fast at the moment
		}
		return r, err
	})
}

// goingOn is the run that goes on.
func goingOn(ctx context.Context, store state.Store) (*state.Run, error) {
	d, err := store.Deployment(ctx, deployment)
	if executor.CodeOf(err) == executor.NotFound {
		return nil, errNoState
	}
	if err != nil {
		return nil, err
	}
	none := errors.New("nothing is going on that could be cancelled")
	if d.Run == "" {
		return nil, none
	}
	run, err := store.Run(ctx, deployment, d.Run)
	if err == nil && run.Status != state.RunRunning {
		err = none
	}
	return run, err
}

// awaitEnd looks at a run until it has ended, for at most wait.
func awaitEnd(ctx context.Context, wait time.Duration, look func() (*state.Run, error)) (*state.Run, error) {
	end := time.Now().Add(wait)
	for {
		run, err := look()
		switch {
		case err != nil || run.Status != state.RunRunning || wait <= 0:
			return run, err
		case time.Now().After(end):
			return nil, fmt.Errorf("the %s was told to end, and still goes on after %v: its operations may take time to stop", run.Kind, wait)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(cancelLook):
		}
	}
}
