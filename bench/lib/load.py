"""Load by redis-benchmark: what is sent, and what it printed."""

import csv
from dataclasses import dataclass

from .stores import VALUE_BYTES
from .tools import BenchError, find

KEYS = 100_000
BIG_BYTES = 10_240
BIG_KEYS = 10_000  # times 10 KiB in three stores: bounded by memory, under a prefix of their own


@dataclass(frozen=True)
class Workload:
    command: str       # "get" or "set"
    pipeline: int
    requests: int      # a multiple of the pipeline, so that exactly these are sent
    clients: int = 50
    bytes: int = VALUE_BYTES
    keys: int = KEYS

    @property
    def name(self):
        size = "" if self.bytes == VALUE_BYTES else f" {self.bytes // 1024} KiB"
        clients = "" if self.clients == 50 else f" c={self.clients}"
        return f"{self.command.upper()} P={self.pipeline}{size}{clients}"

    def times(self, factor):
        requests = max(self.pipeline, round(self.requests * factor / self.pipeline) * self.pipeline)
        return Workload(self.command, self.pipeline, requests, self.clients, self.bytes, self.keys)


@dataclass(frozen=True)
class LoadResult:
    requests_per_second: float
    p50_ms: float
    p99_ms: float


def run_load(processes, target, workload, timeout=300):
    argv = [find("redis-benchmark"), "-h", "127.0.0.1", "-p", str(target.port), "--csv",
            "-c", str(workload.clients), "-n", str(workload.requests), "-P", str(workload.pipeline)]
    if workload.bytes == VALUE_BYTES:
        argv += ["-r", str(workload.keys), "-d", str(workload.bytes), "-t", workload.command]
    else:
        argv += ["-r", str(BIG_KEYS), "SET", "big:__rand_int__", "x" * workload.bytes]
    try:
        output = processes.run("redis-benchmark", argv, timeout)
    except BenchError as error:
        raise BenchError(f"{target.name}, {workload.name}: {error}{target.log_tail()}") from None
    header = row = None
    for fields in csv.reader(line for line in output.splitlines() if line.startswith('"')):
        if fields[0] == "test":
            header = fields
        elif header:
            row = dict(zip(header, fields))
    if not row:
        raise BenchError(f"redis-benchmark printed no result for {workload.name}:\n{output[-500:]}")
    return LoadResult(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))
