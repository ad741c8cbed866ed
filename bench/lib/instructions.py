"""User instructions per request, by callgrind: N and 2N requests, so that start-up cancels."""

import re
from dataclasses import dataclass

from .goals import GET_1, GET_16, SET_1, SET_16, Verdict
from .load import Workload, run_load
from .proxies import BARE, BARE_DUAL, DUAL, PASS, TWEMPROXY
from .stores import Pair
from .tools import BenchError, find

# Fewer keys than elsewhere: the initial copy also runs under callgrind.
KEYS = 5_000
REQUESTS = {1: 16_000, 16: 48_000}
GOALS = {(PASS, 1): (1500, 800), (PASS, 16): (1000, 500)}
TARGETS = {PASS: (GET_1, SET_1, GET_16, SET_16), DUAL: (SET_1, SET_16)}
PEERS = {TWEMPROXY: (GET_1, GET_16), BARE: (GET_1, GET_16), BARE_DUAL: (SET_1, SET_16)}
TOP_FUNCTIONS = 15
# callgrind counts every byte of a `rep movsb` as an instruction, which is how glibc copies from a
# few KiB on: copies would count by how much happened to be buffered.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"}


@dataclass(frozen=True)
class Counted:
    target: str
    workload: Workload
    per_request: float
    functions: list  # [(instructions per request, function)], the largest first


def count(processes, launcher, name, workload):
    load = Workload(workload.command, workload.pipeline, REQUESTS[workload.pipeline], keys=KEYS)
    single = _callgrind(processes, launcher, name, load)
    double = _callgrind(processes, launcher, name, load.times(2))
    functions = [((double[f] - single.get(f, 0)) / load.requests, f) for f in double]
    functions.sort(reverse=True)
    total = (sum(double.values()) - sum(single.values())) / load.requests
    return Counted(name, workload, total, functions[:TOP_FUNCTIONS])


def _callgrind(processes, launcher, name, load):
    """Instructions by function over the whole life of a proxy that served `load`."""
    out = processes.path("callgrind.out")
    wrap = [find("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}", "-q"]
    pair = Pair(processes, "callgrind", KEYS)
    target = launcher.start(name, pair, wrap, ENVIRONMENT)
    # The end of the first, short load puts what is allocated once behind both runs.
    run_load(processes, target, load.times(0.1))
    run_load(processes, target, load)
    launcher.stop(target)
    pair.stop()
    listing = processes.run("callgrind_annotate", [
        find("callgrind_annotate"), "--threshold=100", "--show-percs=no", "--auto=no", out], 300)
    functions = parse(listing)
    if not functions:
        raise BenchError(f"callgrind wrote nothing for {name}:\n{target.child.log_tail()}")
    return functions


def parse(listing):
    """callgrind_annotate's list: `count  file:function [object]`; counts have thousands' commas."""
    functions = {}
    for line in listing.splitlines():
        match = re.match(r"^\s*([\d,]+)\s+(?:\([^)]*\)\s+)?(\S+?):(.+?)(?:\s\[([^\]]*)\])?$", line)
        if not match:
            continue
        count_text, _, function, binary = match.groups()
        function = re.sub(r"\(.*\)( const)?", "", function).replace("crossfade::", "")
        if binary and function.startswith("0x"):
            function = f"{function} in {binary.rsplit('/', 1)[-1]}"
        functions[function] = functions.get(function, 0) + int(count_text.replace(",", ""))
    return functions


def measure_all(processes, launcher, with_peers, progress):
    counted = []
    for name, workloads in {**TARGETS, **(PEERS if with_peers else {})}.items():
        if not launcher.available(name):
            continue
        for workload in workloads:
            progress(f"instructions: {name}, {workload.name}")
            counted.append(count(processes, launcher, name, workload))
    return counted


def verdicts(counted):
    result = []
    for item in counted:
        must, stretch = GOALS.get((item.target, item.workload.pipeline), (None, None))
        title = f"{item.target}, user instructions per request, {item.workload.name}"
        result.append(Verdict("instructions", title, item.per_request, must, stretch))
    return result
