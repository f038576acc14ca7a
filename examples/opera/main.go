// Command opera deploys TOSCA service templates from the command line. It
// takes the command lines of xOpera and gives the same formats, and is a
// complete example of a program that embeds the module.
//
// Run "opera --help" for the commands.
//
// Exit codes: 0 success, 1 failure (of an operation, of the service template,
// or a refusal), 2 wrong use of the command line, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once: what runs may take long to stop.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// stdio is what a program reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	root := newRoot(io)
	root.SetArgs(expandFlags(root, args))
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		// What is wrong stands on the terminal already.
	case errors.As(err, &usage):
		fmt.Fprintf(io.err, "opera: %v\n", err)
		return 2
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(io.err, "opera: interrupted: nothing was changed")
	default:
		fmt.Fprintf(io.err, "opera: %s\n", message(err))
	}
	if ctx.Err() != nil {
		return 130
	}
	return 1
}

// ofDeployment is how the engine begins an error of the one deployment that
// there is, whose ID says nothing to the user.
var ofDeployment = regexp.MustCompile(`\b(deploy|undeploy|update|resume|notify|run workflow|read deployment|use deployment|cancel a run of|read the template of) ` + deployment + `: `)

// message is what is printed of an error.
func message(err error) string {
	text := ofDeployment.ReplaceAllString(err.Error(), "$1: ")
	text = strings.ReplaceAll(text, "with RerunLost", "with --rerun-lost")
	if strings.Contains(text, "the required input ") {
		text += "; give a file with the inputs: --inputs/-i FILE"
	}
	return text
}

// errInterrupted is the end of a command before it has begun.
var errInterrupted = errors.New("interrupted")

// errReported is a failure that was told where it happened.
var errReported = errors.New("failed")
