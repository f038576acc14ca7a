package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/spf13/cobra"
)

func newExport(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io, workers: 1, progress: "none"}, &formatFlags{}
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write what is deployed, with its history, to one file",
		Long: `Write the deployment to one file: its nodes, template, runs, events and the output of
its operations. "opera import" takes it in elsewhere. Secrets in it stay encrypted
under the key of the instance folder (the file "key"), which is not part of it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := format.check(); err != nil {
				return err
			}
			in, err := f.open(false, true)
			if err != nil {
				return err
			}
			defer in.close()
			if err := exportTo(cmd.Context(), in.store, args[0]); err != nil {
				return err
			}
			return describe(cmd.Context(), in.store, format, io, args[0])
		},
	}
	f.addPath(cmd)
	format.add(cmd)
	return cmd
}

// exportTo writes the file whole or not at all.
func exportTo(ctx context.Context, store state.Store, file string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.tmp")
	if err != nil {
		return err
	}
	err = errors.Join(state.Export(ctx, store, deployment, tmp), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func newImport(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io, workers: 1, progress: "none"}, &formatFlags{}
	var key string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in what opera export wrote",
		Long: `Take in the deployment that "opera export" wrote to a file, into an instance folder or
database that has none. It can be inspected, updated and undeployed from here.

Where it has secrets, give the key of the folder that it comes from with --key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := format.check(); err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			if err := f.takeKey(cmd.Context(), key); err != nil {
				return err
			}
			in, err := f.open(true, false)
			if err != nil {
				return err
			}
			defer in.close()
			if err := state.Import(cmd.Context(), in.store, file, deployment); err != nil {
				return err
			}
			return describe(cmd.Context(), in.store, format, io, args[0])
		},
	}
	f.addPath(cmd)
	cmd.Flags().StringVar(&key, "key", "", "file with the key of the instance folder that the deployment comes from")
	format.add(cmd)
	return cmd
}

// takeKey makes a copy of a key that of the instance folder.
func (f *instanceFlags) takeKey(ctx context.Context, file string) error {
	if file == "" {
		return nil
	}
	key, err := secretKey(file, false)
	if err != nil || key == nil {
		return errors.Join(err, errIf(key == nil && err == nil, "%s is not there", file))
	}
	dir, err := f.folder(true)
	if err != nil {
		return err
	}
	own := filepath.Join(dir, keyFile)
	have, err := secretKey(own, false)
	switch {
	case err != nil:
		return err
	case bytes.Equal(have, key):
		return nil
	case have != nil && f.inUse(ctx):
		return fmt.Errorf("%s holds another key, which is in use: import into an empty folder", own)
	}
	return os.WriteFile(own, key, 0o600)
}

// inUse tells that something was deployed from the instance folder, or that
// nobody knows. An import that failed leaves an empty state and a key.
func (f *instanceFlags) inUse(ctx context.Context) bool {
	in, err := f.open(false, true)
	if err != nil {
		return !errors.Is(err, errNoState)
	}
	defer in.close()
	known, err := in.known(ctx)
	return known != nil || err != nil
}

func errIf(bad bool, format string, args ...any) error {
	if bad {
		return fmt.Errorf(format, args...)
	}
	return nil
}

// describe prints what was exported or imported.
func describe(ctx context.Context, store state.Store, format *formatFlags, io stdio, file string) error {
	d, err := store.Deployment(ctx, deployment)
	if err != nil {
		return err
	}
	runs, err := store.Runs(ctx, deployment)
	if err != nil {
		return err
	}
	instances, err := store.Instances(ctx, deployment)
	if err != nil {
		return err
	}
	return format.write(io.out, yamlx.Map{
		{Key: "file", Value: file}, {Key: "status", Value: string(d.Status)},
		{Key: "instances", Value: len(instances)}, {Key: "runs", Value: len(runs)},
	})
}
