package hpc

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// place is where a cluster is and how it is used, without credentials. As part of
// a handle it is stored: Env, which may hold secrets, is not.
type place struct {
	Address string            `json:"address,omitempty"` // empty for this machine
	Port    int               `json:"port,omitempty"`
	User    string            `json:"user,omitempty"`
	KeyFile string            `json:"key_file,omitempty"`
	Jump    string            `json:"jump,omitempty"`
	Login   bool              `json:"login,omitempty"`
	Kind    string            `json:"kind,omitempty"`
	Service string            `json:"service,omitempty"` // the endpoint of the manager's service
	WorkDir string            `json:"work_dir,omitempty"`
	EnvFile string            `json:"environment_file,omitempty"`
	Env     map[string]string `json:"-"`
}

// key tells places apart in this process.
func (p place) key() string {
	text, _ := json.Marshal(p) // texts and numbers: cannot fail
	if len(p.Env) == 0 {
		return string(text)
	}
	env, _ := json.Marshal(p.Env) // in order of the names
	return string(text) + string(env)
}

// cluster is a place in use: one for all deployments of the process.
type cluster struct {
	place   place
	shell   Shell
	manager Manager
	base    string // the absolute path of the folder of work directories

	mu   sync.Mutex
	jobs map[string]string // the IDs of jobs, by work directory
}

// place says where op's cluster is, and remembers its environment and credentials.
func (d *Driver) place(op *executor.Operation) (place, error) {
	node, err := clusterOf(op)
	if err != nil {
		return place{}, err
	}
	v := &values{r: node}
	p := place{Login: v.flag("login_shell"), Kind: v.text("workload_manager"), Service: v.text("endpoint"), WorkDir: v.text("work_directory"),
		EnvFile: v.text("environment_file"), Env: v.environment("environment"), Jump: v.text("jump_host")}
	if strings.ContainsFunc(p.WorkDir, unicode.IsControl) { // paths stand in lines
		v.fail("work_directory", "%q has a control character", p.WorkDir)
	}
	if v.err != nil {
		return place{}, v.err
	}
	if p.WorkDir == "" {
		p.WorkDir = ".orchestrator/jobs"
	}
	if len(p.Env) > 0 {
		d.mu.Lock()
		d.envs[op.ID] = p.Env
		d.mu.Unlock()
	}
	if op.Host.Local() {
		return p, nil
	}
	p.Address, p.Port, p.User, p.KeyFile = op.Host.Address, op.Host.Port, op.Host.User, op.Host.KeyFile
	host := d.config.Resolve(op.Host)
	if p.Jump != "" {
		if host.Jump, err = ParseJump(p.Jump); err != nil {
			return place{}, err
		}
	}
	d.mu.Lock()
	d.hosts[p.key()] = host
	d.mu.Unlock()
	return p, nil
}

// open returns the cluster at a place. In a process that has not seen one of
// its operations, credentials and the environment of the blueprint are not known:
// the configured ones are used.
func (d *Driver) open(ctx context.Context, p place) (*cluster, error) {
	key := p.key()
	d.mu.Lock()
	c, host := d.clusters[key], d.hosts[key]
	d.mu.Unlock()
	if c != nil {
		return c, nil
	}
	options := ShellOptions{LoginShell: p.Login, EnvironmentFile: p.EnvFile, Env: map[string]string{}}
	for _, env := range []map[string]string{d.config.Env, p.Env} {
		for name, value := range env {
			options.Env[name] = value
		}
	}
	var shell Shell
	if p.Address == "" {
		shell = NewLocal(options)
	} else {
		if host.Address == "" {
			host = d.config.Resolve(executor.Host{Address: p.Address, Port: p.Port, User: p.User, KeyFile: p.KeyFile})
			if p.Jump != "" {
				var err error
				if host.Jump, err = ParseJump(p.Jump); err != nil {
					return nil, err
				}
			}
		}
		shell = SSH(d.pool, host, options)
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	if p.EnvFile != "" { // which would look like a cluster without any commands
		r, err := shell.Run(ctx, Command{Args: []string{"true"}})
		if err != nil {
			return nil, err
		}
		if r.Code != 0 {
			return nil, errs.New(errs.FailedPrecondition, "use property environment_file of the cluster", shell.Name(), "%s", words(r))
		}
	}
	base, err := baseDir(ctx, shell, p.WorkDir)
	if err != nil {
		return nil, err
	}
	manager, err := p.manager(ctx, shell, d.config.Managers)
	if err != nil {
		return nil, err
	}
	c = &cluster{place: p, shell: shell, manager: manager, base: base, jobs: map[string]string{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.clusters[key]; other != nil {
		return other, nil
	}
	d.clusters[key] = c
	return c, nil
}

func (p place) manager(ctx context.Context, shell Shell, factories []Factory) (Manager, error) {
	if p.Service != "" {
		return OpenService(ctx, shell, p.Kind, p.Service, factories...)
	}
	return Open(ctx, shell, p.Kind, factories...)
}

// baseDir makes a path on a cluster absolute: a relative one lies in the home.
func baseDir(ctx context.Context, shell Shell, dir string) (string, error) {
	dir = strings.TrimPrefix(dir, "~/")
	if path.IsAbs(dir) {
		return path.Clean(dir), nil
	}
	r, err := shell.Run(ctx, Command{Args: []string{"sh", "-c", `cd && pwd -P`}})
	if err != nil {
		return "", err
	}
	home := strings.TrimSpace(string(r.Stdout))
	if r.Code != 0 || !path.IsAbs(home) {
		return "", &errs.Error{Code: errs.FailedPrecondition, Op: "find the home folder on", Subject: shell.Name(),
			Err: fmt.Errorf("%s", words(r)), Hint: "set work_directory to an absolute path"}
	}
	return path.Join(home, dir), nil
}

// words are what a command said.
func words(r Result) string {
	text := strings.TrimSpace(string(r.Stderr))
	if text == "" {
		text = strings.TrimSpace(string(r.Stdout))
	}
	if text == "" {
		text = "exit code " + strconv.Itoa(r.Code)
	}
	return text
}

func safeName(name string) string {
	name = notInName.ReplaceAllString(name, "_")
	if strings.Trim(name, ".") == "" {
		return "_"
	}
	return name
}

func (c *cluster) folder(op *executor.Operation) string {
	return path.Join(c.base, safeName(op.Deployment))
}

func (c *cluster) dir(op *executor.Operation) string { return path.Join(c.folder(op), dirName(op)) }

// find returns the ID of the job that runs in a work directory or was submitted
// for it; empty where there is none.
func (c *cluster) find(ctx context.Context, dir, tag string) (string, error) {
	c.mu.Lock()
	id := c.jobs[dir]
	c.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := Recorded(ctx, c.shell, path.Join(dir, recordFile))
	if err != nil {
		return "", err
	}
	if id == "" {
		found, err := c.manager.Find(ctx, tag)
		if err != nil {
			return "", errs.Wrap(err, "look for the job of", tag)
		}
		if len(found) > 0 {
			id = found[0]
		}
	}
	if id == "" {
		r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", `cat -- "$1"/job.owner* 2>/dev/null | head -n 1`, "sh", dir}})
		if err != nil {
			return "", err
		}
		id = strings.TrimSpace(string(r.Stdout))
	}
	if id != "" {
		c.mu.Lock()
		c.jobs[dir] = id
		c.mu.Unlock()
	}
	return id, nil
}
