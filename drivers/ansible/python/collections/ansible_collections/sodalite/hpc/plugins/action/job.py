# Reads the script that job_src names on this machine, so that the module gets
# it as job_contents.

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        source = args.pop("job_src", None)
        if source:
            if args.get("job_contents"):
                raise AnsibleActionFail("job_src and job_contents exclude each other")
            try:
                path = self._loader.get_real_file(self._find_needle("files", source))
                with open(path, encoding="utf-8") as f:
                    args["job_contents"] = f.read()
            except (AnsibleError, OSError, UnicodeDecodeError) as e:
                raise AnsibleActionFail("job_src: %s" % e)
        result.update(self._execute_module(
            module_name="sodalite.hpc." + self._task.action.rpartition(".")[2], module_args=args, task_vars=task_vars,
            wrap_async=self._task.async_val))
        return result
