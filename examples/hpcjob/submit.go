package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// submission is the flags of submit that are not fields of a JobSpec as they are.
type submission struct {
	spec                                  hpc.JobSpec
	walltime, memory, memoryPerCPU, begin string
	array, image, dir                     string
	limit                                 int
	after, binds, env                     []string
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (p *program) submit() *cobra.Command {
	s := &submission{}
	cmd := &cobra.Command{Use: "submit [flags] SCRIPT [ARGUMENT...] | -- COMMAND [ARGUMENT...]",
		Short: "Submit a job script, or a command of the cluster, and print the job's ID",
		Long: `Submit a job script, or behind "--" a command of the cluster, and print the job's
ID. Directives in the script (#SBATCH, #PBS) count where no flag says otherwise.
The job runs in a folder of its own below .orchestrator/jobs in the home, or in
--chdir, and leaves its output there.`}
	s.flags(cmd.Flags())
	cmd.Flags().SetInterspersed(false) // what follows the script is the script's
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("name a job script, or a command behind --")
		}
		if err := s.program(args, cmd.ArgsLenAtDash() == 0); err != nil {
			return err
		}
		if err := s.parse(); err != nil {
			return &usageError{err}
		}
		return p.with(cmd.Context(), func(ctx context.Context, shell hpc.Shell, m hpc.Manager) error {
			var err error
			if s.spec.WorkDir, err = s.folder(ctx, shell); err != nil {
				return err
			}
			s.spec.EnvironmentFile = p.environment
			id, err := m.Submit(ctx, hpc.Rendered(&s.spec))
			if err != nil {
				return err
			}
			if p.json {
				return p.print(map[string]string{"id": id, "work_dir": s.spec.WorkDir})
			}
			fmt.Fprintln(p.out, id)
			return nil
		})
	}
	return cmd
}

func (s *submission) flags(f *pflag.FlagSet) {
	j := &s.spec
	f.StringVar(&j.Name, "name", "", "name of the job (default that of the script or command)")
	f.IntVar(&j.Nodes, "nodes", 0, "number of nodes")
	f.IntVar(&j.Tasks, "tasks", 0, "number of processes altogether")
	f.IntVar(&j.TasksPerNode, "tasks-per-node", 0, "number of processes on each node")
	f.IntVar(&j.CPUsPerTask, "cpus-per-task", 0, "cores of each process")
	f.IntVar(&j.GPUs, "gpus", 0, "GPUs on each node")
	f.StringVar(&j.GPUType, "gpu-type", "", "the manager's word for their kind")
	f.StringVar(&s.memory, "memory", "", "memory of each node, such as 4GiB")
	f.StringVar(&s.memoryPerCPU, "memory-per-cpu", "", "memory for each core")
	f.StringVar(&s.walltime, "walltime", "", "how long it may run, such as 01:30:00")
	f.StringVar(&j.Queue, "queue", "", "queue or partition")
	f.StringVar(&j.Account, "account", "", "account")
	f.StringVar(&j.QOS, "qos", "", "quality of service")
	f.StringVar(&j.Reservation, "reservation", "", "reservation to run in")
	f.StringVar(&j.Constraint, "constraint", "", "features that the nodes must have")
	f.StringSliceVar(&j.NodeList, "node", nil, "node that it must have; may be given several times")
	f.BoolVar(&j.Exclusive, "exclusive", false, "share the nodes with no other job")
	f.StringVar(&s.array, "array", "", "indexes of an array, such as 0-9")
	f.IntVar(&s.limit, "array-limit", 0, "how many tasks of the array may run at once")
	f.StringVar(&s.begin, "begin", "", "earliest start, such as 2030-01-31T12:00:00Z, or after a while, such as 2h")
	f.StringArrayVar(&s.after, "after", nil, "job that must have completed, or KIND:ID with a kind such as afterany; may be given several times")
	f.StringArrayVar(&j.Modules, "module", nil, "module to load; may be given several times")
	f.StringArrayVar(&s.env, "env", nil, "variable of the job, as NAME=VALUE; may be given several times")
	f.StringVar(&s.image, "container", "", "image of the container to run in")
	f.StringArrayVar(&s.binds, "bind", nil, "folder to show in the container, such as /data:/mnt; may be given several times")
	f.StringVar(&j.Mail, "mail", "", "whom to tell of the job's end")
	f.StringSliceVar(&j.MailOn, "mail-on", []string{"end", "fail"}, "what to tell of: begin, end, fail")
	f.StringVar(&s.dir, "chdir", "", "folder on the cluster to run in (default a new one)")
	f.StringVar(&j.Stdout, "output", "", "file for the output in that folder (default stdout)")
	f.StringVar(&j.Stderr, "error", "", "file for the standard error (default stderr)")
	f.BoolVar(&j.Requeue, "requeue", false, "the manager may start it anew when a node fails")
	f.BoolVar(&j.Hold, "hold", false, "submit it held")
	f.StringArrayVar(&j.Options, "option", nil, "further option of sbatch or qsub, as it is; may be given several times")
}

