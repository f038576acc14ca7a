// Package ansible runs the Ansible playbooks of a blueprint, on this machine
// and on hosts reached by SSH.
//
// # What a playbook sees
//
// Each operation gets a folder of its own, the playbook's working directory.
// The playbook, the implementation's dependencies and the node's artifacts are
// copied there by their base names (folders whole), so a playbook says
// "template: src=site.conf.j2" for the artifact "files/site.conf.j2". A later
// file replaces an earlier one of the same base name; the order is playbook,
// dependencies, artifacts.
//
// The inventory has one host, named "opera"; playbooks say "hosts: all". The
// operation's inputs are extra variables and keep their types. Nothing else is
// defined.
//
// What the playbook gives to set_stats (without per_host) is what the operation
// returns. Strings stay as Ansible renders them.
//
// This is the protocol of xOpera, whose blueprints run unchanged. One thing
// differs: the keys of SSH hosts are checked. Config.InsecureIgnoreHostKey is xOpera's way.
//
// # How it runs
//
// Starting Python and importing Ansible takes most of the time of a small
// playbook. A Driver does it once: it keeps a Python process that has Ansible
// loaded and forks it for each playbook. The process starts with the first
// playbook and ends with Driver.Close, or with this program, however that ends.
// Where Ansible cannot be loaded in this way, and with Config.NoPreload, each
// playbook has its own ansible-playbook process.
//
// # After a crash
//
// Ansible leaves no outcome behind. When this program is killed, its playbooks
// end with the preloaded process; one that has a process of its own may go on.
// Recover waits for the end of that, so that a playbook does not run twice at
// once, and tells that the outcome is lost. Most playbooks may be run again:
// the metadata "rerunnable: true" of the node template says so to the engine.
//
// The inputs are removed from the disk when the first play begins. What killed
// programs have left in the folder for temporary files is removed by Recover, and
// by the first playbook of the next Driver.
//
// # What is reported
//
// What plays and tasks do is reported by a callback plugin that is part of this
// package; Ansible's collections (ansible.posix) are not needed. It works with
// ansible-core 2.14 and newer.
//
// # Jobs of Slurm and Torque from playbooks
//
// Blueprints of SODALITE (types sodalite.nodes.hpc.*) submit and watch jobs from
// playbooks, and run unchanged. What they rely on:
//
//   - A playbook adds the cluster to the inventory with add_host, with address,
//     user and key of its own. Config does not reach such hosts, except through
//     Config.Env: ANSIBLE_REMOTE_PORT where their SSH does not listen on port 22,
//     ANSIBLE_SSH_EXTRA_ARGS for a jump host or a file of known hosts. SODALITE's
//     playbooks themselves give up checking the host's key.
//   - They watch a job by a task with until, async and poll, and then ask
//     async_status for it, which Ansible has forgotten by then; a plugin of
//     this package keeps it. Where HOME of the remote session is not
//     the account's home, async tasks need ANSIBLE_ASYNC_DIR in Config.Env.
//   - The collection sodalite.hpc with its modules job and job_info, slurm_job,
//     torque_job, slurm_job_info and torque_job_info comes with this package, in
//     an implementation of its own. One that is installed in Ansible's folders is
//     used instead; other collections are installed there as usual (ansible-galaxy
//     collection install, or ANSIBLE_COLLECTIONS_PATH). Where the file named by
//     ANSIBLE_CONFIG sets collections_path, ours is not there.
//   - Modules of the blueprint's own lie in a folder "library" that the
//     implementation lists among its dependencies.
//   - Such a watch ends with COMPLETED or FAILED (Torque: C) only: for a job that
//     was cancelled, or that the manager forgets between two looks (MinJobAge of
//     Slurm, keep_completed of Torque), it goes on to the end of the time limit.
//     A playbook occupies a worker of the engine all that time. SODALITE's types
//     also leave jobs alone at undeploy, where no stop operation cancels them.
//
// The drivers slurm and torque with the types of the profile hpc have none of
// these limits. Package tosca reports what such blueprints leave open as
// warnings: untyped-input, null-value, invalid-source-type,
// requirement-and-capability, no-matching-capability and operation-left-out.
package ansible
