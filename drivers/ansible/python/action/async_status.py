# Lets a playbook ask after an asynchronous task that Ansible has waited for.
#
# A task with "async" and a "poll" above zero is waited for by Ansible itself,
# which then removes the file in which the job keeps its result. Playbooks that
# ask for the same job by async_status afterwards fail with "could not find
# job". So this plugin does not pass the removal on; everything else it leaves
# to Ansible's own plugin. What stays behind is a small file in ~/.ansible_async.

from __future__ import annotations

import importlib.util
import os

import ansible.plugins.action

# Loaded by path: this very file goes by the name of the module that it extends.
_spec = importlib.util.spec_from_file_location(
    "orchestrator_builtin_async_status",
    os.path.join(os.path.dirname(ansible.plugins.action.__file__), "async_status.py"))
_builtin = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_builtin)


class ActionModule(_builtin.ActionModule):

    def run(self, tmp=None, task_vars=None):
        args = self._task.args
        # A task of a playbook has a block around it, Ansible's own does not.
        if args.get("mode") == "cleanup" and self._task._parent is None:
            return {"changed": False, "ansible_job_id": args.get("jid"), "erased": ""}
        return super().run(tmp, task_vars)
