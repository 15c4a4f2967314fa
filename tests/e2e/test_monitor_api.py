# SPDX-License-Identifier: MIT
"""A host that supervises programs through ccol_monitor_*: examples/supervisor.c, which also has threads."""
import json
import signal
import subprocess

from harness import clean_environment, read_tree
from monitor import BUILD, VICTIM

SUPERVISOR = str(BUILD / "tests/examples/supervisor")


def supervise(data, *program):
    return subprocess.run([SUPERVISOR, str(data), *map(str, program)], capture_output=True, text=True, check=False,
                          env=clean_environment(), timeout=120)


def test_each_crash_is_a_report_of_its_own(tmp_path):
    done = supervise(tmp_path, VICTIM, "segv")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"supervisor: start {i} ended by signal {int(signal.SIGSEGV)}" for i in (1, 2, 3)]
    crashes = read_tree(tmp_path / "crashes")
    assert len(crashes) == 3
    for crash in crashes.values():
        crash.check_whole()
        assert crash.raw_crash["ProductName"] == "Supervised" and crash.raw_crash["Version"] == "1.0"
        assert crash.raw_crash["CrashReason"].startswith("SIGSEGV")
        trace = json.loads(crash.dumps["stacktrace_json"])
        assert [frame["function"] for frame in trace["threads"][0]["frames"]][:3] == ["leaf_crash", "middle", "outer"]
    assert list((tmp_path / "monitor").iterdir()) == []  # all shipped, nothing left behind


def test_a_clean_end(tmp_path):
    done = supervise(tmp_path, VICTIM, "exit", "7")
    assert done.returncode == 7 and not done.stderr and read_tree(tmp_path / "crashes") == {}


def test_a_program_that_is_none(tmp_path):
    done = supervise(tmp_path, "/nowhere/at/all")
    assert done.returncode == 1
    assert done.stderr == "supervisor: cannot execute /nowhere/at/all: No such file or directory\n"
