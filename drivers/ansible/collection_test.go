//go:build unix

package ansible_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/ansible"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

// jobTasks submit a job that is held, release it, wait for its end and submit
// another, which they cancel.
const jobTasks = `
    - sodalite.hpc.PREFIXjob:
        job_name: counted
        job_src: count.sh
        job_workspace: "{{ folder }}"
        wall_time_limit: 1-2
        node_count: 1
        process_count_per_node: 2
        request_gpus: 0
        email_address: ""
        request_event_notification: [none]
        job_options: "{{ hold }}"
        keep_job_script: false
      register: held
    - sodalite.hpc.PREFIXjob: {job_id: "{{ held.jobs[0].job_id }}", state: paused}
      register: paused
    - sodalite.hpc.PREFIXjob: {job_id: "{{ held.jobs[0].job_id }}"}
      register: released
    - sodalite.hpc.PREFIXjob_info: {job_id: "{{ held.jobs[0].job_id }}"}
      register: ended
      until: ended.jobs[0].job_state in ['COMPLETED', 'FAILED']
      retries: 300
      delay: 0.2
    - sodalite.hpc.PREFIXjob:
        job_name: endless
        job_contents: sleep 3600
        job_workspace: "{{ folder }}"
        wall_time_limit: 00:30:00
      register: endless
    - sodalite.hpc.PREFIXjob: {job_id: "{{ endless.jobs[0].job_id }}", state: cancelled}
      register: cancelled
    - sodalite.hpc.PREFIXjob: {job_id: "{{ endless.jobs[0].job_id }}", state: cancelled}
      register: again
    - sodalite.hpc.PREFIXjob:
        job_name: several
        job_contents: exit 0
        job_workspace: "{{ folder }}"
        job_array: 1-2
        keep_job_script: false
      register: several
    - sodalite.hpc.PREFIXjob_info: {job_id: "{{ several.jobs[0].job_id }}"}
      register: tasks
      until: tasks.jobs | map(attribute='job_state') | unique == ['COMPLETED']
      retries: 300
      delay: 0.2
    - sodalite.hpc.PREFIXjob_info: {job_id: "99999"}
      register: unknown
      ignore_errors: true
    - set_stats:
        data:
          held: "{{ held.jobs[0] }}"
          paused: "{{ paused.changed }}"
          released: "{{ released.changed }}"
          ended: "{{ ended.jobs[0] }}"
          cancelled: "{{ [cancelled.changed, cancelled.jobs[0].job_state] }}"
          again: "{{ again.changed }}"
          tasks: "{{ tasks.jobs | map(attribute='job_name') | unique | list }}"
          unknown: "{{ unknown.msg }}"
`

// TestJobModules runs the modules of the collection sodalite.hpc against a real
// Slurm and the imitation of Torque.
func TestJobModules(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a Slurm cluster")
	}
	t.Parallel()
	managers := []struct {
		name, prefix, hold, held, walltime, cancelled, unknown string
		env                                                    func(t *testing.T) map[string]string
	}{
		{"slurm", "", "#SBATCH --hold", "PENDING", "1-02:00:00", "CANCELLED", "Invalid job id",
			func(t *testing.T) map[string]string { return startSlurm(t).Env() }},
		{"torque", "torque_", "#PBS -h", "SUSPENDED", "26:00:00", "FAILED", "Unknown Job Id",
			func(t *testing.T) map[string]string { return pbs.Start(t, pbs.Options{QdelFailures: 1}).Env() }},
	}
	for _, m := range managers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			server := lab.SSHD(t, lab.SSHDOptions{Env: m.env(t)})
			op := operation(files("p.yml", playbook(strings.ReplaceAll(jobTasks, "PREFIX", m.prefix)),
				"count.sh", "#!/bin/sh\ncd \"${PBS_O_WORKDIR:-.}\" # Torque begins in the home\nfor i in 1 2 3; do echo sheep $i; done > sheep\nexit 3\n"), "p.yml")
			op.Artifacts = []*executor.File{{Path: "count.sh"}}
			folder := t.TempDir()
			op.Inputs = map[string]any{"folder": folder, "hold": m.hold}
			op.Host = executor.Host{Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile}
			got, err := newDriver(t, ansible.Config{KnownHosts: server.KnownHosts}).Run(t.Context(), op)
			require.NoError(t, err)

			require.Subset(t, got["held"], map[string]any{"job_name": "counted", "job_state": m.held, "work_dir": folder})
			limit, _ := got["held"].(map[string]any)["raw_output"].(map[string]any)
			require.Contains(t, []any{limit["time_limit"], limit["resource_list.walltime"]}, m.walltime)
			require.Equal(t, false, got["paused"], "it is held already")
			require.Equal(t, true, got["released"])
			require.Subset(t, got["ended"], map[string]any{"job_state": "FAILED", "exit_code": "3:0"})
			require.Equal(t, []any{true, m.cancelled}, got["cancelled"])
			require.Equal(t, false, got["again"])
			names, _ := got["tasks"].([]any)
			require.Equal(t, "several", names[0])
			for _, name := range names {
				require.Contains(t, name, "several", "no other jobs")
			}
			require.Contains(t, got["unknown"], m.unknown)

			sheep, err := os.ReadFile(filepath.Join(folder, "sheep"))
			require.NoError(t, err)
			require.Equal(t, "sheep 1\nsheep 2\nsheep 3\n", string(sheep))
			scripts, err := filepath.Glob(filepath.Join(folder, "*.sh"))
			require.NoError(t, err)
			require.Len(t, scripts, 1, "the one of the job that keeps it: %v", scripts)
		})
	}
}

// TestSettingsOfCollectionsStay has no variable of ours hide a setting in a file.
func TestSettingsOfCollectionsStay(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "site.cfg")
	require.NoError(t, os.WriteFile(config, []byte("[defaults]\ncollections_path = /srv/collections\n"), 0o600))
	d := newDriver(t, ansible.Config{Env: map[string]string{"ANSIBLE_CONFIG": config, "ANSIBLE_COLLECTIONS_PATH": "", "ANSIBLE_COLLECTIONS_PATHS": ""}})
	got, err := d.Run(t.Context(), operation(files("p.yml", playbook(`
    - set_stats: {data: {collections: "{{ lookup('config', 'COLLECTIONS_PATHS') }}"}}
`)), "p.yml"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"collections": []any{"/srv/collections"}}, got)
}
