"""The proxies that are measured: how each is configured and started, and when it is ready."""

import http.client
import json
import os
import signal
import time

from .tools import BenchError, find

DIRECT = "direct"
TWEMPROXY = "twemproxy"
HAPROXY = "haproxy"
BARE = "bare"
BARE_DUAL = "bare dual"
PASS = "pass-through"
DUAL = "dual write"
READS = "follower reads"
JOURNAL = "dual write, journal process"
JOURNAL_DISK = "dual write, journal disk"
CROSSFADE = (PASS, DUAL, READS, JOURNAL, JOURNAL_DISK)

TWEMPROXY_CONFIG = """\
bench:
  listen: 127.0.0.1:{port}
  redis: true
  hash: fnv1a_64
  distribution: ketama
  preconnect: true
  servers:
    - 127.0.0.1:{legacy}:1
"""

HAPROXY_CONFIG = """\
global
  nbthread 1
  maxconn 8000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:{port}
  server legacy 127.0.0.1:{legacy}
"""

CROSSFADE_CONFIG = """\
listen:
  - {{address: 127.0.0.1:{port}}}
workers: 1
stores:
  legacy: {{url: "redis://127.0.0.1:{legacy}"}}
  new: {{url: "redis://127.0.0.1:{new}"}}
stage: {stage}
reads:
  follower: {share}
  staleness: 50ms
admin: {{listen: 127.0.0.1:{admin}}}
{journal}log: {{level: warn}}
"""

CROSSFADE_MODES = {PASS: ("observe", "0%"), DUAL: ("mirror", "0%"), READS: ("ramp", "50%"),
                   JOURNAL: ("mirror", "0%"), JOURNAL_DISK: ("mirror", "0%")}
JOURNAL_MODES = {JOURNAL: "process", JOURNAL_DISK: "disk"}


class Target:
    """Something that load can be sent to. `child` is None for the direct connection."""

    def __init__(self, name, pair, port, child=None):
        self.name = name
        self.pair = pair
        self.port = port
        self.child = child

    @property
    def pid(self):
        return self.child.pid if self.child else None

    def log_tail(self):
        return f"\n{self.name} logged:\n{self.child.log_tail()}" if self.child else ""


class Launcher:
    """Starts targets. `wrap` stands before the program (valgrind, say), `env` is added."""

    def __init__(self, processes, crossfade, bare):
        self._processes = processes
        self._crossfade = crossfade
        self._bare = bare

    def available(self, name):
        if name in CROSSFADE:
            return self._crossfade is not None
        if name in (BARE, BARE_DUAL):
            return self._bare is not None
        return True

    def start(self, name, pair, wrap=(), env=None):
        if name == DIRECT:
            return Target(name, pair, pair.legacy.port)
        port = self._processes.free_port()
        admin = self._processes.free_port()
        argv = [*wrap, *self._argv(name, pair, port, admin)]
        child = self._processes.start(name, argv, env)
        self._processes.wait_listening(child, port, timeout=60)
        if name in CROSSFADE:
            _wait_ready(child, pair, admin, mirrors=name != PASS)
        return Target(name, pair, port, child)

    def stop(self, target, signal_number=signal.SIGTERM):
        if target.child:
            self._processes.stop(target.child, signal_number)

    def _argv(self, name, pair, port, admin):
        ports = {"port": port, "admin": admin, "legacy": pair.legacy.port, "new": pair.new.port}
        if name == TWEMPROXY:
            config = self._processes.write(f"twemproxy-{port}.yml", TWEMPROXY_CONFIG.format(**ports))
            return [find("nutcracker"), "-c", config, "-s", str(admin), "-a", "127.0.0.1", "-v", "4",
                    "-o", self._processes.path(f"twemproxy-{port}.out")]
        if name == HAPROXY:
            config = self._processes.write(f"haproxy-{port}.cfg", HAPROXY_CONFIG.format(**ports))
            return [find("haproxy"), "-db", "-q", "-f", config]
        if name == BARE:
            return [self._bare, str(port), str(pair.legacy.port)]
        if name == BARE_DUAL:
            return [self._bare, str(port), str(pair.legacy.port), str(pair.new.port)]
        stage, share = CROSSFADE_MODES[name]
        journal = ""
        if name in JOURNAL_MODES:
            folder = self._processes.path(f"journal-{port}")
            journal = f"journal: {{dir: {folder}, mode: {JOURNAL_MODES[name]}}}\n"
        text = CROSSFADE_CONFIG.format(stage=stage, share=share, journal=journal, **ports)
        config = self._processes.write(f"crossfade-{stage}-{port}.yaml", text)
        return [self._crossfade, "serve", "--config", config]


def compile_bare(processes, folder):
    """The prototype that shows the bound; None where its source is not at hand."""
    source = os.path.join(folder, "bare_epoll.cpp")
    if not os.path.exists(source):
        return None
    binary = processes.path("bare")
    processes.run("compile of the prototype",
                  [find("c++"), "-O2", "-std=c++20", "-o", binary, source], timeout=180)
    return binary


def crossfade_status(admin_port):
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=10)
    try:
        connection.request("GET", "/api/v1/status")
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _wait_ready(child, pair, admin_port, mirrors, timeout=120):
    """Until it can serve clients, has learnt the authority's commands (the last that it does at
    start) and, where the stage mirrors, the initial copy is done."""
    deadline = time.monotonic() + timeout
    status = None
    while time.monotonic() < deadline:
        child.check_alive()
        status = crossfade_status(admin_port)
        copied = status and (not mirrors or (
            status["mirror_state"] == "live" and status["dirty_keys"] == 0 and
            status["log_entries"] == 0))
        if status and status["ready"] and copied and pair.legacy.calls("command") > 0:
            return
        time.sleep(0.05)
    seen = ("its admin address did not answer" if not status else ", ".join(
        f"{name} is {status[name]!r}" for name in ("ready", "mirror_state", "dirty_keys", "log_entries")))
    raise BenchError(f"{child.name} is not ready after {timeout} s: {seen}\n{child.log_tail()}")
