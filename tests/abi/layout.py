#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layout.py COMPILER: the public headers and Python's declarations (bindings/python/crashcollect/_abi.py) say the same.

A C program made from the headers prints size and place of every member of every public struct and the value of every
constant; each is compared with ctypes'. Signatures of functions and callbacks are compared by the kinds of their
arguments. layout.py COMPILER --plant changes copies of the headers in all those ways and wants each to be found."""
import ctypes
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMENT = re.compile(r"/\*.*?\*/|\bCCOL_PRINTF\(\d+, \d+\)", re.S)
STRUCT = re.compile(r"typedef struct (ccol_\w+) \{(.*?)\n\} \1;", re.S)
ENUM = re.compile(r"(?:typedef )?enum (ccol_\w+) \{(.*?)\}", re.S)
MACRO = re.compile(r"^#define (CCOL_\w+) +(-?\d+)\s*$", re.M)
FUNCTION = re.compile(r"CCOL_API\s+([^;]*?)\b(ccol_\w+)\s*\(([^;]*)\)\s*;", re.S)
CALLBACK = re.compile(r"typedef ([^;()]*?)\(\*(ccol_\w+_fn)\)\(([^;]*)\);", re.S)
POINTER_MEMBER = re.compile(r"^(.*?)\(\*(\w+)\)\((.*)\)$", re.S)
KINDS = {"int": "i4", "unsigned": "u4", "size_t": "u8", "uint64_t": "u8", "int64_t": "i8", "uint16_t": "u2", "uint32_t": "u4",
         "int32_t": "i4", "pid_t": "i4", "bool": "bool", "char": "char", "double": "f8", "void": "void",
         "unsigned char": "u1", "uint8_t": "u1", "long": "i8"}
CTYPES = {ctypes.c_int: "i4", ctypes.c_uint: "u4", ctypes.c_uint64: "u8", ctypes.c_int64: "i8", ctypes.c_uint16: "u2",
          ctypes.c_bool: "bool", ctypes.c_char: "char", ctypes.c_double: "f8", ctypes.c_ubyte: "u1", None: "void"}


def code_of(text):
    """Without lines of the preprocessor."""
    return re.sub(r"^#(?:.*\\\n)*.*", "", text, flags=re.M)


def load_abi():
    spec = importlib.util.spec_from_file_location("_abi", ROOT / "bindings/python/crashcollect/_abi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments_of(text):
    """Splits at the commas that are outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [" ".join(part.split()) for part in parts if part.strip() not in ("", "void")]


class Headers:
    """What the headers declare. Kinds: p a pointer, p:NAME a pointer to a public struct, p() one to a function with a
    signature, else the number's."""

    def __init__(self, folder):
        self.texts = {path.name: COMMENT.sub("", path.read_text()) for path in sorted(folder.rglob("crashcollect/*.h"))}
        self.text = "\n".join(self.texts.values())
        self.enums = {name: re.findall(r"(?:^|,)\s*(CCOL_[A-Z0-9_]+)\b(?!\()", re.sub(r"#.*|CCOL_\w+\(.*\)", "", body))
                      for name, body in ENUM.findall(self.text)}
        self.structs = {name: self.members(body) for name, body in STRUCT.findall(self.text)}
        self.callbacks = {}
        code = code_of(self.text)
        self.callbacks = {name: self.signature(result, arguments) for result, name, arguments in CALLBACK.findall(code)}
        self.functions = {name: self.signature(result, arguments) for result, name, arguments in FUNCTION.findall(code)}
        self.macros = [name for name, _ in MACRO.findall(self.text)]
        self.errors = re.findall(r"\bX\((E\w+), ", self.text)

    @staticmethod
    def members(body):
        """(name, declaration without it) of each member."""
        found = []
        for statement in body.split(";"):
            statement = " ".join(statement.split())
            pointer = POINTER_MEMBER.match(statement)
            if pointer:
                found.append((pointer.group(2), ("callback", pointer.group(1), pointer.group(3))))
            elif statement:
                first, *others = statement.split(",")
                kind = re.match(r"(.*?)(\**)\s*\b(\w+)(\[.*\])?$", first)
                for declarator in (first, *others):
                    name = re.match(r".*?\b(\w+)(\[.*\])?$", declarator)
                    stars = "*" if "*" in declarator else ""
                    found.append((name.group(1), ("plain", kind.group(1) + stars, name.group(2) or "")))
        return found

    def kind(self, declaration):
        """Of an argument or result, with or without its name."""
        if declaration == "...":
            return declaration
        if "(*" in declaration:
            result, _, arguments = re.match(r"(.*?)\(\*(\w*)\)\((.*)\)$", declaration, re.S).groups()
            return f"p{self.signature(result, arguments)}"
        if "*" in declaration or "[" in declaration:
            named = re.findall(r"ccol_\w+", declaration)
            return f"p:{named[0]}" if named and named[0] in self.structs and declaration.count("*") == 1 else "p"
        words = [word for word in declaration.split() if word not in ("const", "struct", "enum")]
        for length in (2, 1):
            name = " ".join(words[:length])
            if name in KINDS:
                return KINDS[name]
        if words[0].endswith("_fn"):
            return f"p{self.callbacks[words[0]]}" if words[0] in self.callbacks else "p()"
        if words[0] in self.enums or "enum " in declaration:
            return "i4"
        raise SystemExit(f"layout: cannot tell what {declaration!r} is")

    def signature(self, result, arguments):
        return f"({', '.join(self.kind(part) for part in [result, *arguments_of(arguments)])})"


