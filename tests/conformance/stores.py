"""The two stores between units: put back as they were at the start, and compared."""

import subprocess

from live_pair import Connection, PairError

NOT_SET_BACK = (b"slaveof", b"replicaof")
COMPARISON_SECONDS = 120


class Stores:
    def __init__(self, ports, comparer):
        self._ports = ports
        self._comparer = comparer
        self._settings = {port: self._read_settings(port) for port in ports}

    @staticmethod
    def _read_settings(port):
        with Connection(port) as store:
            flat = store.command("CONFIG", "GET", "*")
        return dict(zip(flat[::2], flat[1::2]))

    def end_scripts(self):
        """A script that a failed test left running would fail the next ones."""
        for port in self._ports:
            with Connection(port) as store:
                store.command("SCRIPT", "KILL")
                store.command("FUNCTION", "KILL")

    def put_back(self):
        """Settings, data, scripts, functions, users and pauses: units leave them behind."""
        for port in self._ports:
            now = self._read_settings(port)
            with Connection(port) as store:
                for name, value in self._settings[port].items():
                    if now.get(name) != value and name not in NOT_SET_BACK:
                        store.command("CONFIG", "SET", name, value)
                for command in ("CLIENT UNPAUSE", "FLUSHALL", "FUNCTION FLUSH", "SCRIPT FLUSH",
                                "SLOWLOG RESET", "CONFIG RESETSTAT"):
                    store.command(*command.split())
                for user in store.command("ACL", "USERS"):
                    if user != b"default":
                        store.command("ACL", "DELUSER", user)
                store.command("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*",
                              "+@all")

    def difference(self):
        """None when both hold the same, else in words."""
        try:
            result = subprocess.run([self._comparer, *map(str, self._ports)], text=True,
                                    capture_output=True, timeout=COMPARISON_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the comparison did not end within {COMPARISON_SECONDS} s"
        if result.returncode not in (0, 1):
            raise PairError(f"{self._comparer} failed: {result.stderr}")
        return None if result.returncode == 0 else result.stdout.strip()
