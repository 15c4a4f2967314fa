# SPDX-License-Identifier: MIT
"""Starts programs under a keeper, and makes the programs that crash."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import uuid

from harness import clean_environment, eventually
from snapshot import folders

BUILD = pathlib.Path(os.environ.get("CCOL_BUILD_DIR", "build"))
HERE = pathlib.Path(__file__).resolve().parent
RUN = os.environ.get("CCOL_WATCHER", str(BUILD / "examples/crashcollect-run"))
ALONE = str(BUILD / "tests/keeper_alone")
VICTIM = str(BUILD / "tests/victim")
VICTIM_STATIC = str(BUILD / "tests/victim_static")
CGROUP_MEMORY = pathlib.Path("/sys/fs/cgroup/memory")


def without_fake_stack():
    """For a keeper of a build with a sanitizer that is to take no memory: each call would take some of a fake stack."""
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_stack_use_after_return=0"}


class Ended:
    """How a watched program ended, and what its keeper left."""

    def __init__(self, status, out, err, data):
        self.status = status
        self.out = out
        self.err = err
        self.data = data

    @property
    def folder(self):
        found = folders(self.data)
        assert len(found) == 1, f"{len(found)} folders: {self.err!r}"
        return found[0]

    @property
    def snapshot(self):
        """The only snapshot."""
        found = self.folder.snapshots
        assert len(found) == 1, f"{len(found)} snapshots; {self.folder.state}; {self.err!r}"
        return found[0]


def alone_command(data, *program, **options):
    """The command line of a keeper without a shipper."""
    chosen = [f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in options.items()]
    return [ALONE, str(data), *chosen, "--", *map(str, program)]


def keep(tmp_path, *program, wrap=(), timeout=60, env=None, stdout=subprocess.PIPE, **options):
    """Runs a program under a keeper without a shipper and waits for its end. wrap: a command in front of the keeper."""
    data = tmp_path / f"data-{uuid.uuid4().hex[:8]}"
    done = subprocess.run([*map(str, wrap), *alone_command(data, *program, **options)], stdout=stdout,
                          stderr=subprocess.PIPE, env=clean_environment(env), timeout=timeout, stdin=subprocess.DEVNULL,
                          check=False)
    return Ended(done.returncode, done.stdout, done.stderr, data)


def start(data, *program, env=None, **options):
    """The same without waiting: a Popen."""
    return subprocess.Popen(alone_command(data, *program, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=clean_environment(env), stdin=subprocess.DEVNULL)


def run(tmp_path, *arguments, timeout=60, env=None, **popen):
    """crashcollect-run with a data folder below tmp_path."""
    return subprocess.run([RUN, "--data-dir", str(tmp_path / "data"), *map(str, arguments)], capture_output=True,
                          env=clean_environment(env), timeout=timeout, check=False, **popen)


def shipper_of(keeper_pid):
    """The keeper's child that has the keeper's own program and leads a process group."""
    for task in pathlib.Path(f"/proc/{keeper_pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                same = os.readlink(f"/proc/{child}/exe") == os.readlink(f"/proc/{keeper_pid}/exe")
                if same and os.getpgid(int(child)) == int(child):
                    return int(child)
        except OSError:
            pass
    return None


def need(*programs):
    """The programs must be there: the package list of tests/run.sh installs them."""
    missing = [program for program in programs if not shutil.which(program)]
    assert not missing, f"not installed: {missing}"


def built_with(compiler, folder, *flags):
    """The victim as another compiler makes it."""
    need(compiler)
    program = folder / f"victim-{pathlib.Path(compiler).name}"
    subprocess.run([compiler, "-g", "-O1", "-pthread", *flags, "-o", str(program), str(HERE / "victims/victim.c")],
                   check=True, capture_output=True)
    return program


@contextlib.contextmanager
def memory_cgroup(limit):
    """A memory cgroup (v1) of its own with that limit, or None where none can be made."""
    group = CGROUP_MEMORY / f"ccol-test-{uuid.uuid4().hex[:12]}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        eventually(lambda: is_emptied(group), 20, "the cgroup is empty")
        group.rmdir()


def is_emptied(group):
    """Kills what is left in a cgroup; True when nothing was."""
    left = (group / "cgroup.procs").read_text().split()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    return not left
