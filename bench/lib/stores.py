"""Real redis-servers in pairs (legacy and new), and the few commands the comparison needs."""

import socket

from .tools import BenchError, find

VALUE_BYTES = 100


class Connection:
    """A blocking RESP2 connection; replies are values, an error reply is raised."""

    def __init__(self, port, timeout=30):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Unbuffered when idle: thousands of these are held open at once.
        self._input = None

    def close(self):
        if self._input:
            self._input.close()
        self._socket.close()

    def command(self, *args):
        return self.pipeline([args])[0]

    def pipeline(self, commands):
        if not self._input:
            self._input = self._socket.makefile("rb")
        self._socket.sendall(b"".join(encode(args) for args in commands))
        return [self._reply() for _ in commands]

    def _reply(self):
        line = self._input.readline()
        if not line.endswith(b"\r\n"):
            raise BenchError("the connection was closed while a reply was awaited")
        kind, text = line[:1], line[1:-2]
        if kind == b"-":
            raise BenchError(f"error reply: {text.decode(errors='replace')}")
        if kind == b"$":
            length = int(text)
            return None if length < 0 else self._input.read(length + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(text))]
        return int(text) if kind == b":" else text


def encode(args):
    parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def benchmark_key(number):
    """As redis-benchmark -t get,set -r N names its keys."""
    return b"key:%012d" % number


class Store:
    def __init__(self, processes, name):
        self.port = processes.free_port()
        self.child = processes.start(name, [
            find("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", processes.folder, "--maxclients", "8000"])
        processes.wait_listening(self.child, self.port)

    def fill(self, keys):
        connection = Connection(self.port)
        value = b"x" * VALUE_BYTES
        for start in range(0, keys, 5000):
            numbers = range(start, min(start + 5000, keys))
            connection.pipeline([(b"SET", benchmark_key(n), value) for n in numbers])
        connection.close()

    def calls(self, command):
        """How often the store has executed `command` since it started."""
        connection = Connection(self.port)
        text = connection.command("INFO", "commandstats").decode()
        connection.close()
        for line in text.splitlines():
            if line.startswith(f"cmdstat_{command}:calls="):
                return int(line.split("=", 1)[1].split(",", 1)[0])
        return 0


class Pair:
    """Legacy holds the key space, new starts empty: a mirroring proxy copies it at start."""

    def __init__(self, processes, name, keys):
        self._processes = processes
        self.legacy = Store(processes, f"{name} legacy")
        self.new = Store(processes, f"{name} new")
        self.legacy.fill(keys)

    def stop(self):
        self._processes.stop(self.legacy.child)
        self._processes.stop(self.new.child)