def kind_of(abi, kind):
    """The same of a ctypes type."""
    if kind in CTYPES:
        return CTYPES[kind]
    if hasattr(kind, "_restype_"):
        return f"p{signature_of(abi, kind._restype_, kind._argtypes_)}"
    if kind in (ctypes.c_void_p, ctypes.c_char_p):
        return "p"
    target = getattr(kind, "_type_", None)
    names = [name for name, struct in abi.STRUCTS.items() if struct is target]
    return f"p:{names[0]}" if names else "p"


def signature_of(abi, result, arguments):
    return f"({', '.join(kind_of(abi, kind) for kind in [result, *arguments])})"


def same(c, python):
    """Python may leave open what a pointer points to, a function too."""
    if c == python:
        return True
    if c.startswith("p(") and python.startswith("p("):
        return same(c[1:], python[1:])
    if not c.startswith("(") and not python.startswith("("):
        return c.startswith("p") and python in ("p", "p()")
    ours, theirs = (arguments_of(text[1:-1]) for text in (python, c))
    return len(ours) == len(theirs) and all(map(same, theirs, ours))


def program(headers):
    lines = ["#include <stdio.h>", *(f"#include <crashcollect/{name}>" for name in headers.texts if name != "microhttpd.h"),
             "int main(void)", "{"]
    for name, members in headers.structs.items():
        if name == "ccol_microhttpd_options":
            continue
        lines.append(f'    printf("struct {name} %zu\\n", sizeof({name}));')
        lines += [f'    printf("member {name}.{member} %zu %zu\\n", offsetof({name}, {member}), '
                  f"sizeof((({name} *)0)->{member}));" for member, _ in members]
    for constant in [*headers.macros, *(name for names in headers.enums.values() for name in names),
                     *(f"CCOL_{name}" for name in headers.errors)]:
        lines.append(f'    printf("constant {constant} %lld\\n", (long long){constant});')
    return "\n".join([*lines, "    return 0;", "}", ""])


def measure(compiler, folder, headers):
    with tempfile.TemporaryDirectory() as name:
        source, binary = pathlib.Path(name, "layout.c"), pathlib.Path(name, "layout")
        source.write_text(program(headers))
        subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", f"-I{folder}", "-o", binary, source], check=True)
        rows = subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()
    return {tuple(row.split()[:2]): tuple(map(int, row.split()[2:])) for row in rows}


def compare_structs(abi, headers, measured):
    for name in sorted(set(headers.structs) ^ set(abi.STRUCTS) - {"ccol_microhttpd_options"}):
        if name != "ccol_microhttpd_options":
            yield f"struct {name} is on one side only"
    for name in sorted(set(headers.structs) & set(abi.STRUCTS)):
        struct, members = abi.STRUCTS[name], headers.structs[name]
        if measured["struct", name] != (ctypes.sizeof(struct),):
            yield f"{name}: {measured['struct', name][0]} bytes in C, {ctypes.sizeof(struct)} in Python"
        if [member for member, _ in members] != [field[0] for field in struct._fields_]:
            yield f"{name}: members differ: C {[m for m, _ in members]}, Python {[f[0] for f in struct._fields_]}"
            continue
        end = 0
        for member, declaration in members:
            place = measured["member", f"{name}.{member}"]
            field = getattr(struct, member)
            if place != (field.offset, field.size):
                yield f"{name}.{member}: at {place} in C, {(field.offset, field.size)} in Python"
            if place[0] - end >= 8:
                yield f"{name}: {place[0] - end} bytes before {member} that no member was found for"
            end = sum(place)
            yield from compare_member(abi, headers, f"{name}.{member}", declaration, dict(struct._fields_)[member])
        if measured["struct", name][0] - end >= 8:
            yield f"{name}: members at its end were not found"


def compare_member(abi, headers, name, declaration, kind):
    form, first, second = declaration
    if form == "callback":
        c, python = headers.signature(first, second), kind_of(abi, kind)
        if not same("p" + c, python):
            yield f"{name}: {c} in C, {python} in Python"
    elif not second:
        c, python = headers.kind(first), kind_of(abi, kind)
        if not same(c, python):
            yield f"{name}: {c} in C, {python} in Python"


