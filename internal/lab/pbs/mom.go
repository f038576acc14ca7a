package pbs

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// supervise starts the process that runs a job and outlives the command.
func supervise(dir string, j *job) {
	self, err := os.Executable()
	if err != nil {
		return
	}
	cmd := &exec.Cmd{Path: self, Args: []string{"pbs_mom", dir, j.id()}, Env: os.Environ(), Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if cmd.Start() == nil {
		_ = cmd.Process.Release()
	}
}

// mom runs one job: "pbs_mom FOLDER ID".
func mom(args []string) int {
	if len(args) != 2 {
		return 2
	}
	dir, id := args[0], args[1]
	told := make(chan os.Signal, 4)
	signal.Notify(told, syscall.SIGTERM) // qdel and qrerun
	var mine job
	var options Options
	var cmd *exec.Cmd
	err := with(dir, func(s *state) {
		j := s.find(id)
		if j == nil || j.State != "R" {
			return
		}
		options = s.Options
		if j.Deleted || j.Requeue || s.Closed { // before it has begun
			finish(s, j, 0)
		} else if cmd = launch(dir, j, options.Flavour); cmd != nil {
			j.Process = cmd.Process.Pid
			j.Supervisor = os.Getpid()
		} else {
			finish(s, j, -1)
		}
		mine = *j
	})
	if err != nil || cmd == nil {
		return 1
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	limit := time.NewTimer(mine.Walltime)
	defer limit.Stop()
	var kill <-chan time.Time
	over := false
	for {
		select {
		case <-ended:
			code := exitStatus(cmd.ProcessState)
			_ = with(dir, func(s *state) {
				if j := s.find(id); j != nil {
					j.Over = over
					finish(s, j, code)
				}
			})
			return 0
		case <-told:
			_ = syscall.Kill(-mine.Process, syscall.SIGTERM)
			_ = syscall.Kill(-mine.Process, syscall.SIGCONT)
			kill = time.After(options.KillDelay)
		case <-limit.C:
			over = true
			_ = syscall.Kill(-mine.Process, syscall.SIGTERM)
			kill = time.After(options.KillDelay)
		case <-kill:
			_ = syscall.Kill(-mine.Process, syscall.SIGKILL)
		}
	}
}

// exitStatus is that of the shell that runs the script: 128 and the signal that
// ended it.
func exitStatus(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}

// launch starts the script of a job in a process group of its own.
func launch(dir string, j *job, flavour Flavour) *exec.Cmd {
	script := filepath.Join(dir, fmt.Sprintf("%s.SC", strings.NewReplacer("[", "-", "]", "").Replace(j.id())))
	if os.WriteFile(script, []byte(j.Script), 0o700) != nil {
		return nil
	}
	output, err := os.Create(j.outputFile(flavour))
	if err != nil {
		output, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil
	}
	defer output.Close()
	words := strings.Fields(j.Shell)
	cmd := exec.Command(words[0], append(words[1:], script)...)
	cmd.Dir = j.InitDir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = append(os.Environ(), j.Variables...)
	cmd.Env = append(cmd.Env, "PBS_JOBID="+j.id(), "PBS_JOBNAME="+j.Name, "PBS_QUEUE="+j.Queue, "PBS_ENVIRONMENT=PBS_BATCH")
	if j.Index >= 0 && flavour == Torque {
		cmd.Env = append(cmd.Env, fmt.Sprintf("PBS_ARRAYID=%d", j.Index))
	} else if j.Index >= 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("PBS_ARRAY_INDEX=%d", j.Index), fmt.Sprintf("PBS_ARRAY_ID=%d[].%s", j.Number, server))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Start() != nil {
		return nil
	}
	return cmd
}

func (j *job) outputFile(flavour Flavour) string {
	path := j.Output
	if path == "" {
		path = filepath.Join(j.WorkDir, fmt.Sprintf("%s.o%d", j.Name, j.Number))
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(j.WorkDir, path)
	}
	switch {
	case j.Index < 0:
		return path
	case flavour == Torque:
		return fmt.Sprintf("%s-%d", path, j.Index)
	}
	return fmt.Sprintf("%s.%d", path, j.Index)
}

// finish writes down how a job ended, or queues it again.
func finish(s *state, j *job, code int) {
	now := time.Now()
	j.Process, j.Supervisor, j.Changed = 0, 0, now
	if j.Requeue {
		j.Requeue, j.State, j.Substate = false, "Q", 10
		return
	}
	j.State, j.Ended = "C", now
	torque := s.Options.Flavour == Torque
	word := "finished"
	j.Substate = 92
	switch {
	case j.Deleted:
		code, j.Substate, word = 271, 91, "terminated by "+j.Owner+"@"+server
	case j.Over && torque:
		code = -11
	case j.Over:
		code, j.Substate, word = -29, 93, "exceeded resource walltime"
	case code != 0:
		j.Substate, word = 93, "failed"
	}
	if !torque {
		j.Comment += " and " + word
	}
	j.Exit = &code
}
