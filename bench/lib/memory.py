"""Heap allocations per request in the steady state, and memory per idle client."""

import os
import struct
from dataclasses import dataclass

from .goals import GET_1, GET_16, SET_1, SET_16, Verdict
from .load import KEYS, Workload, run_load
from .proxies import BARE, DUAL, HAPROXY, PASS, TWEMPROXY
from .rounds import Quartiles, settle
from .stores import VALUE_BYTES, Connection, Pair, benchmark_key
from .tools import BenchError, find

# Timers and statistics that run by the clock allocate now and then: less than this is none.
NO_ALLOCATION = 0.001
REPEATS = 3  # a burst that comes now and then shows in the spread
ALLOCATION_TARGETS = {PASS: (GET_1, SET_1, GET_16, SET_16), DUAL: (SET_1, SET_16)}
ALLOCATION_PEERS = {TWEMPROXY: (GET_1, SET_1)}

IDLE_BASE = 1_000
IDLE_CLIENTS = 5_000
IDLE_GOAL = (1024, 256)
IDLE_TARGETS = (PASS, DUAL)
IDLE_PEERS = (TWEMPROXY, HAPROXY, BARE)


@dataclass(frozen=True)
class Allocations:
    target: str
    workload: Workload
    per_request: Quartiles


class MallocCounter:
    def __init__(self, processes):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "malloc_counter.c")
        library = processes.path("malloc_counter.so")
        processes.run("compile of the allocation counter", [
            find("cc"), "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], 60)
        self._path = processes.path("malloc_counter.bin")
        with open(self._path, "wb") as file:
            file.write(bytes(8))
        self.env = {"LD_PRELOAD": library, "CROSSFADE_BENCH_MALLOC_COUNTER": self._path}

    def read(self):
        with open(self._path, "rb") as file:
            return struct.unpack("=Q", file.read(8))[0]


def measure_allocations(processes, launcher, with_peers, progress):
    counter = MallocCounter(processes)
    found = []
    for name, workloads in {**ALLOCATION_TARGETS, **(ALLOCATION_PEERS if with_peers else {})}.items():
        if not launcher.available(name):
            continue
        pair = Pair(processes, "allocations", KEYS)
        target = launcher.start(name, pair, env=counter.env)
        if counter.read() == 0:
            raise BenchError(f"{name} made no allocation that could be counted while it started")
        for workload in workloads:
            progress(f"allocations: {name}, {workload.name}")
            # The first load brings every buffer to its size.
            run_load(processes, target, workload)
            once = min(_allocations_of(processes, counter, target, workload) for _ in range(REPEATS))
            twice = [_allocations_of(processes, counter, target, workload.times(2))
                     for _ in range(REPEATS)]
            found.append(Allocations(name, workload, Quartiles.of(
                [(count - once) / workload.requests for count in twice])))
        launcher.stop(target)
        pair.stop()
    return found


def _allocations_of(processes, counter, target, workload):
    settle(target.pid)
    before = counter.read()
    run_load(processes, target, workload)
    settle(target.pid)
    return counter.read() - before


def allocation_verdicts(found):
    result = []
    for item in found:
        goal = NO_ALLOCATION if item.target in ALLOCATION_TARGETS else None
        title = f"{item.target}, heap allocations per request, {item.workload.name}"
        per_request = item.per_request
        result.append(Verdict("allocations", title, per_request.median, goal, goal,
                              spread=(per_request.low, per_request.high)))
    return result


def resident_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/smaps_rollup has no Rss line")


def measure_idle(processes, launcher, with_peers, file_limit, progress):
    """Bytes per idle client, by target: from a base of clients on, so that what exists once cancels."""
    if file_limit < IDLE_BASE + IDLE_CLIENTS + 100:
        raise BenchError(f"{IDLE_BASE + IDLE_CLIENTS} clients need as many open files, and the hard "
                         f"limit is {file_limit} (raise it with ulimit -Hn)")
    found = {}
    for name in (*IDLE_TARGETS, *(IDLE_PEERS if with_peers else ())):
        if not launcher.available(name):
            continue
        progress(f"idle clients: {name}")
        pair = Pair(processes, "idle", 1_000)
        target = launcher.start(name, pair)
        connections = []
        try:
            _connect(connections, target.port, IDLE_BASE)
            settle(target.pid)
            before = resident_bytes(target.pid)
            _connect(connections, target.port, IDLE_CLIENTS)
            settle(target.pid)
            found[name] = (resident_bytes(target.pid) - before) / IDLE_CLIENTS
        finally:
            for connection in connections:
                connection.close()
        launcher.stop(target)
        pair.stop()
    return found


def _connect(connections, port, count):
    value = b"x" * VALUE_BYTES
    for number in range(count):
        connection = Connection(port)
        connections.append(connection)
        key = benchmark_key(number % 1_000)
        connection.command(b"SET", key, value)
        if connection.command(b"GET", key) != value:
            raise BenchError("an idle client's GET did not return what it had SET")


def idle_verdicts(found):
    result = []
    for name, value in found.items():
        must, stretch = IDLE_GOAL if name in IDLE_TARGETS else (None, None)
        result.append(Verdict("memory", f"{name}, bytes per idle client after use", value, must, stretch))
    return result
