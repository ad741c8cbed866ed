"""Redis's own test suite against a port, unit by unit.

A run gives rows (unit, outcome, test), where the outcome is "ok" or how it failed. Where the
folder `suite` with a runner is there, that runs the units; else the suite is taken from Debian's
source package of Redis, into a cache, and run from a copy. Each unit is bounded in time, one
that runs out counts as a failed test.
"""

import collections
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

OK = "ok"
END_SECONDS = 5
# What belongs to one server's process, disk or replicas, or tests its speed.
LEFT_OUT = ("-slow", "-needs:repl", "-needs:debug", "-needs:save", "-needs:config-maxmemory",
            "-needs:config-resetstat", "-needs:pfdebug", "-needs:local-process", "-needs:latency")

Row = collections.namedtuple("Row", "unit outcome test")


class SuiteError(Exception):
    pass


def of_session(leader):
    """The processes of a session: timeout, for one, makes a process group of its own."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", errors="replace") as file:
                state, _, _, session = file.read().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(name))
    return found


def end_session(leader):
    """Nothing of it is left afterwards; who removes files at the end has time to."""
    kind, deadline = signal.SIGTERM, time.monotonic()
    while left := of_session(leader):
        if time.monotonic() >= deadline:
            for pid in left:
                try:
                    os.kill(pid, kind)
                except ProcessLookupError:
                    pass
            if kind == signal.SIGTERM:
                deadline += END_SECONDS
            kind = signal.SIGKILL
        time.sleep(0.05)


def run_bounded(argv, timeout, log_path, cwd=None, env=None):
    """The exit status, None when it ran out of time; nothing of its session is left."""
    with open(log_path, "wb") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd,
                                 env=env, start_new_session=True)
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_session(child.pid)
        child.wait()


def rows_of(unit, output):
    """The rows in what the suite's runner printed."""
    rows = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines():
        match = re.match(r"\[(ok|err|exception|timeout)\]: (.*)", line)
        if match:
            name = re.sub(r" \(\d+ ms\)$", "", match.group(2))
            rows.append(Row(unit, match.group(1), re.sub(r" in tests/\S+\.tcl$", "", name)))
    return rows


def read_rows(path):
    with open(path, errors="replace") as file:
        return [Row(*line.rstrip("\n").split("\t", 2)) for line in file]


def write_rows(path, rows):
    with open(path, "w") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)


def compare(baseline, rows, units):
    """How many tests pass in the baseline, how many of them in rows, and those that don't."""
    def passing(of):
        return collections.Counter((row.unit, row.test) for row in of
                                   if row.outcome == OK and row.unit in units)

    direct = passing(baseline)
    lost = direct - passing(rows)
    total = sum(direct.values())
    return total, total - sum(lost.values()), lost


class SharedSuite:
    """The runner that lies beside the checkout."""

    def __init__(self, folder, out):
        self._runner = os.path.join(folder, "run")
        self._out = out
        self.baseline_path = os.path.join(folder, "direct.tsv")

    @staticmethod
    def present(folder):
        return all(os.path.isfile(os.path.join(folder, name)) for name in ("run", "direct.tsv"))

    def close(self):
        pass

    def units(self):
        with open(self._runner) as file:
            listed = re.search(r'^UNITS="([^"]+)"', file.read(), re.MULTILINE)
        if listed is None:
            raise SuiteError(f"{self._runner} does not list its units")
        return listed.group(1).split()

    def run_unit(self, unit, port, backends, timeout):
        out = os.path.join(self._out, unit.replace("/", "_"))
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        env = {**os.environ, "UNIT_TIMEOUT": str(timeout),
               "BACKENDS": " ".join(f"127.0.0.1:{backend}" for backend in backends)}
        status = run_bounded([self._runner, "127.0.0.1", str(port), out, unit], timeout + 120,
                             os.path.join(out, "runner.log"), env=env)
        results = os.path.join(out, "tests.tsv")
        if status is None or status > 1 or not os.path.exists(results):
            raise SuiteError(f"{self._runner} ended with status {status}: see {out}/runner.log")
        return read_rows(results)


