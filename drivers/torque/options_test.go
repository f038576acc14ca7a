package torque

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The arguments of qsub for a specification, with either manager. "-S /bin/sh -j
// oe -o stdout.pbs" and "-r n" are always there and left out here; PBS takes
// arrays with "-r y" only.
func TestQsubArguments(t *testing.T) {
	t.Parallel()
	after := func(kind hpc.DependencyKind, job string) []hpc.Dependency {
		return []hpc.Dependency{{Kind: kind, Job: job}}
	}
	for _, c := range []struct {
		name        string
		spec        hpc.JobSpec
		torque, pbs string // "!" and a part of the message for a refusal
	}{
		{"nothing", hpc.JobSpec{}, "", ""},
		{"name, queue, account", hpc.JobSpec{Name: "9fit", Queue: "long", Account: "p1"}, "-N j9fit -q long -A p1", "-N j9fit -q long -A p1"},
		{"nodes", hpc.JobSpec{Nodes: 2, TasksPerNode: 4}, "-l nodes=2:ppn=4", "-l select=2:ncpus=4:mpiprocs=4 -l place=scatter"},
		{"tasks with threads", hpc.JobSpec{Tasks: 4, CPUsPerTask: 2}, "-l nodes=1:ppn=8", "-l select=1:ncpus=8:mpiprocs=4:ompthreads=2"},
		{"tasks over nodes", hpc.JobSpec{Nodes: 3, Tasks: 8}, "-l nodes=3:ppn=3", "-l select=3:ncpus=3:mpiprocs=3 -l place=scatter"},
		{"nodes from tasks", hpc.JobSpec{Tasks: 8, TasksPerNode: 4}, "-l nodes=2:ppn=4", "-l select=2:ncpus=4:mpiprocs=4 -l place=scatter"},
		{"tasks that do not fit", hpc.JobSpec{Nodes: 1, Tasks: 8, TasksPerNode: 4}, "!do not fit", "!do not fit"},
		{"memory of nodes", hpc.JobSpec{Nodes: 2, Memory: 1 << 30}, "-l nodes=2:ppn=1 -l mem=2097152kb", "-l select=2:ncpus=1:mpiprocs=1:mem=1048576kb -l place=scatter"},
		{"memory of cores", hpc.JobSpec{Tasks: 2, MemoryPerCPU: 1<<20 + 1}, "-l nodes=1:ppn=2 -l pmem=1025kb", "-l select=1:ncpus=2:mpiprocs=2:mem=2049kb"},
		{"GPUs", hpc.JobSpec{GPUs: 2, GPUType: "a100"}, "-l nodes=1:ppn=1:gpus=2:a100", "-l select=1:ncpus=1:mpiprocs=1:ngpus=2:accelerator_model=a100"},
		{"properties", hpc.JobSpec{Constraint: "fast"}, "-l nodes=1:ppn=1:fast", "-l select=1:ncpus=1:mpiprocs=1:fast=True"},
		{"node list", hpc.JobSpec{NodeList: []string{"n1", "n2"}, TasksPerNode: 2}, "-l nodes=n1:ppn=2+n2:ppn=2",
			"-l select=1:ncpus=2:mpiprocs=2:host=n1+1:ncpus=2:mpiprocs=2:host=n2 -l place=scatter"},
		{"node list and another number", hpc.JobSpec{NodeList: []string{"n1"}, Nodes: 2}, "!1 in the list", "!1 in the list"},
		{"exclusive", hpc.JobSpec{Exclusive: true}, "-n", "-l select=1:ncpus=1:mpiprocs=1 -l place=pack:excl"},
		{"walltime is rounded up", hpc.JobSpec{Walltime: 90*time.Minute + time.Millisecond}, "-l walltime=01:30:01", "-l walltime=01:30:01"},
		{"long walltime", hpc.JobSpec{Walltime: 100 * time.Hour}, "-l walltime=100:00:00", "-l walltime=100:00:00"},
		{"QOS, reservation", hpc.JobSpec{QOS: "high", Reservation: "R12.head"}, "-l qos=high -l advres=R12.head", "-q R12 -l qos=high"},
		{"array", hpc.JobSpec{Array: &hpc.Array{Indexes: "0-9", Limit: 3}}, "-t 0-9%3", "-J 0-9%3"},
		{"array with a step", hpc.JobSpec{Array: &hpc.Array{Indexes: "0-9:3"}}, "-t 0,3,6,9", "-J 0-9:3"},
		{"array of a list", hpc.JobSpec{Array: &hpc.Array{Indexes: "1,3,5"}}, "-t 1,3,5", "-J 1-5:2"},
		{"array with gaps", hpc.JobSpec{Array: &hpc.Array{Indexes: "1,2,5"}}, "-t 1-2,5", "!gaps of several sizes"},
		{"array of one", hpc.JobSpec{Array: &hpc.Array{Indexes: "7"}}, "-t 7", "-J 7-8:2"},
		{"no array", hpc.JobSpec{Array: &hpc.Array{Indexes: "x"}}, "!not a range", "!not a range"},
		{"begin", hpc.JobSpec{Begin: time.Date(2030, 1, 1, 1, 0, 0, 1, time.FixedZone("", 3600))}, "-a 203001010000.01", "-a 203001010000.01"},
		{"after", hpc.JobSpec{Dependencies: []hpc.Dependency{{Kind: hpc.AfterOK, Job: "1.vm"}, {Kind: hpc.AfterAny, Job: "2.vm"}, {Kind: hpc.AfterOK, Job: "3.vm"}}},
			"-W depend=afterok:1.vm:3.vm,afterany:2.vm", "-W depend=afterok:1.vm:3.vm,afterany:2.vm"},
		{"after an array", hpc.JobSpec{Dependencies: after(hpc.AfterOK, "27[].vm")}, "-W depend=afterokarray:27[].vm", "-W depend=afterok:27[].vm"},
		{"after a task", hpc.JobSpec{Dependencies: after(hpc.AfterNotOK, "27[1].vm")}, "-W depend=afternotok:27[1].vm", "-W depend=afternotok:27[1].vm"},
		{"task by task", hpc.JobSpec{Dependencies: after(hpc.AfterCorr, "27[].vm")}, "!no dependency", "!no dependency"},
		{"after no job", hpc.JobSpec{Dependencies: after(hpc.AfterOK, "1.vm,on:3")}, "!not an ID", "!not an ID"},
		{"mail", hpc.JobSpec{Mail: "a@b.c", MailOn: []string{"begin", "fail", "begin"}}, "-M a@b.c -m ba", "-M a@b.c -m ba"},
		{"mail on what", hpc.JobSpec{MailOn: []string{"noon"}}, "!known are", "!known are"},
		{"hold and tag", hpc.JobSpec{Hold: true, Tag: "op.1"}, "-h -v ORCHESTRATOR_TAG=op.1", "-h -v ORCHESTRATOR_TAG=op.1"},
		{"bad tag", hpc.JobSpec{Tag: "a,PATH=b"}, "!the tag", "!the tag"},
		{"variables of directives", hpc.JobSpec{Tag: "t", Script: "#!/bin/sh\n#PBS -v A=1,B\ntrue\n#PBS -v C\n"}, "-v ORCHESTRATOR_TAG=t,A=1,B", "-v ORCHESTRATOR_TAG=t,A=1,B"},
		{"quoted variables of directives", hpc.JobSpec{Tag: "t", Script: "#PBS -N a -vA=1\n#PBS -v \"B='x, y',C=2\"\ntrue\n"}, "-v ORCHESTRATOR_TAG=t,A=1,B='x, y',C=2", "-v ORCHESTRATOR_TAG=t,A=1,B='x, y',C=2"},
		{"exclusive, and nodes of a directive", hpc.JobSpec{Exclusive: true, Script: "#PBS -l select=2:ncpus=4\ntrue\n"}, "-n", "-l place=pack:excl"},
		{"words that are options", hpc.JobSpec{Queue: "-x"}, "!the queue", "!the queue"},
		{"variables of options", hpc.JobSpec{Tag: "t", Options: []string{"-v", "A=1", "-V", "-vB"}}, "-v ORCHESTRATOR_TAG=t,A=1,B -V", "-v ORCHESTRATOR_TAG=t,A=1,B -V"},
		{"options as they are", hpc.JobSpec{Options: []string{"-W", "umask=077"}}, "-W umask=077", "-W umask=077"},
	} {
		for kind, want := range map[string]string{kindTorque: c.torque, kindPBS: c.pbs} {
			if c.spec.Script == "" {
				c.spec.Script = "true\n"
			}
			args, err := qsubArguments(kind, &c.spec)
			if message, refused := strings.CutPrefix(want, "!"); refused {
				require.Equal(t, errs.InvalidArgument, errs.CodeOf(err), "%s, %s: %v", c.name, kind, args)
				require.ErrorContains(t, err, message, "%s, %s", c.name, kind)
				continue
			}
			require.NoError(t, err, c.name)
			line := strings.Join(args, " ")
			rerun := " -r n"
			if kind == kindPBS && c.spec.Array != nil {
				rerun = " -r y"
			}
			for _, always := range []string{"qsub", rerun, " -S /bin/sh", " -j oe -o stdout.pbs"} {
				require.Contains(t, line, always)
				line = strings.Replace(line, always, "", 1)
			}
			require.Equal(t, want, strings.TrimSpace(line), "%s, %s", c.name, kind)
		}
	}
}

