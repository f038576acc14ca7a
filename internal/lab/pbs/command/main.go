// Command command is the commands of the imitated managers and nothing else: it
// does what its name says, as a link to it is called. Package pbs says how a test
// binary takes it in its own place.
package main

import (
	"fmt"
	"os"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

func main() {
	pbs.Main()
	fmt.Fprintln(os.Stderr, "to be called by the name of a command, as qstat")
	os.Exit(2)
}
