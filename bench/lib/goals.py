"""The goals: which ratio of which targets under which load, and what must be reached."""

from dataclasses import dataclass

from .load import BIG_BYTES, Workload
from .proxies import (BARE, BARE_DUAL, DIRECT, DUAL, HAPROXY, JOURNAL, JOURNAL_DISK, PASS, READS,
                      TWEMPROXY)

GET_1 = Workload("get", 1, 32_000)
SET_1 = Workload("set", 1, 32_000)
GET_16 = Workload("get", 16, 160_000)
SET_16 = Workload("set", 16, 160_000)
GET_64 = Workload("get", 64, 320_000)
SET_64 = Workload("set", 64, 320_000)
BIG_1 = Workload("set", 1, 16_000, bytes=BIG_BYTES)
BIG_16 = Workload("set", 16, 32_000, bytes=BIG_BYTES)
GET_ALONE = Workload("get", 1, 8_000, clients=1)
SET_ALONE = Workload("set", 1, 8_000, clients=1)


@dataclass(frozen=True)
class Goal:
    """metric of `over` / metric of `under`, both under `workload`. No `must`: for orientation."""
    group: str
    over: str
    under: str
    workload: Workload
    must: float | None = None
    stretch: float | None = None
    metric: str = "cpu_us"
    at_least: bool = False
    quick: bool = False

    @property
    def title(self):
        what = {"cpu_us": "CPU per request", "rps": "throughput", "p50_ms": "median latency"}
        return f"{self.over} / {self.under}, {what[self.metric]}, {self.workload.name}"


def _passthrough():
    limits = ((GET_1, .85, .75), (SET_1, .85, .75), (GET_16, .40, .30), (SET_16, .60, .45),
              (GET_64, .18, .12), (SET_64, .18, .12))
    return [Goal("passthrough", PASS, TWEMPROXY, w, must, stretch, quick=w.pipeline < 64)
            for w, must, stretch in limits]


def _dual():
    versus_peer = [Goal("dual", DUAL, TWEMPROXY, SET_1, 1.0, .90, quick=True),
                   Goal("dual", DUAL, TWEMPROXY, SET_16, .80, .60, quick=True)]
    versus_own = [Goal("dual-own", DUAL, PASS, w, 1.30, 1.15, quick=True) for w in (SET_1, SET_16)]
    big = [Goal("dual-own", DUAL, PASS, w, 1.45, 1.25) for w in (BIG_1, BIG_16)]
    return versus_peer + versus_own + big


def _journal():
    return [Goal("journal", journal, DUAL, w) for journal in (JOURNAL, JOURNAL_DISK)
            for w in (SET_1, SET_16)]


def _bound():
    own = [Goal("bound", PASS, BARE, w) for w in (GET_1, SET_1, GET_16, SET_16)]
    dual = [Goal("bound", DUAL, BARE_DUAL, w) for w in (SET_1, SET_16)]
    peers = [Goal("peers", BARE, TWEMPROXY, w) for w in (GET_1, SET_1, GET_16, SET_16)]
    peers += [Goal("peers", HAPROXY, TWEMPROXY, w) for w in (GET_1, SET_1, GET_16, SET_16)]
    peers += [Goal("peers", BARE_DUAL, BARE, w) for w in (SET_1, SET_16)]
    return own + dual + peers


def _directly():
    goals = []
    for workloads, must, stretch in (((GET_1, SET_1), .80, .95), ((GET_16, SET_16), .60, .70)):
        goals += [Goal("throughput", PASS, DIRECT, w, must, stretch, "rps", True, quick=True)
                  for w in workloads]
    goals += [Goal("latency", PASS, DIRECT, w, 2.0, 1.75, "p50_ms", quick=True)
              for w in (GET_ALONE, SET_ALONE)]
    return goals


def all_goals():
    reads = [Goal("reads", READS, PASS, w, 1.15, 1.05) for w in (GET_1, GET_16)]
    haproxy = [Goal("haproxy", PASS, HAPROXY, w, must, stretch)
               for w, must, stretch in ((GET_1, .70, .55), (SET_1, .70, .55),
                                        (GET_16, .85, .65), (SET_16, .85, .65))]
    return _passthrough() + _dual() + _journal() + reads + haproxy + _bound() + _directly()


def cells(goals):
    """What has to be measured for them: [(workload, target names)], each once."""
    found = {}
    for goal in goals:
        names = found.setdefault(goal.workload, [])
        names += [name for name in (goal.over, goal.under) if name not in names]
    return list(found.items())


@dataclass(frozen=True)
class Verdict:
    """One line of the results; `spread` is empty for what is counted once."""
    group: str
    title: str
    value: float
    must: float | None
    stretch: float | None
    at_least: bool = False
    spread: tuple = ()

    @property
    def reached(self):
        if self.must is None:
            return ""
        def holds(limit):
            return self.value >= limit if self.at_least else self.value <= limit
        if self.stretch is not None and holds(self.stretch):
            return "stretch"
        return "yes" if holds(self.must) else "NO"


def verdicts(goals, rounds):
    result = []
    for goal in goals:
        ratio = rounds.ratio(goal.workload.name, goal.over, goal.under, goal.metric)
        result.append(Verdict(goal.group, goal.title, ratio.median, goal.must, goal.stretch,
                              goal.at_least, (ratio.low, ratio.high)))
    return result
