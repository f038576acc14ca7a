package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

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
			inputs, err := readInputs(f.inputs)
			if err != nil {
				return err
			}
			src, err := f.load(path, inputs, inputs != nil)
			if err != nil {
				return err
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

// explain prints what a diagnostic code means.
func explain(io stdio, code string) error {
	for _, c := range tosca.Codes() {
		if c.Code == code {
			_, err := fmt.Fprintf(io.out, "%s: %s\n\nFor example:\n\n  %s\n", c.Code, c.Meaning, strings.ReplaceAll(c.Example, "\n", "\n  "))
			return err
		}
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

// sourceBase is the folder that was checked, seen from the working directory:
// the files of its diagnostics are named from it. Of a lone file or an archive
// they are named as they should be.
func sourceBase(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() || filepath.IsAbs(path) {
		return ""
	}
	if path = filepath.ToSlash(filepath.Clean(path)); path == "." {
		return ""
	}
	return path
}