func TestWorkDirAndOutput(t *testing.T) {
	t.Parallel()
	spec := &hpc.JobSpec{Script: "#!/bin/bash -e\ntrue\n", WorkDir: "/scratch/a b", Stdout: "out", Requeue: true}
	args, err := qsubArguments(kindTorque, spec)
	require.NoError(t, err)
	require.Equal(t, []string{"qsub", "-r", "y", "-d", "/scratch/a b", "-S", "/bin/sh", "-j", "oe", "-o", "/scratch/a b/out.pbs"}, args)
	args, err = qsubArguments(kindPBS, spec)
	require.NoError(t, err)
	require.NotContains(t, args, "-d")
	spec.WorkDir = "scratch"
	_, err = qsubArguments(kindTorque, spec)
	require.ErrorContains(t, err, "not an absolute path")
}

func TestJobScript(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		spec hpc.JobSpec
		want string
	}{
		{"script", hpc.JobSpec{Script: "#!/bin/bash -e\n#PBS -l mem=1gb\n# why\n\nmodule list\n#PBS late\n", WorkDir: "/w/it's", Env: map[string]string{"B": "x y", "A": ""},
			Modules: []string{"gcc/12"}},
			"#!/bin/bash -e\n#PBS -l mem=1gb\ncd -- '/w/it'\\''s' || exit 73\nexec >'stdout' 2>'stderr'\nexport A=''\nexport B='x y'\nmodule load 'gcc/12' || exit 75\n" +
				"module list\n#PBS late\n"},
		{"command", hpc.JobSpec{Command: []string{"./a b", "$c"}, Stdout: "log", Join: true}, "#!/bin/sh\nexec >'log' 2>&1\n'./a b' '$c'\n"},
		{"array", hpc.JobSpec{Command: []string{"a"}, Array: &hpc.Array{Indexes: "0-1"}},
			"#!/bin/sh\nexec >'stdout'.\"${PBS_ARRAYID:-$PBS_ARRAY_INDEX}\" 2>'stderr'.\"${PBS_ARRAYID:-$PBS_ARRAY_INDEX}\"\n'a'\n"},
		{"container", hpc.JobSpec{Command: []string{"sim", "-n"}, Container: &hpc.Container{Runtime: "singularity", Image: "a.sif", Binds: []string{"/d:/m"}, GPU: true, Options: []string{"--cleanenv"}}},
			"#!/bin/sh\nexec >'stdout' 2>'stderr'\ncontainer_runtime='singularity'\n\"$container_runtime\" 'exec' '--bind' \"$PWD\" --pwd \"$PWD\" --bind '/d:/m' --nv '--cleanenv' 'a.sif' 'sim' '-n'\n"},
		{"another language", hpc.JobSpec{Script: "#!/usr/bin/env python3\n#PBS -h\nprint('END_OF_JOB_SCRIPT')\n"},
			"#!/bin/sh\n#PBS -h\nexec >'stdout' 2>'stderr'\njob_script=$(mktemp \"$PWD/.job-script.XXXXXX\") || exit 73\ntrap 'rm -f \"$job_script\"' EXIT\n" +
				"cat >\"$job_script\" <<'END_OF_JOB_SCRIPT_'\n#!/usr/bin/env python3\n#PBS -h\nprint('END_OF_JOB_SCRIPT')\nEND_OF_JOB_SCRIPT_\nchmod 700 \"$job_script\"\n\"$job_script\"\n"},
	} {
		got, err := jobScript(&c.spec)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	for message, spec := range map[string]hpc.JobSpec{
		"neither a script nor a command": {},
		"both a script and a command":    {Script: "true", Command: []string{"true"}},
		"is no name of a variable":       {Command: []string{"true"}, Env: map[string]string{"A B": ""}},
	} {
		_, err := jobScript(&spec)
		require.ErrorContains(t, err, message)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, jobID{number: 27, array: true, index: 2, server: "vm.site"}, splitID("27[2].vm.site"))
	require.Equal(t, jobID{number: 27, array: true, index: -1, server: "vm"}, splitID("27[].vm"))
	require.Equal(t, jobID{number: 27, index: -1}, splitID("27"))
	require.Equal(t, "27[].vm", parent("27[2].vm"))
	require.True(t, splitID("27").is(splitID("27.vm")))
	require.False(t, splitID("27.other").is(splitID("27.vm")))
	require.False(t, splitID("27").is(splitID("27[].vm")))
	for _, id := range []string{"", "-x", "27;reboot", "27[a]", "27 28", "x.vm", "27."} {
		require.Error(t, checkIDs("query", []string{id}), id)
	}
	require.Negative(t, compareIDs("9.vm", "10.vm"))
	require.Negative(t, compareIDs("9[2].vm", "9[10].vm"))
}

