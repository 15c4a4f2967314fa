# SPDX-License-Identifier: MIT
"""Cases 15 and 19: what stdio held back, of every kind of program: with glibc and with musl, as libraries and inside, with
symbols and without."""
import pathlib
import subprocess

import pytest
from monitor import keep, need

SOURCE = pathlib.Path(__file__).resolve().parent / "victims/unflushed.c"
LAST_WORDS = b"the last words of a program: sixty-seven bytes that it never wrote."
LAST_ERROR = b"and an error of which nobody hears"
SECRET = "hunter2-hunter2-in-the-environment"


def built(folder, compiler, *flags):
    need(compiler)
    program = folder / "unflushed"
    subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", *flags, "-o", str(program), str(SOURCE)], check=True,
                   capture_output=True)
    return program


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
@pytest.mark.parametrize("flags", [(), ("-s",), ("-static",), ("-static", "-s"), ("-static-pie",), ("-static-pie", "-s")],
                         ids=" ".join)
def test_case_19_of_every_kind_of_program(tmp_path, compiler, flags):
    program = built(tmp_path, compiler, *flags)
    for how in ("words", "buffer"):
        snapshot = keep(tmp_path, program, how).snapshot
        assert (snapshot.unflushed(1), snapshot.unflushed(2)) == (LAST_WORDS, LAST_ERROR), how
        assert not snapshot.errors
    ended = keep(tmp_path, program, "none")
    assert ended.out == LAST_WORDS and ended.err.startswith(LAST_ERROR)
    assert (ended.snapshot.unflushed(1), ended.snapshot.unflushed(2)) == (b"", b"")


@pytest.mark.parametrize("flags", [(), ("-static",)], ids=" ".join)
def test_a_stream_that_was_overwritten_gives_nothing_away(tmp_path, flags):
    program = built(tmp_path, "gcc", *flags)
    for how in ("environment", "nonsense"):
        snapshot = keep(tmp_path, "env", "-i", f"PASSWORD={SECRET}", program, how).snapshot
        assert snapshot.unflushed(1) == b"" and snapshot.unflushed(2) == LAST_ERROR, how
        assert SECRET.encode() not in snapshot.data


@pytest.mark.parametrize("section, megabytes, is_found", [(".data", 20, True), (".data1", 3, True), (".data1", 5, False)])
def test_what_lies_too_far_is_said_to_be_missing(tmp_path, section, megabytes, is_found):
    program = built(tmp_path, "gcc", "-static", f"-DFAR={megabytes}<<20", f'-DFAR_SECTION="{section}"')
    snapshot = keep(tmp_path, program, "words").snapshot
    assert snapshot.unflushed(1) == (LAST_WORDS if is_found else b"")
    assert snapshot.errors == ([] if is_found else [
        "unflushed output: only the last 4 MiB of the program's data were searched"])
