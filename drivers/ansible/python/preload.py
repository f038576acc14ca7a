# A process that has Ansible loaded and forks itself for each playbook.
#
#     python preload.py /path/of/ansible-playbook
#
# Descriptor 3 is a socket. Each line on it is a JSON object. Requests come with
# two descriptors, for the playbook's output and for the callback's report:
#
#     {"id": 1, "args": [...], "cwd": "...", "env": {...}}
#
# Answers are {"ready": VERSION} or {"refused": WHY} once, then {"started": ID,
# "pid": PID} and {"ended": ID, "status": CODE} for each request; a negative code
# is a signal. When the socket is closed, all playbooks are ended.
#
# Ansible reads its configuration when it is imported. So this process starts
# with the environment and the ansible.cfg that all playbooks have, and refuses
# to work where a setting depends on the working directory.

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import selectors
import signal
import socket
import sys
import tempfile
import time

CONTROL = 3  # the socket here, the report in a playbook's process


def load():
    """Imports Ansible and all that it would load for a playbook.

    Only the first import must succeed: what does not exist in this release is
    loaded by the playbook, or not at all.
    """
    import ansible.cli.playbook  # noqa: F401

    def quietly(step):
        try:
            step()
        except Exception as e:
            print("not preloaded: %s: %s" % (step.__name__, e), file=sys.stderr)

    def modules():
        import ansible.executor.module_common  # noqa: F401
        import ansible.executor.process.worker  # noqa: F401
        import ansible.executor.task_executor  # noqa: F401
        import ansible.playbook.handler_task_include  # noqa: F401
        import ansible.plugins.strategy.linear  # noqa: F401
        import multiprocessing.popen_fork  # noqa: F401
        import multiprocessing.queues  # noqa: F401

    def classes():
        from ansible.plugins import loader
        for kind in ("connection", "shell", "become", "callback", "action", "vars", "lookup", "strategy", "cache"):
            for _ in getattr(loader, kind + "_loader").all(class_only=True):
                pass

    def jinja():
        from ansible.plugins import loader
        for kind in ("filter", "test"):
            for _ in getattr(loader, kind + "_loader").all():
                pass

    def inventories():
        from ansible.plugins import loader
        for name in ("host_list", "script", "auto", "yaml", "ini", "toml"):
            loader.inventory_loader.get(name)

    def names():
        from ansible.plugins import loader
        for name in ("command", "ansible.builtin.command", "ansible.legacy.command"):
            loader.module_loader.find_plugin_with_context(name)
            loader.action_loader.find_plugin_with_context(name)

    for step in (modules, classes, jinja, inventories, names):
        quietly(step)


def mind_overrides():
    """Makes plugins beside a playbook win over preloaded ones of the same name.

    Ansible finds them first, but takes a module of that name that is already
    imported. Here it was imported before Ansible could know.
    """
    from ansible import constants as C
    from ansible.plugins.loader import PluginLoader

    preloaded = {name for name in sys.modules if name.startswith("ansible.plugins.")}
    original = PluginLoader._load_module_source

    # The parameters are (name, path), by keywords and other names in later releases.
    def load_module_source(self, *args, **kwargs):
        given = dict(zip(("name", "path"), args), **kwargs)
        path, name = given.get("path"), given.get("name") or given.get("python_module_name") or ""
        full_name = name if name.startswith("ansible.") else ".".join([self.package, name])
        module = sys.modules.get(full_name)
        if full_name in preloaded and module is not None and path and \
                os.path.realpath(module.__file__) != os.path.realpath(path):
            del sys.modules[full_name]
            kind = self.package.rpartition(".")[2]
            getattr(C.config, "_plugins", {}).get(kind, {}).pop(full_name.rpartition(".")[2], None)
        return original(self, *args, **kwargs)

    PluginLoader._load_module_source = load_module_source


def check_release():
    """Fails where this release of Ansible lacks what become_playbook changes."""
    from ansible import constants as C
    import ansible.utils.vars
    C.config._parsers, C.config._config_file, C.CONFIG_FILE, C.DEFAULT_LOCAL_TMP  # noqa: B018
    ansible.utils.vars.random_int  # noqa: B018


def depends_on_folder(folder):
    """Names a setting whose value has this folder in it, which is only this process's."""
    from ansible import constants as C
    for name in sorted(C.config.get_configuration_definitions()):
        if name not in ("CONFIG_FILE", "DEFAULT_LOCAL_TMP") and folder in str(getattr(C, name, "")):
            return name
    return None