// What managers say, and what it means for who asks.
func TestClassify(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]errs.Code{
		"qstat: Unknown Job Id Error 1.vm":                                                            errs.NotFound,
		"qdel: nonexistent job id: 99999":                                                             errs.NotFound,
		"qdel: Server could not connect to MOM 23.vm":                                                 errs.Unavailable,
		"qstat: cannot connect to server vm (errno=111) Connection refused":                           errs.Unavailable,
		"qsub: Maximum number of jobs already in queue":                                               errs.Unavailable,
		"qsub: would exceed queue batch's per-user limit of jobs in 'Q' state":                        errs.Unavailable,
		"qdel: Unauthorized Request  4.vm":                                                            errs.PermissionDenied,
		"qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE 23.vm":           errs.FailedPrecondition,
		"qdel: Job has finished 12.vm":                                                                errs.FailedPrecondition,
		"qdel: Invalid request MSG=job cancel in progress 4.vm":                                       errs.FailedPrecondition,
		"qdel: Request invalid for finished array subjob 14[0].vm":                                    errs.FailedPrecondition,
		"qsub: No free connections":                                                                   errs.Unavailable,
		"qsub: submit error (Unknown queue MSG=requested queue not found)":                            errs.InvalidArgument,
		"qsub: submit error (Illegal attribute or resource value for Resource_List.walltime)":         errs.InvalidArgument,
		"qsub: submit error (Job exceeds queue resource limits MSG=cannot locate feasible nodes (…))": errs.InvalidArgument,
	} {
		require.Equal(t, want, classify(1, words), words)
	}
	require.Equal(t, errs.FailedPrecondition, classify(127, "sh: qsub: not found"))
	_, err := New(nil, &Options{Kind: "lsf"})
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
}