def compare_constants(abi, headers, measured):
    python = {f"CCOL_{name}": code for name, (code, _) in abi.ERROR_CODES.items()} | {"CCOL_OK": 0}
    python |= {f"CCOL_VERSION_{part}": value for part, value in zip(("MAJOR", "MINOR", "PATCH"), abi.VERSION)}
    for prefix, enum in abi.ENUMS.items():
        python |= {prefix + item.name: int(item) for item in enum}
    python |= {f"CCOL_{name}": value for name, value in vars(abi).items() if name.isupper() and isinstance(value, int)}
    c = {name: value[0] for (form, name), value in measured.items() if form == "constant" and not name.endswith("_")}
    for name in sorted(set(c) | set(python)):
        if c.get(name) != python.get(name):
            yield f"constant {name}: {c.get(name)} in C, {python.get(name)} in Python"


def compare_functions(abi, headers):
    python = {name: signature_of(abi, result, arguments) for name, result, arguments in [*abi.FUNCTIONS, *abi.CAPTURE_FUNCTIONS]}
    for name in sorted(set(headers.functions) ^ (set(python) | set(abi.LEFT_OUT))):
        yield f"function {name} is on one side only"
    for name in sorted(set(headers.functions) & set(python)):
        if not same(headers.functions[name], python[name]):
            yield f"{name}: {headers.functions[name]} in C, {python[name]} in Python"
    for name, signature in headers.callbacks.items():
        kind = getattr(abi, "".join(word.title() for word in name.split("_")[1:]), None)
        if kind is None:
            yield f"callback {name} is not declared in Python"
        elif not same(signature, kind_of(abi, kind)[1:]):
            yield f"{name}: {signature} in C, {kind_of(abi, kind)[1:]} in Python"


def differences(compiler, folder):
    abi, headers = load_abi(), Headers(folder)
    declared = len(re.findall(r"typedef struct ccol_\w+ \{", headers.text))
    assert declared == len(headers.structs), f"{declared} structs declared, {len(headers.structs)} understood"
    assert code_of(headers.text).count("CCOL_API ") == len(headers.functions), \
        "a function was not understood"
    measured = measure(compiler, folder, headers)
    return [*compare_structs(abi, headers, measured), *compare_constants(abi, headers, measured),
            *compare_functions(abi, headers)], headers


# file, what is there, what is put in its place, what must be told
PLANTED = [
    ("report.h", "    size_t length;\n", "    size_t length;\n    int more;\n", "ccol_file: members differ"),
    ("report.h", "    const void *data;\n    size_t length;", "    size_t length;\n    const void *data;", "members differ"),
    ("collector.h", "    unsigned crashmovers;", "    uint64_t crashmovers;", "ccol_collector_options"),
    ("collector.h", "    bool no_threads;", "    uint8_t no_threads;", "no_threads: u1 in C"),
    ("storage.h", "int (*sync)(void *self, ccol_error *err)", "int (*sync)(void *self)", "ccol_storage_ops.sync"),
    ("error.h", "X(EFULL, -2002", "X(EFULL, -2012", "constant CCOL_EFULL"),
    ("throttle.h", "CCOL_DEFER = 1", "CCOL_DEFER = 5", "constant CCOL_DEFER"),
    ("throttle.h", "CCOL_CONTINUE = 4", "CCOL_CONTINUE = 4, CCOL_SOMETIMES = 9", "constant CCOL_SOMETIMES"),
    ("throttle.h", "#define CCOL_RULE_NAME_MAX 63", "#define CCOL_RULE_NAME_MAX 31", "CCOL_RULE_NAME_MAX"),
    ("report.h", "int64_t ccol_report_received_at", "uint64_t ccol_report_received_at", "ccol_report_received_at"),
    ("collector.h", "ccol_collector *collector, unsigned timeout_ms", "ccol_collector *collector", "ccol_collector_drain"),
    ("collector.h", "char kind, const char *name, double value", "char kind, const char *name, float *value", "ccol_metric_fn"),
    ("server.h", "CCOL_API void ccol_server_quiesce", "CCOL_API void ccol_server_hush", "ccol_server_quiesce is on one side"),
]


def plant(compiler):
    for file, before, after, told in PLANTED:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name, "include")
            shutil.copytree(ROOT / "include", folder)
            header = folder / "crashcollect" / file
            text = header.read_text()
            assert before in text, f"{file} has no {before!r} to change"
            header.write_text(text.replace(before, after, 1))
            found, _ = differences(compiler, folder)
            assert any(told in line for line in found), f"{after!r} in {file} was not noticed: {found}"
    print(f"layout: all {len(PLANTED)} planted changes were found")


def main(compiler, *options):
    if options:
        return plant(compiler)
    found, headers = differences(compiler, ROOT / "include")
    members = sum(len(members) for members in headers.structs.values())
    sys.exit("\n".join(f"layout: {line}" for line in found) or print(
        f"layout: {len(headers.structs)} structs with {members} members, {len(headers.functions)} functions, "
        f"{len(headers.callbacks)} callbacks as in Python"))


if __name__ == "__main__":
    main(*sys.argv[1:])
