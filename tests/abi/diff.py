#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""diff.py COMPILER [--update]: the public headers keep the ABI of baseline.abi, says abidiff (abigail-tools).

The baseline is that of the last release; until there is one, of what 0.1.0 is to be, and --update writes it anew. New
functions are fine. Anything else, a longer struct too, has to be looked at and then written down by --update (together
with a new minor version, once there is a release). Compared are libraries of empty functions made from the headers:
with the real one's debug information abidiff would look into private structs. That the real one exports just these
functions is exports.py's to check, and that they are of these types the compiler's."""
import pathlib
import re
import subprocess
import sys
import tempfile

from layout import COMMENT, FUNCTION, ROOT, code_of

BASELINE = pathlib.Path(__file__).resolve().parent / "baseline.abi"
CHANGED = 4  # a bit of abidiff's exit status


def build(compiler, headers, folder):
    """A library with all public functions, empty."""
    text = "\n".join(COMMENT.sub("", path.read_text()) for path in sorted(headers.rglob("crashcollect/*.h")))
    functions = [f"{result} {name}({arguments})\n{{\n    __builtin_trap();\n}}\n"
                 for result, name, arguments in FUNCTION.findall(code_of(text))]
    source, library = folder / "abi.c", folder / "libcrashcollect.so"
    source.write_text("#include <crashcollect.h>\n#include <crashcollect/microhttpd.h>\n" + "\n".join(functions))
    subprocess.run([compiler, "-g", "-shared", "-fPIC", f"-I{headers}", "-o", library, source], check=True)
    return library


def describe(compiler, headers):
    with tempfile.TemporaryDirectory() as name:
        library = build(compiler, headers, pathlib.Path(name))
        text = subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-architecture",
                               "--no-elf-needed", library], check=True, capture_output=True, text=True).stdout
    return re.sub(r" path='[^']*'", " path='abi.c'", text)


def changes(compiler, before):
    """abidiff's report, or "" where nothing has changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "baseline.abi").write_text(before)
        done = subprocess.run(["abidiff", "--no-architecture", "--no-added-syms", "--no-show-locs", folder / "baseline.abi",
                               build(compiler, ROOT / "include", folder)], capture_output=True, text=True)
    assert done.returncode & 3 == 0, f"abidiff failed: {done.stderr}"
    return done.stdout if done.returncode & CHANGED else ""


# What must be noticed: these were so in the baseline, and are no longer.
PLANTED = [(r"(elf-symbol name=')ccol_report_new'", r"\1ccol_report_make'", "ccol_report_make"),
           (r"(class-decl name='ccol_file' size-in-bits=')320'", r"\g<1>256'", "ccol_file"),
           (r"(enumerator name='CCOL_DEFER' value=')1'", r"\g<1>7'", "CCOL_DEFER")]


def main(compiler, *options):
    if options == ("--update",):
        BASELINE.write_text(describe(compiler, ROOT / "include"))
    before = BASELINE.read_text()
    found = changes(compiler, before)
    if found:
        sys.exit(f"abi: the ABI is not the baseline's:\n{found}")
    for pattern, replacement, told in PLANTED:
        text, count = re.subn(pattern, replacement, before)
        assert count, f"the baseline has no {pattern}"
        assert told in changes(compiler, text), f"a changed {told} was not noticed"
    print("abi: as in the baseline")


if __name__ == "__main__":
    main(*sys.argv[1:])