// program sets what the job runs and what it is called.
func (s *submission) program(args []string, command bool) error {
	if command {
		s.spec.Command = args
	} else {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		s.spec.Script, s.spec.Arguments = string(text), args[1:]
	}
	if s.spec.Name == "" {
		s.spec.Name = filepath.Base(args[0])
	}
	return nil
}

// parse reads the flags that are more than a word or number.
func (s *submission) parse() (err error) {
	if s.walltime != "" {
		if s.spec.Walltime, err = hpc.ParseWalltime(s.walltime); err != nil {
			return err
		}
	}
	if s.memory != "" {
		if s.spec.Memory, err = hpc.ParseMemory(s.memory); err != nil {
			return err
		}
	}
	if s.memoryPerCPU != "" {
		if s.spec.MemoryPerCPU, err = hpc.ParseMemory(s.memoryPerCPU); err != nil {
			return err
		}
	}
	if s.begin != "" {
		if wait, err := time.ParseDuration(s.begin); err == nil {
			s.spec.Begin = time.Now().Add(wait)
		} else if s.spec.Begin, err = time.Parse(time.RFC3339, s.begin); err != nil {
			return fmt.Errorf("--begin %s is neither a time such as 2030-01-31T12:00:00Z nor a while such as 2h", s.begin)
		}
	}
	for _, variable := range s.env {
		name, value, given := strings.Cut(variable, "=")
		if !given || !variableName.MatchString(name) {
			return fmt.Errorf("--env %s is not such as NAME=VALUE", variable)
		}
		if s.spec.Env == nil {
			s.spec.Env = map[string]string{}
		}
		s.spec.Env[name] = value
	}
	if s.spec.Mail == "" {
		s.spec.MailOn = nil
	}
	if s.array != "" {
		s.spec.Array = &hpc.Array{Indexes: s.array, Limit: s.limit}
	}
	if s.image != "" {
		s.spec.Container = &hpc.Container{Image: s.image, Binds: s.binds}
	}
	for _, after := range s.after {
		d := hpc.Dependency{Kind: hpc.AfterOK, Job: after}
		if kind, id, given := strings.Cut(after, ":"); given {
			d.Kind, d.Job = hpc.DependencyKind(kind), id
		}
		s.spec.Dependencies = append(s.spec.Dependencies, d)
	}
	return nil
}

// folder is where the job runs: an absolute path on the cluster. The job itself
// could not start in a folder that is not there.
func (s *submission) folder(ctx context.Context, shell hpc.Shell) (string, error) {
	if path.IsAbs(s.dir) {
		return s.dir, nil
	}
	script := `cd && mkdir -p .orchestrator/jobs && cd "$(mktemp -d "$PWD/.orchestrator/jobs/job.XXXXXXXX")" && pwd`
	if s.dir != "" {
		script = `cd && cd -- "$1" && pwd`
	}
	r, err := shell.Run(ctx, hpc.Command{Args: []string{"sh", "-c", script, "sh", s.dir}})
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("find the folder of the job: %s", strings.TrimSpace(string(r.Stderr)))
	}
	return strings.TrimSpace(string(r.Stdout)), err
}
