"""The programs that the comparison runs, and the Debian package of each."""

import os
import shutil

PACKAGES = {
    "redis-server": "redis-server",
    "redis-benchmark": "redis-tools",
    "nutcracker": "nutcracker",
    "haproxy": "haproxy",
    "strace": "strace",
    "valgrind": "valgrind",
    "callgrind_annotate": "valgrind",
    "callgrind_control": "valgrind",
    "c++": "g++",
    "cc": "gcc",
}


class BenchError(Exception):
    """Something that the user can mend; printed without a traceback."""


def find(program):
    """The path of `program`; daemons lie in sbin, which a user's PATH may not have."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if not found:
        raise BenchError(
            f"{program} is not installed: apt-get install {PACKAGES.get(program, program)}")
    return found


def require(programs):
    """Fails with all that are missing, so that one apt-get is enough."""
    missing = set()
    for program in programs:
        try:
            find(program)
        except BenchError:
            missing.add(program)
    if missing:
        packages = sorted({PACKAGES.get(program, program) for program in missing})
        raise BenchError(f"not installed: {', '.join(sorted(missing))} "
                         f"(apt-get install {' '.join(packages)})")
