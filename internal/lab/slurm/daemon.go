package slurm

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stop = syscall.SIGSTOP
	cont = syscall.SIGCONT
)

// daemon is a process that the cluster started.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// guard waits on its standard input for the word that the cluster has stopped. At
// its end without that word, since the process that held it is gone, it kills
// what belongs to the cluster and removes its folder: daemons and jobs are known
// by their SLURM_CONF; a slurmstepd, which overwrites its environment, by being
// the parent of one.
const guard = `read -r stopped && exit
for round in 1 2 3 4 5; do
	pids=$(grep -lzxsF "SLURM_CONF=$1" /proc/[0-9]*/environ | cut -d/ -f3)
	[ -n "$pids" ] || break
	for pid in $pids; do
		parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
		[ "$(cat "/proc/$parent/comm")" != slurmstepd ] || kill -KILL "$parent"
		kill -KILL "$pid"
	done
done 2>/dev/null
rm -rf -- "$2"`

// startGuard starts what ends the cluster where this process is killed.
func (c *Cluster) startGuard(context.Context) error {
	cmd := exec.Command("/bin/sh", "-c", guard, "sh", c.Conf, c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the guard: %w", err)
	}
	c.dismiss = func() {
		_, _ = io.WriteString(alive, "stopped\n")
		_ = cmd.Wait()
	}
	return nil
}

// spawn starts a daemon that does not go to the background, as another user
// where one is named. Stop ends it, or the guard.
func (c *Cluster) spawn(name string, args []string, as string) error {
	log, err := os.OpenFile(c.logFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	if !filepath.IsAbs(args[0]) {
		if path := find(args[0]); path != "" {
			cmd = exec.Command(path, args[1:]...)
		}
	}
	cmd.Env = append(os.Environ(), "SLURM_CONF="+c.Conf)
	if name == "slurmrestd" {
		cmd.Env = append(cmd.Env, "SLURM_JWT=daemon") // see slurmrestd(8)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != "" {
		id, err := account(as)
		if err != nil {
			return err
		}
		cmd.SysProcAttr.Credential = id
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	d := &daemon{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(d.ended)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemons[name] = d
	return nil
}

func account(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// find looks for a program on PATH and where servers lie.
func find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, program)
		}
	}
	return ""
}

func (c *Cluster) logFile(name string) string { return filepath.Join(c.dir, "log", name+".out") }

func (c *Cluster) daemon(name string) *daemon {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.daemons[name]
}

func (c *Cluster) running(name string) bool {
	d := c.daemon(name)
	if d == nil {
		return false
	}
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

func (c *Cluster) signal(name string, s syscall.Signal) error {
	if !c.running(name) {
		return fmt.Errorf("%s does not run", name)
	}
	return c.daemon(name).cmd.Process.Signal(s)
}

// end stops a daemon, by force where it takes too long.
func (c *Cluster) end(name string, patience time.Duration) {
	if c.signal(name, syscall.SIGTERM) != nil {
		return
	}
	_ = c.signal(name, cont)
	d := c.daemon(name)
	select {
	case <-d.ended:
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}

// killNode kills the daemon of a node and all that runs for jobs on it. The
// steps of jobs are no children of the daemon: they are known by their environment.
func (c *Cluster) killNode(node string) error {
	name := "slurmd-" + node
	if !c.running(name) {
		return fmt.Errorf("%s does not run", name)
	}
	d := c.daemon(name)
	_ = d.cmd.Process.Signal(stop) // so that it starts nothing more
	jobs := c.processesOn(node)
	_ = d.cmd.Process.Kill()
	for _, pid := range jobs {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-d.ended
	return nil
}

// processesOn returns the processes of jobs on a node, and those of Slurm that
// look after them.
func (c *Cluster) processesOn(node string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	found := map[int]bool{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !hasVariable(env, "SLURM_CONF="+c.Conf) || !hasVariable(env, "SLURMD_NODENAME="+node) {
			continue
		}
		found[pid] = true
		for p := parent(pid); p > 1 && command(p) == "slurmstepd"; p = parent(p) {
			found[p] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func hasVariable(env []byte, variable string) bool {
	return slices.Contains(strings.Split(string(env), "\x00"), variable)
}

// parent and command read proc(5): the command in parentheses may hold
// anything; the state and the parent come behind it.
func parent(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	p, _ := strconv.Atoi(fields[1])
	return p
}

func command(pid int) string {
	comm, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(comm))
}

// await waits until a condition holds.
func (c *Cluster) await(ctx context.Context, what string, patience time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if holds() {
			tick.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("%s did not come up in %s; the logs are in %s", what, patience, filepath.Join(c.dir, "log"))
		case <-tick.C:
		}
	}
}
