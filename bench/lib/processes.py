"""Child processes that never outlive the comparison, their ports and their folder."""

import ctypes
import itertools
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .tools import BenchError

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def _end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def raise_file_limit():
    """Thousands of idle clients need as many descriptors, here and in the children."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Child:
    def __init__(self, name, popen, log_path):
        self.name = name
        self.popen = popen
        self.log_path = log_path

    @property
    def pid(self):
        return self.popen.pid

    def log_tail(self, lines=8):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:]).strip()

    def check_alive(self):
        if self.popen.poll() is not None:
            raise BenchError(f"{self.name} ended with status {self.popen.returncode}:\n"
                             f"{self.log_tail()}")


class Processes:
    """Owns the children and a temporary folder; leaving the context ends and removes both."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="crossfade-bench-")
        self._children = []
        self._ports = set()
        self._started = itertools.count()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self._children):
            if child.popen.poll() is None:
                child.popen.terminate()
        deadline = time.monotonic() + 5
        for child in reversed(self._children):
            self._reap(child, max(0.0, deadline - time.monotonic()))
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

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
        raise BenchError("no free loopback port between 15000 and 30000")

    def start(self, name, argv, env=None):
        log_path = self.path(f"{name}-{next(self._started)}.log".replace(" ", "-"))
        with open(log_path, "wb") as log:
            popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, **(env or {})}, start_new_session=True,
                preexec_fn=_end_with_parent)
        child = Child(name, popen, log_path)
        self._children.append(child)
        return child

    def stop(self, child, signal_number=signal.SIGTERM, timeout=20):
        if child.popen.poll() is None:
            child.popen.send_signal(signal_number)
        self._reap(child, timeout)
        self._children.remove(child)

    @staticmethod
    def _reap(child, timeout):
        try:
            child.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            child.popen.kill()
            child.popen.wait()

    def run(self, name, argv, timeout):
        """Runs to the end and returns its standard output; fails with what it printed."""
        child = self.start(name, argv)
        try:
            status = child.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{name} did not end within {timeout} s:\n{child.log_tail()}") from None
        finally:
            self.stop(child, signal.SIGKILL)
        if status != 0:
            raise BenchError(f"{name} ended with status {status}:\n{child.log_tail()}")
        with open(child.log_path, errors="replace") as log:
            output = log.read()
        os.unlink(child.log_path)
        return output

    def wait_listening(self, child, port, timeout=30):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            child.check_alive()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise BenchError(f"{child.name} does not listen on 127.0.0.1:{port} after {timeout} s:\n"
                         f"{child.log_tail()}")
