# Slurm and Torque by their commands, on the machine that has them.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import tempfile
import time

from ansible.module_utils.common.text.converters import to_bytes

# How long a new state of a job is waited for, and how often is asked.
PATIENCE, PAUSE = 60, 0.5


class Refused(Exception):
    """What the manager, or this file, says against a request."""


def manager(module, kind=None):
    """Returns the manager of the kind, or the one whose commands this machine
    has. Slurm comes first: it may bring a qsub of its own."""
    for kind in (kind,) if kind else (Slurm, Torque):
        if module.get_bin_path(kind.submits):
            return kind(module)
    raise Refused("This host has no workload manager: looked for sbatch of Slurm and qsub of Torque in its PATH.")


class Manager(object):

    def __init__(self, module):
        self.module = module

    def run(self, command, *args, **options):
        path = self.module.get_bin_path(command)
        if not path:
            raise Refused("This host has no command %s." % command)
        folder = options.get("cwd")
        code, out, err = self.module.run_command(
            [path] + list(args), cwd=folder, environ_update={"PWD": folder} if folder else None)  # qsub believes PWD
        if code:
            raise Refused("%s %s: %s" % (command, " ".join(args), (err or out).strip() or "exit code %d" % code))
        return out

    def job(self, job_id):
        return self.jobs(job_id)[0]

    def await_job(self, job_id, wanted=lambda job: True):
        """Waits until the manager shows a job, with all tasks of an array, as wanted."""
        end = time.time() + PATIENCE
        while True:
            try:
                jobs = self.jobs(job_id)
                if all(wanted(job) for job in jobs):
                    return jobs
                last = "it is %s" % ", ".join(job["job_state"] for job in jobs)
            except Refused as e:  # a job may take a moment to be seen
                last = str(e)
            if time.time() > end:
                raise Refused("Job %s does not change within %d s: %s" % (job_id, PATIENCE, last))
            time.sleep(PAUSE)

    def submit(self, params):
        """Writes the script, submits it and returns the job's ID."""
        folder = os.path.expanduser(params["job_workspace"])
        if not os.path.isdir(folder):
            raise Refused("There is no folder %s to submit the job in." % folder)
        handle, path = tempfile.mkstemp(dir=folder, suffix=".sh", prefix=re.sub(r"[^\w.-]", "_", params["job_name"]) + "-")
        with os.fdopen(handle, "wb") as f:
            f.write(to_bytes(self.script(params)))
        try:
            return self.submit_file(path, folder)
        finally:
            if not params["keep_job_script"]:
                os.unlink(path)

    def script(self, params):
        contents = params["job_contents"]
        lines = ["#!/bin/bash"]
        if contents.startswith("#!"):
            first, _, contents = contents.partition("\n")
            lines = [first]
        for option in self.directives(params):
            if "\n" in option:
                raise Refused("A line break in an option of the job: %r" % option)
            lines.append(self.directive + " " + option)
        if params["job_options"]:
            lines.append(params["job_options"].rstrip("\n"))
        return "\n".join(lines + [contents.rstrip("\n")]) + "\n"

    def pairs(self, params, table):
        return [form % params[name] for name, form in table if params[name] not in (None, "", False)]

    def cancel(self, job_id):
        jobs = self.jobs(job_id)
        if all(self.ended(job) for job in jobs):
            return False, jobs
        self.run(self.cancels, job_id)
        return True, self.await_job(job_id, self.ended)


