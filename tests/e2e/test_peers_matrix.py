# SPDX-License-Identifier: MIT
"""Which kinds of crashes users hear of: ours beside what a Python user on Linux has today without us, faulthandler, the
kernel's core files and three reporters that are carried inside the process (sentry-native with Crashpad, the same with
Breakpad, Embark's crash-handler with minidumper), in the same process, in one run. The table is left in
BUILD/peers_matrix.txt."""
import os
import pathlib
import re
import resource
import subprocess

import pytest

from harness import clean_environment, read_tree

BUILD = pathlib.Path(os.environ["CCOL_BUILD_DIR"])
RUN = os.environ["CCOL_WATCHER"]
LIBRARY = BUILD / "tests/crash_kinds.so"
SCRIPT = pathlib.Path(__file__).parent.parent / "services/crash_sdks.sh"
PYTHON = "/usr/bin/python3"
SECONDS = 60
TABLE = BUILD / "peers_matrix.txt"

# kind: first word of our CrashReason
KINDS = {
    "null store": "SIGSEGV", "abort": "SIGABRT", "double free": "SIGABRT", "jump to NULL": "SIGSEGV",
    "stack overflow": "SIGSEGV", "stack overflow in a thread": "SIGSEGV", "signal blocked": "SIGSEGV",
    "signal ignored": "SIGSEGV", "seccomp kill": "SIGSYS", "kill -9": "SIGKILL", "forked child": "SIGSEGV",
    "traceback in a thread": "exception",
}
PEERS = ["faulthandler", "core file", "Crashpad", "Breakpad", "minidumper"]
TRACEBACK = "import threading\nt = threading.Thread(target=lambda: {}['k'])\nt.start()\nt.join()"
SENTRY = """
import ctypes
sentry = ctypes.CDLL({library!r})
sentry.sentry_options_new.restype = ctypes.c_void_p
options = ctypes.c_void_p(sentry.sentry_options_new())
sentry.sentry_options_set_database_path(options, {database!r}.encode())
sentry.sentry_options_set_handler_path(options, {handler!r}.encode())
if sentry.sentry_init(options) != 0:
    raise SystemExit("sentry_init failed")
"""
MINIDUMPER = """
import ctypes
if ctypes.CDLL({library!r}).minidumper_watch({server!r}.encode(), {folder!r}.encode()) != 0:
    raise SystemExit("minidumper_watch failed")
"""
SEEN = {}


@pytest.fixture(scope="session")
def sdks():
    """Folders of those that are carried inside, built where they are missing."""
    result = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {name: pathlib.Path(path) for name, path in re.findall(r"^export PEER_(\w+)=(.*)$", result.stdout, re.M)}


def program(kind, first=""):
    text = TRACEBACK if kind == "traceback in a thread" else f"import ctypes\nctypes.CDLL({str(LIBRARY)!r}).die({kind!r}.encode())"
    return [PYTHON, "-c", f"{first}\n{text}"]


def run(command, folder, env=None, **popen):
    """Ends when whatever holds the program's stderr has: a handler of a process of its own, too."""
    return subprocess.run(command, capture_output=True, timeout=SECONDS, env=clean_environment(env), cwd=folder, check=False,
                          **popen)


def ours(kind, folder):
    run([RUN, "--data-dir", str(folder), "--", *program(kind)], folder)
    return [crash.raw_crash["CrashReason"].split()[0] for crash in read_tree(folder / "crashes").values()]


def faulthandler(kind, folder):
    return b"Fatal Python error" in run(program(kind, "import faulthandler; faulthandler.enable()"), folder).stderr


def core_file(kind, folder):
    """None where the machine's pattern sends cores elsewhere: that is not ours to change."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or pattern.startswith(("|", "@")):
        return None

    def allow_cores():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return None
    run(program(kind), folder, preexec_fn=allow_cores)
    return any(folder.glob("core*"))


def inside(kind, folder, library, first):
    """One that is carried inside, as when the program is linked to it: before libc. True if it left a minidump."""
    done = run(program(kind, first), folder, {"LD_PRELOAD": str(library)})
    assert b"failed" not in done.stderr, done.stderr
    return any(b"MDMP" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def sentry(kind, folder, sdk):
    library = sdk / "libsentry.so"
    return inside(kind, folder, library, SENTRY.format(library=str(library), database=str(folder),
                                                       handler=str(sdk / "crashpad_handler")))


def minidumper(kind, folder, sdk):
    library = sdk / "libminidumper_peer.so"
    return inside(kind, folder, library, MINIDUMPER.format(library=str(library), server=str(sdk / "minidumper_server"),
                                                           folder=str(folder)))


@pytest.mark.parametrize("kind", KINDS)
def test_ours_reports_every_kind(tmp_path, sdks, kind):
    folders = [tmp_path / name for name in ("ours", "faulthandler", "core", "crashpad", "breakpad", "minidumper")]
    for folder in folders:
        folder.mkdir()
    reasons = ours(kind, folders[0])
    SEEN[kind] = reasons, dict(zip(PEERS, (
        faulthandler(kind, folders[1]), core_file(kind, folders[2]), sentry(kind, folders[3], sdks["CRASHPAD"]),
        sentry(kind, folders[4], sdks["BREAKPAD"]), minidumper(kind, folders[5], sdks["MINIDUMPER"]))))
    assert reasons == [KINDS[kind]]


def test_the_table():
    """The peers worked, or they would see nothing at all."""
    words = {True: "yes", False: "-", None: "n/a"}
    rows = [f"{'kind of crash':28}{'crashcollect-run':18}" + "".join(f"{peer:14}" for peer in PEERS)]
    rows += [f"{kind:28}{' '.join(reasons):18}" + "".join(f"{words[peers[peer]]:14}" for peer in PEERS)
             for kind, (reasons, peers) in SEEN.items()]
    TABLE.write_text("\n".join(row.rstrip() for row in rows) + "\n")
    print("\n" + TABLE.read_text())
    assert list(SEEN) == list(KINDS)
    for kind in ("null store", "abort"):
        assert not [peer for peer, seen in SEEN[kind][1].items() if seen is False], SEEN[kind]
    assert not any(SEEN["kill -9"][1].values()), SEEN["kill -9"]
