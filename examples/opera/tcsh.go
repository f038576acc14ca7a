package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tcshCompletion writes what tcsh's complete command needs: the commands in
// the first place, their flags behind them. Cobra knows every shell but this.
func tcshCompletion(w io.Writer, root *cobra.Command) error {
	var names, rules []string
	for _, cmd := range root.Commands() {
		if cmd.Hidden {
			continue
		}
		names = append(names, cmd.Name())
		var flags []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
		rules = append(rules, fmt.Sprintf("'n/%s/(--%s)/'", cmd.Name(), strings.Join(flags, " --")))
	}
	_, err := fmt.Fprintf(w, "complete %s 'p/1/(%s)/' %s\n", root.Name(), strings.Join(names, " "), strings.Join(rules, " "))
	return err
}