def become_playbook(request, command, home):
    """Makes this forked process what a fresh ansible-playbook would be, and runs it."""
    from ansible import constants as C
    from ansible.cli.playbook import main
    import ansible.utils.vars
    import multiprocessing.util

    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    sys.argv = [command] + request["args"]

    # The handlers of the parent are the parent's.
    atexit._clear()
    atexit.register(multiprocessing.util._exit_function)

    ours, own = os.path.join(home, "ansible.cfg"), os.path.join(request["cwd"], "ansible.cfg")
    if C.CONFIG_FILE == ours:
        C.CONFIG_FILE = C.config._config_file = own
        C.config._parsers[own] = C.config._parsers.get(ours)

    # A folder of its own for temporary files, where a fresh process would make it.
    base = request["env"].get("ANSIBLE_LOCAL_TEMP") or os.path.dirname(C.DEFAULT_LOCAL_TMP)
    C.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix="ansible-local-%d" % os.getpid(), dir=base)
    atexit.register(remove_tree, C.DEFAULT_LOCAL_TMP)

    ansible.utils.vars.random_int = "%08x" % random.getrandbits(32)
    return main(sys.argv)


def remove_tree(path):
    import shutil
    shutil.rmtree(path, ignore_errors=True)


class Server:
    def __init__(self, command):
        self.command = command
        self.home = os.getcwd()
        self.socket = socket.socket(fileno=CONTROL)
        self.running = {}  # request's id by process
        self.buffer = b""
        self.descriptors = []
        self.selector = selectors.DefaultSelector()
        # A byte arrives here with each child that ends.
        self.woken, self.waker = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(self.waker, False)

    def answer(self, **values):
        self.socket.sendall(json.dumps(values).encode() + b"\n")

    def serve(self):
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == self.woken:
                    self.drain()
                elif not self.receive():
                    return
            self.reap()

    def drain(self):
        try:
            while os.read(self.woken, 4096):
                pass
        except BlockingIOError:
            pass

    def receive(self):
        """Takes what has arrived; False at the end."""
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 16)
        self.descriptors += descriptors
        if not data:
            return False
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            self.start(json.loads(line), self.descriptors.pop(0), self.descriptors.pop(0))
        return True

    def start(self, request, output, report):
        pid = os.fork()
        if pid == 0:
            self.child(request, output, report)  # does not return
        os.close(output)
        os.close(report)
        self.running[pid] = request["id"]
        self.answer(started=request["id"], pid=pid)

    def child(self, request, output, report):
        status = 250  # Ansible's own code for what it did not expect
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            os.close(self.woken)
            os.close(self.waker)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.dup2(report, CONTROL)  # closes the socket
            for descriptor in {output, report} - {1, 2, CONTROL}:
                os.close(descriptor)
            os.set_inheritable(CONTROL, False)
            become_playbook(request, self.command, self.home)
            status = 0
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
            if isinstance(e.code, str):
                print(e.code, file=sys.stderr)
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            try:
                atexit._run_exitfuncs()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status & 0xFF)

    def reap(self):
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self.running.pop(pid, None)
            if number is not None:
                self.answer(ended=number, status=os.waitstatus_to_exitcode(status))

    def end_all(self):
        """Ends all playbooks: gently, then by force."""
        for kind, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 0.0)):
            for pid in self.running:
                try:
                    os.killpg(pid, kind)
                except ProcessLookupError:
                    pass
            until = time.monotonic() + patience
            while time.monotonic() < until:
                alive = [pid for pid in self.running if not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)]
                if not alive:
                    break
                time.sleep(0.02)


def main():
    command = sys.argv[1]
    # What a script finds here is its own folder.
    sys.path[0] = os.path.dirname(command)
    server = Server(command)
    try:
        load()
        check_release()
        mind_overrides()
        setting = depends_on_folder(server.home)
        if setting:
            server.answer(refused="the setting %s depends on the working directory" % setting)
            return
        from ansible.release import __version__
        server.answer(ready=__version__)
    except BaseException as e:
        server.answer(refused="%s: %s" % (type(e).__name__, e))
        return
    # Keeps the collector from touching, and so copying, what is shared.
    gc.collect()
    gc.freeze()
    try:
        server.serve()
    except ConnectionError:
        pass
    finally:
        server.end_all()


if __name__ == "__main__":
    main()
