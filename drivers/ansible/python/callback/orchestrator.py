# Reports what a playbook does as JSON, one object a line, on a file descriptor.
#
# Ansible shows nothing by itself while this is its stdout callback: warnings
# and errors still go to standard error.

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

try:
    from ansible.parsing.ajson import AnsibleJSONEncoder
except ImportError:  # not in every release
    AnsibleJSONEncoder = None

DOCUMENTATION = """
name: orchestrator
type: stdout
short_description: reports plays, tasks and results as JSON lines
description:
  - Writes one JSON object a line to the file descriptor named by the
    environment variable ORCHESTRATOR_REPORT_FD.
"""

# How much of a module's output goes into a report: its end says why it failed.
TAIL = 4096


def tail(value):
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= TAIL else "..." + text[-TAIL:]


def field(result, new, old):
    # ansible-core 2.19 gave these attributes public names and warns of the old ones.
    value = getattr(result, new, None)
    return getattr(result, old) if value is None else value


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "orchestrator"

    def __init__(self):
        super().__init__()
        # Taken out of the environment: the descriptor is not handed on to
        # processes, so an ansible-playbook that a task starts must not use it.
        self._fd = int(os.environ.pop("ORCHESTRATOR_REPORT_FD", "-1"))
        os.environ.pop("ANSIBLE_STDOUT_CALLBACK", None)

    # -- writing ---------------------------------------------------------

    def _send(self, event, **values):
        if self._fd < 0:
            return
        values["event"] = event
        line = self._encode(values).encode("utf-8", "surrogateescape") + b"\n"
        try:
            while line:
                line = line[os.write(self._fd, line):]
        except OSError:
            # Nobody listens any more. The playbook goes on.
            self._fd = -1

    @staticmethod
    def _encode(values):
        if AnsibleJSONEncoder is not None:
            try:
                return json.dumps(values, cls=AnsibleJSONEncoder)
            except (TypeError, ValueError):
                pass
        return json.dumps(values, default=str, skipkeys=True)

    # -- plays and tasks ---------------------------------------------------

    def v2_playbook_on_play_start(self, play):
        self._send("play", name=play.get_name().strip())

    def v2_playbook_on_no_hosts_matched(self):
        self._send("note", msg="no hosts matched: the play did nothing")

    def v2_playbook_on_no_hosts_remaining(self):
        self._send("note", msg="no hosts left")

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._send("task", name=task.get_name().strip())

    def v2_playbook_on_handler_task_start(self, task):
        self._send("task", name=task.get_name().strip(), handler=True)

    # -- results -----------------------------------------------------------

    def v2_runner_on_ok(self, result):
        self._result("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_runner_item_on_ok(self, result):
        self._item("ok", result)

    def v2_runner_item_on_failed(self, result):
        self._item("failed", result)

    def v2_runner_item_on_skipped(self, result):
        self._item("skipped", result)

    def v2_runner_retry(self, result):
        data = field(result, "result", "_result")
        self._send("note", msg="%s: attempt %s of %s failed, trying again" % (
            field(result, "task", "_task").get_name().strip(), data.get("attempts"), data.get("retries")))

    def _result(self, status, result, **more):
        data = field(result, "result", "_result")
        task = field(result, "task", "_task")
        if status == "ok" and data.get("changed"):
            status = "changed"
        items = [self._words(item, label=self._label(item)) for item in data.get("results") or []
                 if isinstance(item, dict) and (item.get("failed") or item.get("unreachable"))] \
            if status in ("failed", "unreachable") and isinstance(data.get("results"), list) else []
        self._send("result", status=status, host=self._host(result), task=task.get_name().strip(),
                   path=task.get_path() or "", items=items, **self._words(data, status), **more)

    def _item(self, status, result):
        data = field(result, "result", "_result")
        if status == "ok" and data.get("changed"):
            status = "changed"
        self._send("item", status=status, host=self._host(result), label=self._label(data),
                   task=field(result, "task", "_task").get_name().strip(), **self._words(data, status))

    @staticmethod
    def _host(result):
        host = field(result, "host", "_host").get_name()
        to = field(result, "task", "_task").delegate_to
        return "%s -> %s" % (host, to) if to and to != host else host

    @staticmethod
    def _label(data):
        if data.get("_ansible_no_log") or "censored" in data:
            return "(hidden by no_log)"
        return tail(data.get("_ansible_item_label", data.get("item", "")))

    def _words(self, data, status="failed", **words):
        """What a module says of itself. Ansible has put "censored" in the
        place of everything in the results of tasks with no_log."""
        if "censored" in data or data.get("_ansible_no_log"):
            words["msg"] = "the output is hidden by no_log"
            return words
        if status in ("failed", "unreachable", "skipped"):
            for key in ("msg", "stdout", "stderr", "module_stdout", "module_stderr", "exception", "skip_reason"):
                if data.get(key):
                    words[key] = tail(data[key])
            if isinstance(data.get("rc"), int):
                words["rc"] = data["rc"]
        elif data.get("_ansible_verbose_always"):
            # debug: what it shows is all that it is for.
            words["shown"] = {k: v for k, v in data.items()
                              if not k.startswith("_ansible") and k not in ("changed", "failed", "item", "ansible_loop_var")}
        if data.get("warnings"):
            words["warnings"] = [tail(w) for w in data["warnings"]]
        return words

    # -- the end -----------------------------------------------------------

    def v2_playbook_on_stats(self, stats):
        # "_run" holds what set_stats gathered without per_host.
        self._send("stats", custom=stats.custom.get("_run", {}))
