package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func completion(cmd *cobra.Command, shell string) error {
	root := cmd.Root()
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(cmd.OutOrStdout(), true)
	case "zsh":
		return root.GenZshCompletion(cmd.OutOrStdout())
	case "fish":
		return root.GenFishCompletion(cmd.OutOrStdout(), true)
	case "tcsh":
		return tcshCompletion(cmd.OutOrStdout(), root)
	}
	return usagef("there is no completion for the shell %q; use bash, zsh, fish or tcsh", shell)
}

// completeValues lets the shell complete the values of flags that take one of
// a few, and no files where a command takes none.
func completeValues(cmd *cobra.Command) {
	formats := []string{"yaml", "json"}
	switch cmd.Name() {
	case "validate":
		formats = []string{"text", "json", "sarif"}
	case "plan":
		formats = []string{"table", "json", "dot", "mermaid"}
	case "events", "logs":
		formats = []string{"text", "json"}
	}
	var codes []string
	for _, c := range tosca.Codes() {
		codes = append(codes, c.Code)
	}
	for name, values := range map[string][]string{
		"format": formats, "explain": codes,
		"progress":         {"auto", "live", "plain", "json", "none"},
		"shell-completion": {"bash", "zsh", "fish", "tcsh"},
	} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Value.Type() == "string" {
			// It fails for unknown flags and those registered before only.
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	if !strings.Contains(cmd.Use, " ") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

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
		if len(flags) > 0 {
			rules = append(rules, fmt.Sprintf("'n/%s/(--%s)/'", cmd.Name(), strings.Join(flags, " --")))
		}
	}
	_, err := fmt.Fprintf(w, "complete %s 'p/1/(%s)/' %s\n", root.Name(), strings.Join(names, " "), strings.Join(rules, " "))
	return err
}
