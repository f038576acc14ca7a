//go:build !unix

package local

import (
	"os"
	"os/exec"
)

// Without process groups only the script itself is stopped, not its children.

func ownGroup(*exec.Cmd)               {}
func signalOf(*os.ProcessState) string { return "" }
func tooBig(error) bool                { return false }

// group is the script's process alone, by its number.
type group int

func (g group) terminate()  { g.kill() }
func (g group) alive() bool { return false }
func (g group) kill() {
	if p, err := os.FindProcess(int(g)); err == nil {
		_ = p.Kill()
	}
}
