"""CPU per request, throughput and latency in short interleaved rounds, and ratios paired in them.

Machines are shared and flip between fast and slow: only measurements that follow each other
within a round are compared, and of these comparisons the median and the quartiles are kept.
"""

import os
import random
import statistics
import time
from dataclasses import dataclass

from .load import run_load
from .tools import BenchError

SETTLE_STEP_S = 0.01
SETTLE_BUSY_SHARE = 0.02
SETTLE_LIMIT_S = 5.0


def cpu_ns(pid):
    """User and system time of all threads, in nanoseconds."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
        except FileNotFoundError:
            continue  # the thread ended in the meantime
    return total


def settle(pid):
    """Waits until the process does nothing any more (what it mirrors is applied); its CPU time."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    before = cpu_ns(pid)
    while time.monotonic() < deadline:
        time.sleep(SETTLE_STEP_S)
        now = cpu_ns(pid)
        if now - before < SETTLE_STEP_S * SETTLE_BUSY_SHARE * 1e9:
            return now
        before = now
    raise BenchError(f"process {pid} is still busy {SETTLE_LIMIT_S:.0f} s after its load ended")


@dataclass(frozen=True)
class Sample:
    cpu_us: float  # per request; 0 for the direct connection
    rps: float
    p50_ms: float


def measure(processes, target, workload):
    before = settle(target.pid) if target.pid else 0
    result = run_load(processes, target, workload)
    after = settle(target.pid) if target.pid else 0
    if target.child:
        target.child.check_alive()
    return Sample((after - before) / workload.requests / 1e3, result.requests_per_second,
                  result.p50_ms)


class Rounds:
    """samples[(workload name, target name)] is one Sample per round."""

    def __init__(self, processes, targets, cells):
        self._processes = processes
        self._targets = targets  # by name
        self._cells = cells      # [(workload, [target names])]
        self.samples = {(w.name, name): [] for w, names in cells for name in names}

    def run(self, count, progress):
        progress("warming up")
        for workload, names in self._cells:
            for name in names:
                measure(self._processes, self._targets[name], workload.times(0.25))
        for number in range(count):
            progress(f"round {number + 1} of {count}")
            for workload, names in _shuffled(self._cells):
                for name in _shuffled(names):
                    sample = measure(self._processes, self._targets[name], workload)
                    self.samples[(workload.name, name)].append(sample)

    def ratio(self, workload, over, under, metric):
        pairs = zip(self.samples[(workload, over)], self.samples[(workload, under)])
        return Quartiles.of([getattr(a, metric) / getattr(b, metric) for a, b in pairs])

    def absolute(self, workload, target, metric):
        return Quartiles.of([getattr(s, metric) for s in self.samples[(workload, target)]])


@dataclass(frozen=True)
class Quartiles:
    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        if len(values) < 2:
            return Quartiles(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Quartiles(median, low, high)


def _shuffled(items):
    return random.sample(items, len(items))
