# What the modules do.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sodalite.hpc.plugins.module_utils.managers import Refused, manager

TEXTS = ("account", "queue", "wall_time_limit", "memory_limit", "minimum_memory_per_processor", "request_gpus",
         "request_specific_nodes", "job_array", "standard_output_file", "standard_error_file",
         "architecture_constraint", "copy_environment_variable", "job_dependency", "email_address", "defer_job",
         "job_options", "job_id", "job_name", "job_contents")
NUMBERS = ("node_count", "core_count", "process_count_per_node", "core_count_per_process")
SWITCHES = ("combine_stdout_stderr", "copy_environment", "node_exclusive")
EVENTS = ("begin", "end", "fail", "invalid_depend", "time_limit", "none", "all")


def job(kind=None):
    """Is the module job, for one manager or for the one that the host has."""
    options = {name: {"type": "str"} for name in TEXTS}
    options.update({name: {"type": "int"} for name in NUMBERS})
    options.update({name: {"type": "bool"} for name in SWITCHES})
    options.update(
        state={"default": "queued", "choices": ["queued", "paused", "cancelled"]},
        job_workspace={"type": "path", "default": "~"},
        keep_job_script={"type": "bool", "default": True},
        request_event_notification={"type": "list", "elements": "str", "choices": list(EVENTS)},
    )
    module = AnsibleModule(
        argument_spec=options,
        required_one_of=[("job_id", "job_name")],
        mutually_exclusive=[("job_id", "job_name")],
        required_if=[("state", "paused", ("job_id",)), ("state", "cancelled", ("job_id",))],
        required_by={"job_name": ("job_contents",)},
    )
    try:
        batch = manager(module, kind)
        if not module.params["job_id"]:
            new = batch.submit(module.params)
            module.exit_json(changed=True, jobs=batch.await_job(new))
        change = {"queued": batch.release, "paused": batch.pause, "cancelled": batch.cancel}[module.params["state"]]
        changed, jobs = change(module.params["job_id"])
        module.exit_json(changed=changed, jobs=jobs)
    except Refused as e:
        module.fail_json(msg=str(e))


def job_info(kind=None):
    """Is the module job_info, likewise."""
    module = AnsibleModule(argument_spec={"job_id": {"type": "str"}}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, jobs=manager(module, kind).jobs(module.params["job_id"]))
    except Refused as e:
        module.fail_json(msg=str(e))
