package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// Options say what the cluster is made of. The zero value is good.
type Options struct {
	// Nodes is how many compute nodes there are, CPUs how many processors each
	// pretends to have. Defaults 3 and 4.
	Nodes, CPUs int
	// MinJobAge is for how many seconds an ended job is remembered by slurmctld.
	// Default 5; slurmctld purges every so often only.
	MinJobAge int
	// NoAccounting leaves out slurmdbd, so that sacct knows nothing.
	NoAccounting bool
	// NoREST leaves out slurmrestd.
	NoREST bool
	// Config are further lines of slurm.conf.
	Config []string
}

// Cluster is a running cluster. Its nodes are called n1, n2 and so on; the
// partitions are "batch" (the default) and "low", whose jobs those of batch
// preempt.
type Cluster struct {
	// Conf is the path of slurm.conf: commands find the cluster by the
	// environment variable SLURM_CONF.
	Conf string
	// REST is the address of slurmrestd, such as "http://127.0.0.1:6820"; empty
	// without it. Requests carry Token in the header X-SLURM-USER-TOKEN.
	REST string

	dir      string
	options  Options
	ports    ports
	reserved *lab.Ports // nil before they were found
	dismiss  func()     // the guard; nil before it was started

	mu      sync.Mutex
	daemons map[string]*daemon
}

// ports are those that the daemons listen on.
type ports struct {
	controller, accounting, database, rest int
	nodes                                  []int
}

// Start starts a cluster with its files in dir, which is not removed by Stop. Where
// this process ends without Stop, even by SIGKILL, the daemons and jobs are
// killed and dir is removed.
func Start(ctx context.Context, dir string, options Options) (*Cluster, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the daemons of Slurm change their user: it takes root")
	}
	if options.Nodes == 0 {
		options.Nodes = 3
	}
	if options.CPUs == 0 {
		options.CPUs = 4
	}
	if options.MinJobAge == 0 {
		options.MinJobAge = 5
	}
	c := &Cluster{dir: dir, options: options, daemons: map[string]*daemon{}, Conf: filepath.Join(dir, "etc", "slurm.conf")}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	steps := []func(context.Context) error{c.prepare, c.startGuard, c.startMunge}
	if !c.options.NoAccounting {
		steps = append(steps, c.startDatabase, c.startAccounting)
	}
	steps = append(steps, c.StartController, c.startNodes)
	if !c.options.NoREST {
		steps = append(steps, c.startREST)
	}
	for _, step := range append(steps, c.awaitNodes) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Env are the environment variables by which commands find the cluster.
func (c *Cluster) Env() map[string]string { return map[string]string{"SLURM_CONF": c.Conf} }

// Command runs a command of Slurm's and returns what it printed.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "SLURM_CONF="+c.Conf)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Token returns a JSON Web Token of root for slurmrestd.
func (c *Cluster) Token(ctx context.Context) (string, error) {
	out, err := c.Command(ctx, "scontrol", "token", "lifespan=7200")
	if err != nil {
		return "", err
	}
	_, token, ok := strings.Cut(strings.TrimSpace(out), "SLURM_JWT=")
	if !ok {
		return "", fmt.Errorf("scontrol token said %q", out)
	}
	return token, nil
}

// StartController starts slurmctld, after StopController or KillController.
func (c *Cluster) StartController(ctx context.Context) error {
	if err := c.configure(0); err != nil {
		return err
	}
	if err := c.spawn("slurmctld", []string{"slurmctld", "-D"}, ""); err != nil {
		return err
	}
	return c.await(ctx, "slurmctld", time.Minute, func() bool {
		_, err := c.Command(ctx, "scontrol", "ping")
		return err == nil
	})
}

// StopController ends slurmctld. Commands fail after a second or two until it is
// started again, not after the ten or more that are usual.
func (c *Cluster) StopController() {
	_ = c.configure(time.Second)
	c.end("slurmctld", 20*time.Second)
}

// HangController stops slurmctld without ending it: commands time out. Continue
// undoes it.
func (c *Cluster) HangController() error { return c.signal("slurmctld", stop) }

// Continue lets a hanging controller go on.
func (c *Cluster) Continue() error { return c.signal("slurmctld", cont) }

// StopAccounting ends slurmdbd; StartAccounting starts it again.
func (c *Cluster) StopAccounting() { c.end("slurmdbd", 10*time.Second) }

// StartAccounting starts slurmdbd, after StopAccounting.
func (c *Cluster) StartAccounting(ctx context.Context) error { return c.startAccounting(ctx) }

// KillNode kills the daemon of a node, such as "n2", and the jobs on it, as if
// the machine had lost power. The controller notices after half a minute or so.
func (c *Cluster) KillNode(node string) error { return c.killNode(node) }

// StartNode starts the daemon of a node, after KillNode.
func (c *Cluster) StartNode(ctx context.Context, node string) error {
	if err := c.spawn("slurmd-"+node, []string{"slurmd", "-D", "-N", node}, ""); err != nil {
		return err
	}
	return c.await(ctx, "node "+node, 60*time.Second, func() bool {
		out, err := c.Command(ctx, "sinfo", "-h", "-N", "-n", node, "-t", "idle,alloc,mix", "-o", "%N")
		return err == nil && strings.Contains(out, node)
	})
}

func (c *Cluster) startNodes(context.Context) error {
	for i := range c.options.Nodes {
		name := "n" + strconv.Itoa(i+1)
		if err := os.MkdirAll(filepath.Join(c.dir, "spool", name), 0o755); err != nil {
			return err
		}
		if err := c.spawn("slurmd-"+name, []string{"slurmd", "-D", "-N", name}, ""); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) awaitNodes(ctx context.Context) error {
	return c.await(ctx, "the nodes", 60*time.Second, func() bool {
		out, err := c.Command(ctx, "sinfo", "-h", "-N", "-p", "batch", "-t", "idle,alloc,mix", "-o", "%N")
		return err == nil && len(strings.Fields(out)) == c.options.Nodes
	})
}

// Stop cancels all jobs and ends the daemons.
func (c *Cluster) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.running("slurmctld") {
		_ = c.Continue()
		if out, err := c.Command(ctx, "squeue", "-h", "-t", "PD,R,S,CF", "-o", "%A"); err == nil && out != "" {
			_, _ = c.Command(ctx, "scancel", append([]string{"-f"}, strings.Fields(out)...)...)
			_ = c.await(ctx, "the end of the jobs", 30*time.Second, func() bool {
				out, err := c.Command(ctx, "squeue", "-h", "-t", "R,CG,S")
				return err != nil || out == ""
			})
		}
	}
	c.end("slurmrestd", 5*time.Second)
	for i := range c.options.Nodes {
		c.end("slurmd-n"+strconv.Itoa(i+1), 30*time.Second)
	}
	c.end("slurmctld", 10*time.Second)
	c.end("slurmdbd", 10*time.Second)
	c.end("mariadbd", 20*time.Second)
	c.end("munged", 5*time.Second)
	if c.dismiss != nil {
		c.dismiss()
		c.dismiss = nil
	}
	if c.reserved != nil {
		c.reserved.Close()
	}
}