func TestSubmitted(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"27.vm\n":   "27.vm",
		"27[].vm\n": "27[].vm",
		"Charged to p7.\n27.vm\n400 hours left\n": "27.vm",
		"your job 27.vm\n":                        "27.vm",
		"none\n":                                  "",
	} {
		require.Equal(t, want, submitted(out), out)
	}
}

func TestReadQdel(t *testing.T) {
	t.Parallel()
	refused, transient := readQdel("qdel: nonexistent job id: 9\nqdel: Server could not connect to MOM 23.vm\n")
	require.Empty(t, refused)
	require.True(t, transient)
	refused, transient = readQdel("qdel: Job has finished 12.vm\nqdel: Unauthorized Request  4.vm\n")
	require.Equal(t, "qdel: Unauthorized Request  4.vm", refused)
	require.False(t, transient)
	refused, transient = readQdel("module: command not found\nqdel: Job has finished 12.vm\n")
	require.Empty(t, refused, "a start file of the login node says nothing of jobs")
	require.False(t, transient)
	require.True(t, onlyUnknown("stty: standard input: Inappropriate ioctl for device\nqstat: Unknown Job Id 1.vm\n"))
	require.False(t, onlyUnknown("qstat: Unknown Job Id 1.vm\nqstat: cannot connect to server vm (errno=15010)\n"))
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(failure("submit", "job 1", hpc.Result{Code: 170, Stderr: []byte("permission of ~/.x\nqsub: Unknown queue\n")})))
}

func FuzzIndexes(f *testing.F) {
	for _, text := range []string{"0-9", "1,3,5", "0-100:10", "7%2", "3-1", "1-2-3", "0-4294967295"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		indexes, err := parseIndexes(text)
		if err != nil {
			return
		}
		again, err := parseIndexes(torqueIndexes(indexes))
		require.NoError(t, err)
		require.Equal(t, indexes, again)
		if ranged, err := pbsIndexes(indexes); err == nil && len(indexes) < 1000 {
			again, err := parseIndexes(ranged)
			require.NoError(t, err)
			require.Equal(t, indexes, again)
		}
	})
}
