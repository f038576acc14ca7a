package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/spf13/cobra"
)

func newInfo(io stdio) *cobra.Command {
	f, format := &instanceFlags{io: io}, &formatFlags{}
	cmd := &cobra.Command{
		Use:   "info [CSAR_OR_FOLDER]",
		Short: "Tell what a CSAR holds and what is deployed",
		Long: `Tell what is deployed from the instance folder, or what a CSAR (a zip, a tar or a
folder) holds where one is named.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := format.check(); err != nil {
				return err
			}
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			facts, err := f.info(cmd.Context(), path)
			if err != nil {
				return err
			}
			return format.write(io.out, facts.data())
		},
	}
	f.addPath(cmd)
	format.add(cmd)
	return cmd
}

// facts is what info prints. The order and names are xOpera's.
type facts struct {
	template, contentRoot, status any
	inputs                        any
	meta                          *csar.Meta
	name, author, version         string
	hasTemplate                   bool
	valid                         any
}

func (f *facts) data() yamlx.Map {
	var meta, template any
	if m := f.meta; m != nil {
		meta = yamlx.Map{
			{Key: "Name", Value: orNull(m.Name)}, {Key: "Content-Type", Value: orNull(m.ContentType)},
			{Key: "TOSCA-Meta-File-Version", Value: orNull(m.MetaFileVersion)}, {Key: "CSAR-Version", Value: orNull(m.CSARVersion)},
			{Key: "Created-By", Value: orNull(m.CreatedBy)}, {Key: "Entry-Definitions", Value: orNull(m.EntryDefinitions)},
		}
	}
	if f.hasTemplate {
		template = yamlx.Map{
			{Key: "template_name", Value: orNull(f.name)}, {Key: "template_author", Value: orNull(f.author)},
			{Key: "template_version", Value: orNull(f.version)},
		}
	}
	return yamlx.Map{
		{Key: "service_template", Value: f.template}, {Key: "content_root", Value: f.contentRoot},
		{Key: "inputs", Value: f.inputs}, {Key: "status", Value: f.status},
		{Key: "csar_metadata", Value: meta}, {Key: "service_template_metadata", Value: template},
		{Key: "csar_valid", Value: f.valid},
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (f *instanceFlags) info(ctx context.Context, path string) (*facts, error) {
	facts := &facts{}
	if err := f.deployedFacts(ctx, facts); err != nil {
		return nil, err
	}
	if path != "" {
		return facts, archiveFacts(path, facts)
	}
	if facts.hasTemplate {
		return facts, nil
	}
	// Like xOpera's, the working directory counts where it is a CSAR itself.
	if err := archiveFacts(".", facts); err != nil && executor.CodeOf(err) == executor.Internal {
		return nil, err
	}
	return facts, nil
}

// deployedFacts fills in what the state knows, if there is a state.
func (f *instanceFlags) deployedFacts(ctx context.Context, facts *facts) error {
	in, err := f.open(false, true)
	if errors.Is(err, errNoState) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.close()
	known, err := in.known(ctx)
	if known == nil || err != nil {
		return err
	}
	info, err := in.engine.Info(ctx, deployment)
	if err != nil {
		return err
	}
	facts.template, facts.contentRoot = orNull(known.Labels[labelTemplate]), orNull(known.Labels[labelContentRoot])
	facts.inputs, facts.status = info.Inputs, string(info.Status)
	if len(info.Inputs) == 0 {
		facts.inputs = map[string]any{}
	}
	facts.name, facts.author, facts.version, facts.hasTemplate = info.Name, info.Author, info.TemplateVersion, true
	if known.Template == "" {
		return nil
	}
	archive, err := in.deployedArchive(ctx)
	if err != nil {
		return err
	}
	if meta := archive.Meta(); meta.File != "" {
		facts.meta, facts.valid = &meta, true
	}
	return nil
}

// archiveFacts fills in what a CSAR holds.
func archiveFacts(path string, facts *facts) error {
	archive, err := csar.Open(path, nil)
	if err != nil {
		return err
	}
	defer archive.Close()
	if meta := archive.Meta(); meta.File != "" {
		facts.meta = &meta
	}
	if facts.template == nil {
		facts.template = archive.Entry()
		facts.contentRoot = path
		if abs, err := filepath.Abs(path); err == nil {
			facts.contentRoot = abs
		}
	}
	t, diags := tosca.Load(archive.FS(), archive.Entry(), &tosca.Options{Definitions: append([]string{}, archive.OtherDefinitions()...)})
	facts.valid = !diags.HasErrors()
	if t != nil {
		facts.name, facts.author, facts.version, facts.hasTemplate = t.Name, t.Author, t.TemplateVersion, true
	}
	return nil
}

func newPackage(io stdio) *cobra.Command {
	var entry, output string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "package FOLDER",
		Short: "Make a CSAR of a folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return packageFolder(io, args[0], entry, output, verbose)
		},
	}
	cmd.Flags().StringVarP(&entry, "service-template", "t", "", "path of the service template in the folder (default: the only YAML file at its root)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "name of the CSAR; \".zip\" is put behind it (default opera-package-<6 characters>.zip)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the name and digest of every file")
	return cmd
}

func newUnpackage(io stdio) *cobra.Command {
	var destination string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "unpackage CSAR",
		Short: "Unpack a CSAR (zip or tar) into a folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				return usagef("unpackage: %s is a folder already", args[0])
			}
			return unpackage(io, args[0], destination, verbose)
		},
	}
	cmd.Flags().StringVarP(&destination, "destination", "d", "", "folder to make (default opera-unpackage-<6 characters>)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the name of every file")
	return cmd
}