class DebianSuite:
    """The suite of Debian's source package, whose direct results are found by running it."""

    baseline_path = None

    def __init__(self, out):
        self._out = out
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self._cache = os.path.join(cache, "crossfade-redis-suite")
        os.makedirs(self._cache, exist_ok=True)
        source = self._source()
        self._copy = tempfile.mkdtemp(prefix="suite-", dir=out)
        shutil.copytree(os.path.join(source, "tests"), os.path.join(self._copy, "tests"))
        for name in ("runtest", "redis.conf"):
            shutil.copy(os.path.join(source, name), self._copy)
        os.makedirs(os.path.join(self._copy, "tests", "tmp"), exist_ok=True)
        os.makedirs(os.path.join(self._copy, "src"))
        for name in ("redis-server", "redis-cli", "redis-benchmark"):
            program = shutil.which(name)
            if program is None:
                raise SuiteError(f"{name} is not installed")
            os.symlink(program, os.path.join(self._copy, "src", name))

    def close(self):
        shutil.rmtree(self._copy, ignore_errors=True)

    def _source(self):
        def unpacked():
            return [entry.path for entry in os.scandir(self._cache)
                    if entry.is_dir() and entry.name.startswith("redis-") and
                    os.path.isfile(os.path.join(entry.path, "runtest"))]

        if not unpacked():
            self._fetch()
        if not unpacked():
            raise SuiteError(f"Debian's source package of Redis did not unpack in {self._cache}")
        return max(unpacked())

    def _fetch(self):
        """apt-get source, with package lists of its own: the machine's may have no sources."""
        log = os.path.join(self._cache, "fetch.log")
        lists = os.path.join(self._cache, "lists")
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        sources = os.path.join(self._cache, "debian.sources")
        with open(sources, "w") as file:
            file.write(self._deb_src())
        options = ["-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null",
                   "-o", f"Dir::State::Lists={lists}", "-o", "APT::Sandbox::User=root"]
        for command in (["update"], ["source", "redis"]):
            if run_bounded(["apt-get", *options, *command], 600, log, cwd=self._cache) != 0:
                raise SuiteError(f"apt-get {' '.join(command)} failed: see {log}")

    @staticmethod
    def _deb_src():
        """The machine's own archives, as archives of sources (deb822)."""
        stanzas = []
        folder = "/etc/apt/sources.list.d"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith(".sources"):
                with open(os.path.join(folder, name)) as file:
                    stanzas += re.split(r"\n\s*\n", file.read())
        found = [re.sub(r"(?m)^Types:.*$", "Types: deb-src", stanza).strip()
                 for stanza in stanzas if re.search(r"(?m)^URIs:", stanza)]
        if os.path.exists("/etc/apt/sources.list"):
            with open("/etc/apt/sources.list") as file:
                for line in file:
                    match = re.match(r"deb (?:\[.*?\] )?(\S+) (\S+) (.+)", line)
                    if match:
                        found.append("Types: deb-src\nURIs: {}\nSuites: {}\nComponents: {}".format(
                            *(part.strip() for part in match.groups())))
        if not found:
            raise SuiteError("no Debian archive is configured")
        return "\n\n".join(found) + "\n"

    def units(self):
        with open(os.path.join(self._copy, "tests", "test_helper.tcl")) as file:
            listed = re.search(r"set ::all_tests \{([^}]*)\}", file.read())
        if listed is None:
            raise SuiteError("the suite does not list its units")
        return [unit for unit in listed.group(1).split()
                if (unit.startswith("unit/") and not unit.startswith("unit/cluster/")) or
                unit == "integration/redis-cli"]

    def run_unit(self, unit, port, _backends, timeout):
        log_path = os.path.join(self._out, unit.replace("/", "_") + ".log")
        status = run_bounded(
            ["./runtest", "--host", "127.0.0.1", "--port", str(port), "--single", unit, "--tags",
             " ".join(LEFT_OUT), "--durable", "--dont-clean", "--no-latency"],
            timeout, log_path, cwd=self._copy)
        with open(log_path, errors="replace") as log:
            rows = rows_of(unit, log.read())
        if status is None:
            rows.append(Row(unit, "timeout", f"the unit ran past {timeout} s"))
        elif status != 0 and all(row.outcome == OK for row in rows):
            rows.append(Row(unit, "exception", f"the unit ended with status {status}"))
        return rows
