package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/spf13/cobra"
)

func newValidate(io stdio) *cobra.Command {
	f := &instanceFlags{io: io, workers: 1, progress: "none"}
	var executors bool
	var explained string
	cmd := &cobra.Command{
		Use:   "validate [TEMPLATE_OR_CSAR]",
		Short: "Check a service template or CSAR",
		Long: `Check a service template or CSAR (the folder "." where none is named) and print
all that is wrong with it. Exit code 1 if it cannot be deployed; warnings alone
give 0.

With --format json or sarif the faults go to standard output: JSON as
{"valid": BOOL, "diagnostics": [...]}, SARIF 2.1.0 for editors and code hosts.
--explain CODE tells what a code in brackets means.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch f.diagnostics {
			case "text", "json", "sarif":
			default:
				return usagef("there is no format %q; use text, json or sarif", f.diagnostics)
			}
			if explained != "" {
				return explain(io, explained)
			}
			path := "."
			if len(args) == 1 {
				path = args[0]
			}
			if _, err := f.readInputs(); err != nil {
				return err
			}
			src, err := f.load(cmd.Context(), path)
			if err != nil {
				return f.unreadable(path, err)
			}
			defer src.archive.Close()
			if executors {
				return f.checkPlaybooks(cmd.Context(), src)
			}
			return nil
		},
	}
	f.addPath(cmd)
	f.addInputs(cmd)
	f.addImports(cmd)
	cmd.Flags().StringVarP(&f.diagnostics, "format", "f", "text", "how to print what is wrong: text, json or sarif")
	cmd.Flags().StringVar(&explained, "explain", "", "tell what a code means, and check nothing")
	cmd.Flags().BoolVarP(&executors, "executors", "e", false, "check the syntax of the playbooks, too, by ansible-playbook --syntax-check")
	return cmd
}

// unreadable tells programs of an archive or file that cannot be opened as of
// every other fault.
func (f *instanceFlags) unreadable(path string, err error) error {
	if f.diagnostics == "text" || errors.Is(err, errReported) || errors.Is(err, errInterrupted) {
		return err
	}
	d := &tosca.Diagnostic{Severity: tosca.Error, Code: "unreadable-file", Summary: err.Error()}
	archive, _ := errors.AsType[*csar.Error](err)
	if info, statErr := os.Stat(path); statErr != nil || !info.IsDir() {
		d.Range.File = filepath.ToSlash(path)
	} else if archive != nil && archive.File != "" {
		d.Range.File = filepath.ToSlash(filepath.Join(path, archive.File))
		if archive.Line > 0 {
			d.Range.Start, d.Range.End = tosca.Pos{Line: archive.Line, Column: 1}, tosca.Pos{Line: archive.Line, Column: 1}
		}
	}
	return errors.Join(errReported, f.printDiagnostics(nil, path, tosca.Diagnostics{d}))
}

// explain prints what a diagnostic code means.
func explain(io stdio, code string) error {
	var near []string
	for _, c := range tosca.Codes() {
		if c.Code == code {
			see := ""
			if len(c.Sections) > 0 {
				see = "\nSee " + strings.Join(c.Sections, ", ") + ".\n"
			}
			_, err := fmt.Fprintf(io.out, "%s: %s\n\nFor example:\n\n  %s\n%s", c.Code, c.Meaning, strings.ReplaceAll(c.Example, "\n", "\n  "), see)
			return err
		}
		if strings.Contains(c.Code, code) {
			near = append(near, c.Code)
		}
	}
	if len(near) > 0 && len(near) < 10 {
		return usagef("there is no code %q; there are %s", code, strings.Join(near, ", "))
	}
	return usagef("there is no code %q; codes stand in brackets at the end of a message", code)
}

func writeDiagnosticsJSON(w io.Writer, diags tosca.Diagnostics) error {
	if diags == nil {
		diags = tosca.Diagnostics{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Valid       bool              `json:"valid"`
		Diagnostics tosca.Diagnostics `json:"diagnostics"`
	}{!diags.HasErrors(), diags})
}

// sourceBase is the folder that the files of diagnostics are named from, as
// it was written: the folder that was checked, or that of a lone file outside
// the working directory. It is empty for the working directory, and for an
// archive file, whose files are named as in it.
func sourceBase(archive *csar.Archive, path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil || archive == nil:
		return ""
	case info.IsDir():
	case filepath.Base(path) == filepath.Base(filepath.FromSlash(archive.Entry())) && rootFor(path) == "":
		path = filepath.Dir(path)
	default:
		return ""
	}
	if path = filepath.ToSlash(filepath.Clean(path)); path == "." {
		return ""
	}
	return path
}
