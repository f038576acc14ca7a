package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/spf13/cobra"
)

// formatFlags are -f/--format and -o/--output of commands that print data.
type formatFlags struct{ format, file string }

func (f *formatFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.format, "format", "f", "yaml", "output format: yaml or json")
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "write to this file instead of standard output")
}

func (f *formatFlags) check() error {
	if f.format != "yaml" && f.format != "json" {
		return usagef("there is no format %q; use yaml or json", f.format)
	}
	return nil
}

// write prints data in the chosen format to the chosen place.
func (f *formatFlags) write(stdout io.Writer, data any) error {
	var text []byte
	var err error
	if f.format == "json" {
		text, err = json.MarshalIndent(data, "", "  ")
		text = append(text, '\n')
	} else {
		text, err = yamlx.Marshal(data)
	}
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return writeTo(stdout, f.file, text)
}

// writeTo writes text to a file, or to stdout where no file is named.
func writeTo(stdout io.Writer, file string, text []byte) error {
	if file == "" {
		_, err := stdout.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
