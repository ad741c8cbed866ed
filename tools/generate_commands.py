#!/usr/bin/env python3
"""Writes routing/commands/command_id.h and builtin_table.inc from the COMMAND
reply of a redis-server (7.0) that it starts itself.

usage: tools/generate_commands.py [--server PATH] [--check]
  --check  write nothing; exit 1 if the committed files differ
"""
import argparse
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

FLAGS = {
    "write": "kWrite", "readonly": "kReadonly", "denyoom": "kDenyOom", "admin": "kAdmin",
    "pubsub": "kPubsub", "noscript": "kNoscript", "blocking": "kBlocking",
    "no_multi": "kNoMulti", "no_auth": "kNoAuth", "movablekeys": "kMovableKeys",
    "may_replicate": "kMayReplicate", "allow_busy": "kAllowBusy",
}
SPEC_FLAGS = {
    "RO": "kSpecReadOnly", "RW": "kSpecReadWrite", "OW": "kSpecOverwrite", "RM": "kSpecRemove",
    "not_key": "kSpecNotKey", "incomplete": "kSpecIncomplete", "variable_flags": "kSpecVariable",
    "access": "kSpecAccess", "insert": "kSpecModify", "update": "kSpecModify",
    "delete": "kSpecModify",
}
SPECS_MAX = 3  # BuiltinCommand::specs


def read_reply(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind in b"+-":
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return rest.decode()
    if kind == b":":
        return int(rest)
    if kind == b"$":
        if int(rest) < 0:
            return None
        return stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [read_reply(stream) for _ in range(max(int(rest), 0))]
    raise RuntimeError(f"unexpected reply {line!r}")


def connect(path, deadline):
    while True:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(path)
            return peer
        except OSError:
            peer.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def ask_server(server):
    """The version and the COMMAND reply of a server of its own, on a unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/s"
        process = subprocess.Popen(
            [server, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
             "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            with connect(path, time.monotonic() + 10) as peer:
                stream = peer.makefile("rb")
                peer.sendall(b"INFO server\r\nCOMMAND\r\n")
                info = read_reply(stream)
                version = next(line.split(":")[1] for line in info.splitlines()
                               if line.startswith("redis_version:"))
                return version, read_reply(stream)
        finally:
            process.terminate()
            process.wait()


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def key_spec(flat):
    spec = pairs(flat)
    flags = dict.fromkeys(SPEC_FLAGS[f] for f in spec["flags"] if f in SPEC_FLAGS)
    begin, find = pairs(spec["begin_search"]), pairs(spec["find_keys"])
    begin_spec, find_spec = pairs(begin["spec"]), pairs(find["spec"])
    if begin["type"] == "index":
        first = f'Begin::kIndex, {begin_spec["index"]}, ""'
    elif begin["type"] == "keyword":
        first = f'Begin::kKeyword, {begin_spec["startfrom"]}, "{begin_spec["keyword"].upper()}"'
    else:
        first = 'Begin::kUnknown, 0, ""'
    if find["type"] == "range":
        then = f'Find::kRange, {find_spec["lastkey"]}, {find_spec["keystep"]}, {find_spec["limit"]}'
    elif find["type"] == "keynum":
        then = (f'Find::kKeyNum, {find_spec["keynumidx"]}, {find_spec["keystep"]}, '
                f'{find_spec["firstkey"]}')
    else:
        then = "Find::kUnknown, 0, 1, 0"
    return "{" + first + ", " + then + ", " + (" | ".join(flags) or "0") + "}"


def identifier(name):
    words = name.replace("|", " ").replace("-", " ").replace("_", " ").replace(":", " ").split()
    return "k" + "".join(word.capitalize() for word in words)


def command_rows(reply):
    """(name, row) of every command and subcommand, ordered by name."""
    rows = {}
    for command in reply:
        name, arity, flags, first, last, step = command[:6]
        categories = [identifier("category " + c[1:]).replace("kCategory", "category::k")
                      for c in command[6]]
        specs, children = command[8], command[9]
        names = [FLAGS[f] for f in flags if f in FLAGS]
        if children:
            names.append("kContainer")
        if len(specs) > SPECS_MAX:
            raise RuntimeError(f"{name} has {len(specs)} key specifications")
        rows[name] = (f'{{"{name}", CommandId::{identifier(name)}, {arity}, '
                      f'{" | ".join(names) or "0"}, {" | ".join(categories) or "0"}, '
                      f'{first}, {last}, {step}, {len(specs)}, '
                      f'{{{", ".join(map(key_spec, specs))}}}}},')
        rows.update(command_rows(children))
    return dict(sorted(rows.items()))


def fold(items, indent, width=100):
    lines, line = [], ""
    for item in items:
        if line and len(indent) + len(line) + 1 + len(item) > width:
            lines.append(indent + line)
            line = ""
        line = f"{line} {item}" if line else item
    return lines + ([indent + line] if line else [])


def command_id_header(rows):
    names = [identifier(name) for name in rows]
    if len(set(names)) != len(names):
        raise RuntimeError("two commands would share an identifier")
    return "\n".join([
        "// The dense numbers of the commands of Redis 7.0, subcommands included, for",
        "// switches and tables. Generated by tools/generate_commands.py; never edited.",
        "#pragma once", "", "#include <cstddef>", "#include <cstdint>", "",
        "namespace crossfade::routing {", "",
        "// clang-format off",
        "enum class CommandId : uint16_t {",
        "  kOther = 0,  // known from a store's COMMAND reply alone",
        *fold([name + "," for name in names], "  "),
        "};",
        "// clang-format on", "",
        "// One more than the greatest CommandId.",
        f"inline constexpr size_t kCommandIds = {len(names) + 1};", "",
        "}  // namespace crossfade::routing", ""])


def builtin_table(version, rows):
    return "\n".join([
        f"// The commands of Redis {version}, by name. Generated by tools/generate_commands.py;",
        "// never edited. The columns are those of BuiltinCommand (builtin_table.h).",
        *rows.values(), ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=shutil.which("redis-server") or "redis-server")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    version, reply = ask_server(options.server)
    if not version.startswith("7.0."):
        sys.exit(f"the table is that of Redis 7.0, but {options.server} is {version}")
    rows = command_rows(reply)
    folder = pathlib.Path(__file__).resolve().parent.parent / "routing" / "commands"
    differs = False
    for name, text in (("command_id.h", command_id_header(rows)),
                       ("builtin_table.inc", builtin_table(version, rows))):
        path = folder / name
        if options.check:
            if not path.exists() or path.read_text() != text:
                print(f"{path} is not what redis-server {version} replies", file=sys.stderr)
                differs = True
        else:
            path.write_text(text)
    sys.exit(1 if differs else 0)


if __name__ == "__main__":
    main()
