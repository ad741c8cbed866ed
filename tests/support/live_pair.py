"""A crossfade process that mirrors between two redis-servers of its own, for test scripts.

Children never outlive the script; ports are free ones; all files lie in one temporary
folder that is removed at the end. Whatever can't be done raises PairError.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class PairError(Exception):
    pass


def _end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def find_binary(given=None):
    """The crossfade binary: as in CROSSFADE_BINARY, as given, or the newest build's."""
    named = os.environ.get("CROSSFADE_BINARY") or given
    if named:
        return os.path.abspath(named)
    built = [os.path.join(ROOT, "build", preset, "crossfade") for preset in ("release", "debug")]
    found = [path for path in built if os.access(path, os.X_OK)]
    if not found:
        raise PairError("no crossfade binary below build/; build one, or name it with --binary")
    return max(found, key=os.path.getmtime)


class Children:
    """Owns processes and a temporary folder; leaving the context ends and removes both."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="crossfade-test-")
        os.chmod(self.folder, 0o755)
        self._children = []
        self._ports = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + 5
        for child in reversed(self._children):
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def free_port(self):
        # Below the ephemeral range, so that no client connection takes it in the meantime.
        for _ in range(1000):
            port = random.randint(15_000, 30_000)
            if port in self._ports:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self._ports.add(port)
            return port
        raise PairError("no free loopback port between 15000 and 30000")

    def start(self, name, argv):
        with open(self.path(name + ".log"), "ab") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     cwd=self.folder, preexec_fn=_end_with_parent)
        self._children.append(child)
        return child

    def log_tail(self, name, lines=20):
        with open(self.path(name + ".log"), errors="replace") as log:
            return "".join(log.readlines()[-lines:])


class Connection:
    """A blocking RESP2 connection; bulk strings are bytes, an error reply is a PairError value."""

    def __init__(self, port, timeout=30):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._input = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._input.close()
        self._socket.close()

    def command(self, *args):
        parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
        self._socket.sendall(b"*%d\r\n" % len(parts) +
                             b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self._reply()

    def _reply(self):
        line = self._input.readline()
        if not line.endswith(b"\r\n"):
            raise PairError("the connection was closed while a reply was awaited")
        kind, text = line[:1], line[1:-2]
        if kind == b"-":
            return PairError(text.decode(errors="replace"))
        if kind == b"$":
            size = int(text)
            return None if size < 0 else self._input.read(size + 2)[:-2]
        if kind == b"*":
            size = int(text)
            return None if size < 0 else [self._reply() for _ in range(size)]
        return int(text) if kind == b":" else text


def await_that(holds, what, timeout, alive=lambda: True):
    """Polls until holds() is true; an error of the network means not yet."""
    deadline = time.monotonic() + timeout
    while alive():
        try:
            if holds():
                return
        except (OSError, PairError):
            pass
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    raise PairError(f"{what}: not within {timeout} s" if alive() else f"{what}: the process ended")


def start_store(children, name, *options):
    """A redis-server without persistence; its port."""
    port = children.free_port()
    child = children.start(name, [
        "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
        "--appendonly", "no", "--dir", children.folder, "--dbfilename", name + ".rdb", *options])

    def answers():
        with Connection(port) as connection:
            return connection.command("PING") == b"PONG"

    await_that(answers, f"{name} on port {port} answers", 30, lambda: child.poll() is None)
    return port


class Proxy:
    """crossfade serve in stage mirror between two stores; `extra` is added to its configuration."""

    def __init__(self, children, binary, legacy, new, workers=1, listeners=(), extra=""):
        self._children = children
        self.port = children.free_port()
        self.admin_port = children.free_port()
        config = children.path("crossfade.yaml")
        with open(config, "w") as file:
            file.write("listen:\n" + f"  - {{address: 127.0.0.1:{self.port}}}\n" +
                       "".join(f"  - {line}\n" for line in listeners) +
                       f"workers: {workers}\nstores:\n"
                       f'  legacy: {{url: "redis://127.0.0.1:{legacy}"}}\n'
                       f'  new: {{url: "redis://127.0.0.1:{new}"}}\n'
                       f"stage: mirror\nadmin: {{listen: 127.0.0.1:{self.admin_port}}}\n{extra}")
        self._process = children.start("crossfade", [binary, "serve", "--config", config])
        self._await(lambda status: status["mirror_state"] == "live", "the mirror is live", 60)

    def alive(self):
        return self._process.poll() is None

    def status(self):
        url = f"http://127.0.0.1:{self.admin_port}/api/v1/status"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ValueError) as error:
            raise PairError(f"no status: {error}") from None

    def await_drained(self, timeout=60):
        """Until every effect is applied, and no key is dirty or being synced."""
        self._await(lambda status: status["mirror_state"] == "live" and
                    status["log_entries"] == 0 and status["dirty_keys"] == 0 and
                    status["syncs_under_way"] == 0, "the mirror is drained", timeout)

    def _await(self, holds, what, timeout):
        last = {}

        def check():
            last.update(self.status())
            return holds(last)

        try:
            await_that(check, what, timeout, self.alive)
        except PairError as error:
            state = {name: last.get(name) for name in
                     ("mirror_state", "log_entries", "dirty_keys", "syncs_under_way")}
            raise PairError(f"{error}; {state}\n"
                            f"{self._children.log_tail('crossfade')}") from None