class Slurm(Manager):
    """Slurm. Source: sbatch(1), scontrol(1), sacct(1)."""

    submits, cancels, directive = "sbatch", "scancel", "#SBATCH"
    going = ("PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "REQUEUED", "RESIZING", "STOPPED",
             "SIGNALING", "STAGE_OUT", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "REQUEUE_FED")

    def directives(self, params):
        options = self.pairs(params, (
            ("job_name", "--job-name=%s"), ("account", "--account=%s"), ("queue", "--partition=%s"),
            ("wall_time_limit", "--time=%s"), ("node_count", "--nodes=%d"), ("core_count", "--ntasks=%d"),
            ("process_count_per_node", "--ntasks-per-node=%d"), ("core_count_per_process", "--cpus-per-task=%d"),
            ("memory_limit", "--mem=%s"), ("minimum_memory_per_processor", "--mem-per-cpu=%s"),
            ("request_specific_nodes", "--nodelist=%s"), ("job_array", "--array=%s"),
            ("standard_output_file", "--output=%s"), ("architecture_constraint", "--constraint=%s"),
            ("copy_environment_variable", "--export=%s"), ("job_dependency", "--dependency=%s"),
            ("email_address", "--mail-user=%s"), ("defer_job", "--begin=%s")))
        if params["request_gpus"] not in (None, "", "0"):
            options.append("--gres=gpu:%s" % params["request_gpus"])
        if params["standard_error_file"] and not params["combine_stdout_stderr"]:  # Slurm combines by default
            options.append("--error=%s" % params["standard_error_file"])
        if params["copy_environment"]:
            options.append("--export=ALL")
        if params["node_exclusive"]:
            options.append("--exclusive")
        if params["request_event_notification"]:
            options.append("--mail-type=" + ",".join(params["request_event_notification"]).upper())
        return options

    def submit_file(self, path, folder):
        return self.run("sbatch", "--parsable", path, cwd=folder).strip().split(";")[0]

    def jobs(self, job_id=None):
        try:
            out = self.run("scontrol", "--oneliner", "show", "job", *([job_id] if job_id else []))
        except Refused as forgotten:
            jobs = self.accounted(job_id) if job_id else []
            if not jobs:
                raise forgotten
            return jobs
        return [self.told(line) for line in out.splitlines() if line.startswith("JobId=")]

    def told(self, line):
        raw = {}
        for m in re.finditer(r"(\S+?)=(.*?)(?=\s+[A-Z]\S*?=|$)", line):
            raw.setdefault(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", m.group(1)).lower(), m.group(2).strip())
        job = {name: raw.get(name) for name in ("job_id", "job_name", "job_state", "start_time", "exit_code", "work_dir")}
        return dict(job, raw_output=raw)

    def accounted(self, job_id):
        """Jobs that the controller has forgotten, from the accounting."""
        names = ("job_id", "job_name", "job_state", "exit_code", "start_time", "work_dir")
        try:
            out = self.run("sacct", "-n", "-P", "-X", "-j", job_id, "-o", "JobID,JobName,State,ExitCode,Start,WorkDir")
        except Refused:
            return []
        jobs = []
        for line in out.splitlines():
            raw = dict(zip(names, line.split("|")))
            raw["job_state"] = raw["job_state"].split(" ")[0]  # "CANCELLED by 1000"
            jobs.append(dict(raw, raw_output=raw))
        return jobs

    def ended(self, job):
        return job["job_state"] not in self.going

    def pause(self, job_id):
        job = self.job(job_id)
        if job["job_state"] == "RUNNING":
            self.run("scontrol", "suspend", job_id)
            return True, self.await_job(job_id, lambda job: job["job_state"] != "RUNNING")
        return self.change(job, False, "hold")

    def release(self, job_id):
        job = self.job(job_id)
        if job["job_state"] == "SUSPENDED":
            self.run("scontrol", "resume", job_id)
            return True, self.await_job(job_id, lambda job: job["job_state"] != "SUSPENDED")
        return self.change(job, True, "release")

    def change(self, job, held, verb):
        """Holds or releases a waiting job, where it is not so already."""
        wanted = job["job_state"] == "PENDING" and job["raw_output"].get("reason", "").startswith("JobHeld") == held
        if wanted:
            self.run("scontrol", verb, job["job_id"])
        return wanted, self.jobs(job["job_id"])


class Torque(Manager):
    """Torque. Source: qsub(1), qstat(1), qsig(1)."""

    submits, cancels, directive = "qsub", "qdel", "#PBS"
    states = {"C": "COMPLETED", "E": "RUNNING", "H": "SUSPENDED", "Q": "PENDING", "R": "RUNNING", "S": "SUSPENDED",
              "T": "PENDING", "W": "PENDING"}
    events = {"none": "n", "begin": "b", "end": "e", "all": "abe"}  # all others come with the abort

    def script(self, params):
        text = super(Torque, self).script(params)
        first, _, rest = text.partition("\n")
        return "%s\n#PBS -S %s\n%s" % (first, first[2:].strip(), rest)  # qsub does not read the first line

    def directives(self, params):
        options = self.pairs(params, (
            ("job_name", "-N %s"), ("account", "-A %s"), ("queue", "-q %s"), ("core_count", "-l procs=%d"),
            ("memory_limit", "-l mem=%s"), ("minimum_memory_per_processor", "-l pmem=%s"), ("job_array", "-t %s"),
            ("standard_output_file", "-o %s"), ("standard_error_file", "-e %s"),
            ("architecture_constraint", "-l partition=%s"), ("copy_environment_variable", "-v %s"),
            ("email_address", "-M %s"), ("defer_job", "-a %s")))
        nodes = params["request_specific_nodes"] or params["node_count"]
        if nodes or params["process_count_per_node"]:
            nodes = "-l nodes=%s" % (nodes or 1)
            if params["process_count_per_node"]:
                nodes += ":ppn=%d" % params["process_count_per_node"]
            if params["request_gpus"] not in (None, "", "0"):
                nodes += ":gpus=%s" % params["request_gpus"]
            options.append(nodes)
        if params["wall_time_limit"]:
            options.append("-l walltime=" + walltime(params["wall_time_limit"]))
        if params["job_dependency"]:
            options.append("-W depend=" + re.sub("^depend=", "", params["job_dependency"]))
        if params["combine_stdout_stderr"]:
            options.append("-j oe")
        if params["copy_environment"]:
            options.append("-V")
        if params["node_exclusive"]:
            options.append("-l naccesspolicy=singlejob")
        if params["request_event_notification"]:
            letters = {c for e in params["request_event_notification"] for c in self.events.get(e, "a")}
            options.append("-m " + "".join(sorted(letters - {"n"})) if letters != {"n"} else "-m n")
        return options

    def submit_file(self, path, folder):
        return self.run("qsub", path, cwd=folder).strip()

    def jobs(self, job_id=None):
        if job_id and "[]" in job_id:
            return self.array(job_id)
        jobs = self.shown(*([job_id] if job_id else []))
        if job_id and not jobs:
            raise Refused("qstat says nothing of job %s." % job_id)
        return jobs

    def shown(self, *args):
        out = self.run("qstat", "-f", *args)
        return [self.told(text) for text in re.split(r"(?m)^Job Id: *", out)[1:]]

    def array(self, job_id):
        """Returns an array, summed up from its tasks, and the tasks. Asked for an
        array without -t, qstat shows all jobs there are, and never how it ended."""
        number = job_id.partition("[")[0]
        tasks = [job for job in self.shown("-t", job_id) if job["job_id"].partition("[")[0] == number]
        if not tasks:
            raise Refused("qstat says nothing of job %s." % job_id)
        going = [job for job in tasks if not self.ended(job)]
        failed = [job for job in tasks if job["job_state"] == "FAILED"]
        begun = len(going) < len(tasks) or any(job["job_state"] == "RUNNING" for job in going)
        like = (going or failed or tasks)[0]
        state = "RUNNING" if going and begun else like["job_state"]
        raw = dict(like["raw_output"], job_id=job_id, job_state="R" if going else "C")
        name = re.sub(r"-[0-9]+$", "", like["job_name"] or "")
        return [dict(like, job_id=job_id, job_name=name, job_state=state, raw_output=raw)] + tasks

    def told(self, text):
        text = re.sub(r"\n\t", "", text)  # long values go on in the next line
        first, _, rest = text.partition("\n")
        raw = {"job_id": first.strip()}
        for m in re.finditer(r"(?m)^    (\S+) = (.*)$", rest):
            raw.setdefault(m.group(1).lower(), m.group(2))
        state, code = raw.get("job_state"), raw.get("exit_status")
        folder = re.search(r"(?:^|,)PBS_O_WORKDIR=([^,]*)", raw.get("variable_list", ""))
        if state == "C" and code not in (None, "0"):
            state = "FAILED"
        job = {"job_id": raw["job_id"], "job_name": raw.get("job_name"), "job_state": self.states.get(state, state),
               "start_time": moment(raw.get("start_time")), "work_dir": folder.group(1) if folder else raw.get("init_work_dir"),
               "exit_code": code and code + ":0"}
        return dict(job, raw_output=raw)

    def ended(self, job):
        return job["raw_output"].get("job_state") == "C"

    def cancel(self, job_id):
        """Deletes a job. The server refuses now and then, while a node does not
        answer, and the job runs on; and it forgets jobs, at once if told so."""
        jobs = self.jobs(job_id)
        if all(self.ended(job) for job in jobs):
            return False, jobs
        end, again = time.time() + PATIENCE, True
        while True:
            try:
                if again:
                    again = False
                    self.run("qdel", job_id)
            except Refused as e:
                again = "could not connect to" in str(e)
                if not again and not re.search(r"invalid state|in progress|nonexistent job id|Unknown Job Id", str(e)):
                    raise
            try:
                now = self.jobs(job_id)
            except Refused as e:
                if "Unknown Job Id" not in str(e):
                    raise
                return True, [dict(job, job_state="FAILED") for job in jobs]
            if all(self.ended(job) for job in now):
                return True, now
            if time.time() > end:
                raise Refused("Job %s has not ended within %d s after qdel." % (job_id, PATIENCE))
            time.sleep(PAUSE)

    def pause(self, job_id):
        state = self.job(job_id)["raw_output"].get("job_state")
        if state == "R":
            self.run("qsig", "-s", "suspend", job_id)
        elif state in ("Q", "W"):
            self.run("qhold", job_id)
        return state in ("Q", "R", "W"), self.jobs(job_id)

    def release(self, job_id):
        state = self.job(job_id)["raw_output"].get("job_state")
        if state == "S":
            self.run("qsig", "-s", "resume", job_id)
        elif state == "H":
            self.run("qrls", job_id)
        return state in ("H", "S"), self.jobs(job_id)


def walltime(text):
    """Makes Torque's HH:MM:SS of a time limit in one of Slurm's forms: M, M:S,
    H:M:S, D-H, D-H:M and D-H:M:S."""
    m = re.match(r"^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$", text.strip())
    if not m:
        raise Refused("The time limit %r is none of M, M:S, H:M:S, D-H, D-H:M and D-H:M:S." % text)
    days, parts = m.group(1), [int(p) for p in m.groups()[1:] if p is not None]
    if days is not None or len(parts) == 3:
        hours, minutes, seconds = (parts + [0, 0])[:3]
    else:
        hours, (minutes, seconds) = 0, (parts + [0])[:2]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    return "%02d:%02d:%02d" % (total // 3600, total // 60 % 60, total % 60)


def moment(text):
    """Makes 2020-05-14T10:00:00 of "Thu May 14 10:00:00 2020"."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.strptime(text, "%a %b %d %H:%M:%S %Y"))
    except (TypeError, ValueError):
        return text
