"""The house rules that a program can check; see CONTRIBUTING.md.

check(root) returns the violations as "path:line: what" strings. The rules work on
lines of sources in clang-format's layout, so they need no parser.
"""

import os
import re

LAYERS = ["config", "routing", "replication", "proxy"]
OUTSIDE = ["tests", "bench", "tools"]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}
CPP = (".cc", ".h")
SOURCES = CPP + (".py", ".sh", ".js", ".css")

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
PRINTING = re.compile(r"\bstd::(cout|cerr|clog)\b|\b(?:printf|fprintf|vprintf|vfprintf|puts|fputs)\s*\(")
VAGUE_TYPE = re.compile(r"\b(?:class|struct|enum(?:\s+class)?|using|concept)\s+(\w*(?:Manager|Helper|Util)\w*)")
# What opens a brace in column 0 (or 2, in a class) and is no function.
NOT_A_FUNCTION = re.compile(
    r"^\s*(?:inline\s+|static\s+|constexpr\s+|const\s+|export\s+)*"
    r"(?:namespace|class|struct|union|enum|extern\s+\"C\"|if|for|while|switch|do|else|try|catch|"
    r"public|private|protected)\b")
COMMENT_OR_PREPROCESSOR = re.compile(r"^\s*(?://|#|\*|/\*)")


def source_files(root):
    """Paths relative to root, sorted."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS)
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            if name.endswith(SOURCES) or is_script(os.path.join(root, path)):
                yield path


def is_script(path):
    if "." in os.path.basename(path) or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def without_text(source):
    """C++ lines with comments and the insides of literals blanked."""
    pattern = re.compile(
        r'R"(?P<tag>[^\s()\\]{0,16})\((?P<raw>.*?)\)(?P=tag)"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'"
        r"|//[^\n]*|/\*.*?\*/", re.DOTALL)

    def blank(match):
        text = match.group(0)
        quote = text[0] if text[0] in "\"'" else ""
        if text.startswith("R"):
            quote = '"'
        return quote + "\n" * text.count("\n") + quote

    return pattern.sub(blank, source).split("\n")


def functions(lines):
    """(first line, length) of each function body in lines without comments and literals."""
    found = []
    for indent in ("", "  "):
        head = None  # the line on which the current declaration began
        number = 0
        while number < len(lines):
            line = lines[number]
            number += 1
            if not line.strip():
                head = None
                continue
            at_indent = line.startswith(indent) and not line[len(indent):].startswith(" ")
            if at_indent and not line.strip().startswith(("}", ")", ":")):
                head = number if not COMMENT_OR_PREPROCESSOR.match(line) else None
            if head is None or not line.rstrip().endswith("{"):
                if line.rstrip().endswith((";", "}")):
                    head = None
                continue
            declaration = " ".join(lines[head - 1:number])
            begin = head
            head = None
            if NOT_A_FUNCTION.match(declaration) or "(" not in declaration:
                continue
            if re.search(r"=\s*\{$", declaration.rstrip()):
                continue  # a table
            end = number
            while end < len(lines) and not re.match(re.escape(indent) + r"\}", lines[end]):
                end += 1
            found.append((begin, end + 2 - begin))
            number = end + 1
    return found


def check_includes(path, lines):
    layer = path.split(os.sep)[0]
    if layer not in LAYERS:
        return
    above = LAYERS[LAYERS.index(layer) + 1:]
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1).split("/")[0]
        if target in above or target in OUTSIDE:
            yield number, f"{layer}/ must not include {match.group(1)}"
        elif target not in LAYERS:
            yield number, f'"{match.group(1)}" is not relative to the repository root'


def check_header(path, lines):
    if "#pragma once" not in lines:
        yield 1, "a header needs #pragma once"
    if path.split(os.sep)[0] in LAYERS and not lines[0].startswith("//"):
        yield 1, "a header begins with a comment on its role"


def check_cpp(path, source, lines):
    yield from check_includes(path, lines)
    if path.endswith(".h"):
        yield from check_header(path, lines)
    code = without_text(source)
    quiet = path.split(os.sep)[0] in LAYERS and path != os.path.join("config", "check.h")
    for number, line in enumerate(code, 1):
        if quiet and PRINTING.search(line):
            yield number, "only tools print; use the log"
        match = VAGUE_TYPE.search(line)
        if match:
            yield number, f"{match.group(1)}: Manager, Helper and Util say nothing"
    for number, length in functions(code):
        if length > FUNCTION_LINES_MAX:
            yield number, f"a function of {length} lines, over {FUNCTION_LINES_MAX}"


def check_file(path, source):
    lines = source.split("\n")
    count = len(lines) - (1 if source.endswith("\n") else 0)
    if count > FILE_LINES_MAX:
        yield 1, f"{count} lines, over {FILE_LINES_MAX}"
    # The checker and its test have to name what they look for.
    if not path.startswith(os.path.join("tests", "house")):
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                yield number, "an unfinished piece of work"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "a tab character"
    if path.endswith(CPP):
        yield from check_cpp(path, source, lines)


def check(root):
    violations = []
    for path in source_files(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            source = file.read()
        for number, what in check_file(path, source):
            violations.append(f"{path}:{number}: {what}")
    return violations
