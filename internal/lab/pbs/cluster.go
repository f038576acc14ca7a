package pbs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Flavour is the manager that is imitated.
type Flavour string

// The flavours.
const (
	Torque  Flavour = "torque"
	OpenPBS Flavour = "openpbs"
)

// Options say how a cluster behaves. The zero value is a Torque.
type Options struct {
	// Flavour. Default: Torque.
	Flavour Flavour
	// Slots is how many processors its one node has. Default: 4.
	Slots int
	// KeepCompleted is how long Torque remembers ended jobs. Default: 10 min.
	KeepCompleted time.Duration
	// NoHistory makes OpenPBS forget jobs at their end, and answer no question with
	// -x: what it does unless job_history_enable is set.
	NoHistory bool
	// KillDelay is the time between SIGTERM and SIGKILL. Default: 1 s.
	KillDelay time.Duration
	// QdelFailures is how many times qdel of a running job fails before it works.
	QdelFailures int
	// Unprivileged makes who runs the commands no operator.
	Unprivileged bool
	// Down makes all commands fail as without a server.
	Down bool
	// BrokenJSON makes OpenPBS print JSON that is none, as old releases do where
	// a user's variable has a quotation mark.
	BrokenJSON bool
}

// environment is the variable that names the cluster's folder to the commands.
const environment = "LAB_PBS"

// programVariable is the variable that names a program to be the commands in the place
// of the test's own binary, which starts slowly with the race detector.
const programVariable = "LAB_PBS_PROGRAM"

// Cluster is a running imitation.
type Cluster struct {
	// Dir is its folder; Bin, within, holds the commands.
	Dir, Bin string
}

// Start makes a cluster for a test and ends its jobs with the test.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c := &Cluster{Dir: dir, Bin: filepath.Join(dir, "bin")}
	program, err := os.Getenv(programVariable), error(nil)
	if program == "" {
		program, err = os.Executable()
	}
	if err == nil {
		err = os.Mkdir(c.Bin, 0o755)
	}
	for name := range commands {
		if err == nil {
			err = os.Symlink(program, filepath.Join(c.Bin, name))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if options.Flavour == "" {
		options.Flavour = Torque
	}
	if options.Slots == 0 {
		options.Slots = 4
	}
	if options.KeepCompleted == 0 {
		options.KeepCompleted = 10 * time.Minute
	}
	if options.KillDelay == 0 {
		options.KillDelay = time.Second
	}
	c.Change(t, func(o *Options) { *o = options })
	t.Cleanup(c.stop)
	return c
}

// Env returns the variables that a shell needs to find the commands. The race
// detector lets a program sleep for a second at its end, where it is not told otherwise.
func (c *Cluster) Env() map[string]string {
	return map[string]string{"PATH": c.Bin + ":/usr/local/bin:/usr/bin:/bin", environment: c.Dir, "GORACE": "atexit_sleep_ms=0"}
}

// Change changes how the cluster behaves.
func (c *Cluster) Change(t testing.TB, change func(*Options)) {
	t.Helper()
	err := with(c.Dir, func(s *state) { change(&s.Options) })
	if err != nil {
		t.Fatal(err)
	}
}

// Submitted returns how many jobs were ever submitted.
func (c *Cluster) Submitted(t testing.TB) int {
	t.Helper()
	n := 0
	if err := with(c.Dir, func(s *state) { n = s.Next }); err != nil {
		t.Fatal(err)
	}
	return n
}

// stop ends the jobs and lets nothing start any more.
func (c *Cluster) stop() {
	_ = with(c.Dir, func(s *state) {
		s.Closed = true
		for _, j := range s.Jobs {
			if j.Process > 0 && j.running() {
				_ = syscall.Kill(-j.Process, syscall.SIGKILL)
			}
		}
	})
	// The supervisors write their last word before the folder goes, those too that
	// have only just been started.
	for range 3000 {
		busy := false
		_ = with(c.Dir, func(s *state) {
			for _, j := range s.Jobs {
				busy = busy || j.running()
			}
		})
		if !busy {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
