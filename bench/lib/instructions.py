"""User instructions per request, by callgrind: 2N less N requests, so that connecting cancels."""

import os
import re
from dataclasses import dataclass

from .goals import GET_1, GET_16, SET_1, SET_16, Verdict
from .load import Workload, run_load
from .proxies import BARE, BARE_DUAL, DUAL, PASS, TWEMPROXY
from .rounds import settle
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
    pair = Pair(processes, "callgrind", KEYS)
    out = processes.path("callgrind.out")
    # Not counting while it starts makes that quick, and leaves no call open in what is counted.
    wrap = [find("valgrind"), "--tool=callgrind", "--instr-atstart=no", "-q",
            f"--callgrind-out-file={out}"]
    target = launcher.start(name, pair, wrap, ENVIRONMENT)
    run_load(processes, target, load)
    single = _instructions_of(processes, target, load, f"{out}.1")
    double = _instructions_of(processes, target, load.times(2), f"{out}.2")
    launcher.stop(target)
    pair.stop()
    functions = [((double[f] - single.get(f, 0)) / load.requests, f) for f in double]
    functions.sort(reverse=True)
    total = (sum(double.values()) - sum(single.values())) / load.requests
    return Counted(name, workload, total, functions[:TOP_FUNCTIONS])


def _instructions_of(processes, target, load, dump):
    """Instructions by function while `load` was served; callgrind numbers its dumps itself."""
    settle(target.pid)
    _control(processes, target, "--instr=on")
    run_load(processes, target, load)
    settle(target.pid)
    _control(processes, target, "--instr=off")
    _control(processes, target, "--dump")
    if not os.path.exists(dump):
        raise BenchError(f"callgrind wrote no {os.path.basename(dump)} for {target.name}"
                         f"{target.log_tail()}")
    listing = processes.run("callgrind_annotate", [
        find("callgrind_annotate"), "--threshold=100", "--show-percs=no", "--auto=no", dump], 300)
    functions = parse(listing)
    if not functions:
        raise BenchError(f"callgrind counted nothing for {target.name}{target.log_tail()}")
    return functions


def _control(processes, target, action):
    processes.run("callgrind_control", [find("callgrind_control"), action, str(target.pid)], 60)


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
