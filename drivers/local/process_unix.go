//go:build unix

package local

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
)

// ownGroup makes the command the leader of a process group of its own.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// group is a process group, by the number of its leader.
type group int

func (g group) terminate() { _ = syscall.Kill(-int(g), syscall.SIGTERM) }
func (g group) kill()      { _ = syscall.Kill(-int(g), syscall.SIGKILL) }

// alive tells whether any process of the group is left.
func (g group) alive() bool { return !errors.Is(syscall.Kill(-int(g), 0), syscall.ESRCH) }

func signalOf(s *os.ProcessState) string {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return script.SignalName(int(w.Signal()))
	}
	return ""
}

func tooBig(err error) bool { return errors.Is(err, syscall.E2BIG) }
