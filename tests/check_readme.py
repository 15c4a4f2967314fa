#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README.md shows is true: its C compiles and runs, is what lies in examples/, its links and settings exist.

usage: check_readme.py COMPILER SHARED_LIBRARY [COMPILER_FLAG...]
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLASS_LINES = 12  # a storage class needs no more, besides main
BLOCK = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:]+)\)")
VARIABLE = re.compile(r"\bCRASHCOLLECT_(\w+)")
SETTING = re.compile(r"^SETTING\((\w+),", re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def only(found, what):
    assert len(found) == 1, f"README has {len(found)} {what}, not one"
    return found[0]


def check_class(block):
    """The class is the one of custom_storage.c, which holds nothing else but main, and is short."""
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) <= CLASS_LINES, f"the storage class has {len(lines)} lines, at most {CLASS_LINES}"
    example = (ROOT / "examples" / "custom_storage.c").read_text()
    assert example.count(block) == 1, "README's storage class is not the one in examples/custom_storage.c"
    before, after = COMMENT.sub("", example).split(COMMENT.sub("", block))
    other = [line for line in before.splitlines() if line.strip() and not line.startswith("#include <")]
    assert not other, f"custom_storage.c has more than the class and main: {other[0]}"
    assert after.lstrip().startswith("int main(") and len(re.findall(r"^}", after, re.M)) == 1, \
        "custom_storage.c has more than the class and main behind the class"
    return "".join(re.findall(r"^#include .*\n", example, re.M)) + block


def check_program(block):
    example = (ROOT / "examples" / "minimal.c").read_text()
    assert example.endswith(block), "README's program is not examples/minimal.c"
    return block


def build(compiler, flags, source, folder, *more):
    (folder / "readme.c").write_text(source)
    command = [compiler, "-Wall", "-Wextra", "-Werror", *flags, f"-I{ROOT / 'include'}", folder / "readme.c", *more]
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"README's C does not compile:\n{done.stderr}"


def run(program, folder):
    done = subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"README's program ends with {done.returncode}:\n{done.stderr}"
    crash_id = only(re.findall(r"^CrashID=(\S+)$", done.stdout, re.M), "crash ids printed")
    assert list(folder.glob(f"crashes/*/raw_crash/{crash_id}.json")), "README's program kept no crash"


def main(compiler, library, *flags):
    text = (ROOT / "README.md").read_text()
    assert not re.search(r"^(<{7}|>{7}) ", text, re.M), "README has marks of a merge"
    blocks = BLOCK.findall(text)
    storage_class = only([block for block in blocks if "ccol_storage_ops " in block], "storage classes")
    program = only([block for block in blocks if "int main(" in block], "programs")
    assert len(blocks) == 2, "a C block in README that is not checked here"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        build(compiler, flags, check_class(storage_class), folder, "-Wno-unused", "-c", "-o", "class.o")
        build(compiler, flags, check_program(program), folder, "-o", "program", library,
              f"-Wl,-rpath,{pathlib.Path(library).parent}")
        run(folder / "program", folder)
    for link in LINK.findall(text + (ROOT / "CONTRIBUTING.md").read_text()):
        assert (ROOT / link).exists(), f"a link to {link}, which does not exist"
    settings = set(SETTING.findall((ROOT / "lib/settings/settings_table.h").read_text()))
    unknown = set(VARIABLE.findall(text)) - settings
    assert not unknown, f"README names settings that do not exist: {sorted(unknown)}"
    print("readme: the program runs, the storage class is the example's, links and settings exist")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except AssertionError as mistake:
        sys.exit(f"readme: {mistake}")
