"""System calls per request: strace counts those of all threads during a known number of requests."""

import re
import signal
import time
from dataclasses import dataclass

from .goals import GET_1, GET_16, SET_1, SET_16, Verdict
from .load import Workload, run_load
from .proxies import BARE, BARE_DUAL, DUAL, PASS, TWEMPROXY
from .rounds import settle
from .tools import BenchError, find

GOALS = {(PASS, 1): (2.2, 2.1), (PASS, 16): (.16, .14),
         (DUAL, 1): (2.3, 2.2), (DUAL, 16): (.26, .24)}
TARGETS = {PASS: (GET_1, SET_1, GET_16, SET_16), DUAL: (SET_1, SET_16)}
PEERS = {TWEMPROXY: (GET_1, GET_16), BARE: (GET_1, GET_16), BARE_DUAL: (SET_1, SET_16)}
REPEATS = 3
SHARE_OF_LOAD = 0.25  # strace slows the proxy down manyfold


@dataclass(frozen=True)
class Counted:
    target: str
    workload: Workload
    calls: dict  # per request, by name

    @property
    def total(self):
        return sum(self.calls.values())


def count(processes, target, workload):
    """The median of a few differences: threads of the proxy that meet at a lock add a burst."""
    differences = [_difference(processes, target, workload) for _ in range(REPEATS)]
    differences.sort(key=lambda calls: sum(calls.values()))
    calls = differences[REPEATS // 2]
    return Counted(target.name, workload, {n: c for n, c in calls.items() if abs(c) >= 5e-4})


def _difference(processes, target, workload):
    """Twice as many requests less once as many: what opening 50 clients costs cancels."""
    single = _strace(processes, target, workload)
    double = _strace(processes, target, workload.times(2))
    return {name: (double.get(name, 0) - single.get(name, 0)) / workload.requests
            for name in {*single, *double}}


def _strace(processes, target, workload):
    summary = processes.path("strace.txt")
    settle(target.pid)
    tracer = processes.start("strace", [
        find("strace"), "-c", "-f", "-U", "calls,name", "-o", summary, "-p", str(target.pid)])
    deadline = time.monotonic() + 10
    while "attached" not in tracer.log_tail():
        tracer.check_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"strace did not attach to {target.name}: {tracer.log_tail()}")
        time.sleep(0.02)
    run_load(processes, target, workload)
    settle(target.pid)
    processes.stop(tracer, signal.SIGINT)
    with open(summary) as file:
        found = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", file.read(), re.MULTILINE)
    calls = {name: int(number) for number, name in found if name != "total"}
    if not calls:
        raise BenchError(f"strace counted nothing for {target.name}; attaching needs root or "
                         "kernel.yama.ptrace_scope=0")
    return calls


def measure_all(processes, targets, with_peers, progress):
    counted = []
    for name, workloads in {**TARGETS, **(PEERS if with_peers else {})}.items():
        if name not in targets:
            continue
        for workload in workloads:
            progress(f"system calls: {name}, {workload.name}")
            counted.append(count(processes, targets[name], workload.times(SHARE_OF_LOAD)))
    return counted


def verdicts(counted):
    result = []
    for item in counted:
        must, stretch = GOALS.get((item.target, item.workload.pipeline), (None, None))
        title = f"{item.target}, system calls per request, {item.workload.name}"
        result.append(Verdict("syscalls", title, item.total, must, stretch))
    return result
