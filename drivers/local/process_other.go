//go:build !unix

package local

import (
	"os"
	"os/exec"
)

// Without process groups only the script itself is stopped, not its children.

func ownGroup(*exec.Cmd)               {}
func terminate(cmd *exec.Cmd)          { _ = cmd.Process.Kill() }
func kill(cmd *exec.Cmd)               { _ = cmd.Process.Kill() }
func groupAlive(*exec.Cmd) bool        { return false }
func signalOf(*os.ProcessState) string { return "" }
func busy(error) bool                  { return false }
func tooBig(error) bool                { return false }
