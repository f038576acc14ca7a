package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/local"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/drivers/torque"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// jumpVariable names the hosts to go through to all others, as ssh -J takes them.
const jumpVariable = "OPERA_SSH_JUMP_HOST"

// drivers are all that work without further configuration. The environment
// variables are xOpera's, and jumpVariable.
func (f *instanceFlags) drivers() ([]executor.Driver, func(), error) {
	playbooks, err := f.playbooks()
	if err != nil {
		return nil, nil, err
	}
	connect := transport.Config{}.FromEnvironment(os.Getenv)
	if jump := os.Getenv(jumpVariable); jump != "" {
		if connect.Jump, err = hpc.ParseJump(jump); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", jumpVariable, err)
		}
	}
	hosts := ssh.New(ssh.Config{Transport: connect, Logger: f.logger()})
	// Results of jobs are fetched into the folder "results" of the working directory.
	jobs := hpc.New(hpc.Config{Managers: []hpc.Factory{slurm.Factory(), torque.Factory()},
		Transport: connect, Logger: f.logger()})
	return []executor.Driver{executor.Sync(playbooks), jobs, local.New(local.Config{}), hosts}, func() {
		_ = jobs.Close()
		playbooks.Close()
		hosts.Close()
	}, nil
}

func (f *instanceFlags) playbooks() (*ansible.Driver, error) {
	var args []string
	if jump := os.Getenv(jumpVariable); jump != "" {
		args = []string{"-J", jump}
	}
	return ansible.New(ansible.Config{
		SSHArgs: args,
		User:    os.Getenv("OPERA_SSH_USER"), KeyFile: os.Getenv("OPERA_SSH_IDENTITY_FILE"),
		InsecureIgnoreHostKey: ignoreHostKeys(), Logger: f.logger(),
	})
}

func ignoreHostKeys() bool {
	return strings.HasPrefix(strings.ToLower(os.Getenv("OPERA_SSH_HOST_KEY_CHECKING")), "f")
}

func (f *instanceFlags) logger() hclog.Logger {
	if !f.verbose {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Name: "opera", Output: f.io.err, Level: hclog.Info})
}

// checkPlaybooks has Ansible check the syntax of every playbook that
// implements an operation. All faults are told, not just the first.
func (f *instanceFlags) checkPlaybooks(ctx context.Context, src *source) error {
	playbooks, err := f.playbooks()
	if err != nil {
		return err
	}
	defer playbooks.Close()
	failed := false
	check := func(node *tosca.NodeTemplate, rel *tosca.RelationshipTemplate, interfaces []*tosca.Interface) {
		for _, i := range interfaces {
			for _, operation := range i.Operations {
				op := executor.NewOperation(src.archive.FS(), node, rel, operation)
				if op.Primary == nil || !playbooks.Accepts(op) {
					continue
				}
				if err := playbooks.SyntaxCheck(ctx, op); err != nil {
					failed = true
					fmt.Fprintf(f.io.err, "opera: %s: %s.%s: %v\n", node.Name, i.Name, operation.Name, err)
				}
			}
		}
	}
	for _, node := range src.template.Nodes {
		if node.Index > 0 {
			continue // the same operations as those of the first representation
		}
		check(node, nil, node.Interfaces)
		for _, r := range node.Requirements {
			check(node, r.Relationship, r.Relationship.Interfaces)
		}
	}
	if failed {
		return errReported
	}
	return nil
}
