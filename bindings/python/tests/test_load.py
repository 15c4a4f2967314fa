# SPDX-License-Identifier: MIT
"""Which library is loaded, and what is said when it is the wrong one."""
import subprocess

IMPORT = """
    try:
        import crashcollect
    except ImportError as error:
        print(type(error).__name__, error)
    else:
        print("loaded", crashcollect.library_version)
"""


def test_loaded(run_program):
    assert run_program(IMPORT).stdout == "loaded 0.1.0\n"


def test_absent(run_program):
    done = run_program(IMPORT, CRASHCOLLECT_LIBRARY="/nowhere/lib.so", LD_PRELOAD="")
    assert "LibraryError cannot load libcrashcollect" in done.stdout and "CRASHCOLLECT_LIBRARY names it" in done.stdout


def other_library(tmp_path, version):
    source = tmp_path / "other.c"
    source.write_text(f"unsigned ccol_version_number(void) {{ return {version}; }}\n" if version else "int other;\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "other.so", source], check=True)
    return str(tmp_path / "other.so")


def test_other_version(run_program, tmp_path):
    done = run_program(IMPORT, CRASHCOLLECT_LIBRARY=other_library(tmp_path, 2003))
    assert "is libcrashcollect 0.2.3, but this package is made for 0.1.0; install the two in the same version" in done.stdout


def test_older_build_of_the_version(run_program, tmp_path):
    done = run_program(IMPORT, CRASHCOLLECT_LIBRARY=other_library(tmp_path, 1000))
    assert "has no function ccol_" in done.stdout and "older than this package" in done.stdout


def test_something_else(run_program, tmp_path):
    done = run_program(IMPORT, CRASHCOLLECT_LIBRARY=other_library(tmp_path, 0))
    assert "is not libcrashcollect" in done.stdout
