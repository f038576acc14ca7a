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

func terminate(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
func kill(cmd *exec.Cmd)      { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// groupAlive tells whether any process of the group is left.
func groupAlive(cmd *exec.Cmd) bool {
	return !errors.Is(syscall.Kill(-cmd.Process.Pid, 0), syscall.ESRCH)
}

func signalOf(s *os.ProcessState) string {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return script.SignalName(int(w.Signal()))
	}
	return ""
}

func busy(err error) bool   { return errors.Is(err, syscall.ETXTBSY) }
func tooBig(err error) bool { return errors.Is(err, syscall.E2BIG) }
