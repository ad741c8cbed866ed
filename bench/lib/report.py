"""The results as a readable table, as Markdown and as JSON."""

import dataclasses
import datetime
import os
import platform
import subprocess

TITLES = {
    "passthrough": "Pass-through against twemproxy",
    "dual": "Dual write against twemproxy's single write",
    "dual-own": "Dual write against own pass-through",
    "journal": "The intent journal: dual write with one against without",
    "reads": "Reads at 50% to the follower against pass-through",
    "haproxy": "Pass-through against HAProxy (TCP)",
    "bound": "Against the bound (bare prototype)",
    "peers": "The peers among themselves",
    "throughput": "Throughput against a direct connection",
    "latency": "Latency of a single client against a direct connection",
    "syscalls": "System calls",
    "instructions": "User instructions",
    "allocations": "Heap allocations",
    "memory": "Memory",
}


def number(value):
    if value is None:
        return "–"
    if abs(value) < 0.00005:
        return "0"
    if abs(value) < 0.01:
        return f"{value:.4f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def limit(verdict, value):
    return "–" if value is None else ("≥ " if verdict.at_least else "≤ ") + f"{value:g}"


def quartiles(verdict):
    return f"{number(verdict.spread[0])}–{number(verdict.spread[1])}" if verdict.spread else ""


def verdict_cells(verdict):
    return [verdict.title, number(verdict.value), quartiles(verdict), limit(verdict, verdict.must),
            limit(verdict, verdict.stretch), verdict.reached]


HEAD = ["", "value", "quartiles", "must", "stretch", "reached"]


def plain_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in [head, *rows])


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def by_group(verdicts):
    return [(TITLES[group], [verdict_cells(v) for v in verdicts if v.group == group])
            for group in TITLES if any(v.group == group for v in verdicts)]


def absolutes(rounds):
    """Medians for orientation only: they drift with the machine, the ratios do not."""
    rows = []
    for workload, target in rounds.samples:
        cpu = rounds.absolute(workload, target, "cpu_us").median
        rows.append([workload, target, number(cpu) if cpu else "–",
                     f"{rounds.absolute(workload, target, 'rps').median:,.0f}",
                     f"{rounds.absolute(workload, target, 'p50_ms').median * 1000:.0f}"])
    return ["load", "target", "µs CPU per request", "requests/s", "median latency, µs"], rows


def syscall_rows(counted):
    rows = []
    for item in counted:
        calls = sorted(item.calls.items(), key=lambda call: -call[1])
        rows.append([item.target, item.workload.name, number(item.total),
                     ", ".join(f"{name} {number(value)}" for name, value in calls)])
    return ["target", "load", "per request", "of which"], rows


def sections(results):
    """[(title, head, rows)] of everything that was measured."""
    found = [(title, HEAD, rows) for title, rows in by_group(results["verdicts"])]
    if results.get("syscalls"):
        found.append(("System calls per request, by name", *syscall_rows(results["syscalls"])))
    for item in results.get("instructions", ()):
        rows = [[number(value), name] for value, name in item.functions if value >= 0.5]
        found.append((f"Instructions per request by function: {item.target}, {item.workload.name}",
                      ["instructions", "function"], rows))
    if results.get("rounds"):
        found.append(("Absolute figures (orientation only)", *absolutes(results["rounds"])))
    if results.get("checks"):
        found.append(("What the stores saw", ["", "calls"], results["checks"]))
    return found


def environment(repository, command_line):
    def git(*args):
        done = subprocess.run(["git", "-C", repository, *args], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else "unknown"
    # What the binary is built of; changes to the results themselves do not count.
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", ":!bench")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git("rev-parse", "--short=12", "HEAD") + (" with local changes" if dirty else ""),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "command": command_line,
        "load average at the start": load_average(),
    }


def load_average():
    """Of others too: a busy machine makes every proxy batch more, and shifts the ratios a little."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def print_plain(results):
    for title, head, rows in sections(results):
        print(f"\n{title}\n{plain_table(head, rows)}")


def markdown(results, env, rounds):
    lines = ["# Side by side with peers", "",
             "Written by `bench/compare`; how to read and repeat it stands in [README.md](README.md).", ""]
    lines += [f"- {name}: {value}" for name, value in env.items()]
    lines += [f"- rounds: {rounds}; ratios are paired within a round, given as median and quartiles", ""]
    for title, head, rows in sections(results):
        lines += [f"## {title}", "", markdown_table(head, rows), ""]
    return "\n".join(lines)


def as_json(results, env):
    rounds = results.get("rounds")
    return {
        "environment": env,
        "verdicts": [{**dataclasses.asdict(v), "reached": v.reached} for v in results["verdicts"]],
        "samples": [{"workload": w, "target": t, "rounds": [dataclasses.asdict(s) for s in samples]}
                    for (w, t), samples in rounds.samples.items()] if rounds else [],
        "syscalls": [{"target": c.target, "workload": c.workload.name, "calls": c.calls}
                     for c in results.get("syscalls", ())],
        "instructions": [{"target": c.target, "workload": c.workload.name,
                          "per_request": c.per_request, "functions": c.functions}
                         for c in results.get("instructions", ())],
        "checks": results.get("checks", []),
    }
