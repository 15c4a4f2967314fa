# SPDX-License-Identifier: MIT
"""What a keeper takes of every kind of death: the acceptance cases of the monitor that it decides."""
import os
import pathlib
import shutil
import signal
import stat
import subprocess

import pytest
from harness import eventually
from monitor import VICTIM, VICTIM_STATIC, built_with, keep, need, run, start
from snapshot import (CRASHED, FATAL_SIGNAL, KILLED, MAIN_PROCESS, PTRACE, SECCOMP, WAIT, WAITED, folders)

WORKERS = [f"worker-{i}" for i in range(1, 7)]


def check_worker_segv(snapshot, executable=VICTIM, threads=7):
    """Case 1's report: the crashed worker, its frames, everybody's names."""
    assert snapshot.event == FATAL_SIGNAL and snapshot.signal == signal.SIGSEGV
    assert snapshot.siginfo_code == 1 and snapshot.siginfo_address == 0x10  # SEGV_MAPERR
    assert snapshot.thread_count == threads == len(snapshot.threads) and snapshot.threads_cut == 0
    crashed = snapshot.crashed
    assert crashed is snapshot.threads[0] or crashed.tid == snapshot.threads[0].tid == snapshot.tid
    assert crashed.name == "worker-3"
    assert sorted(t.name for t in snapshot.threads if t.tid != snapshot.pid) == WORKERS
    names = crashed.functions()
    assert names[0] == "leaf_crash"
    assert [name for name in names if name in ("leaf_crash", "middle", "outer", "worker")][:4] == [
        "leaf_crash", "middle", "outer", "worker"], names
    assert snapshot.executable == str(executable)
    assert all(thread.words() for thread in snapshot.threads)


def build_id(program):
    text = subprocess.run(["readelf", "-n", str(program)], capture_output=True, text=True, check=True).stdout
    return text.split("Build ID: ")[1].split()[0]


def test_case_01_null_store_in_a_worker(tmp_path):
    ended = keep(tmp_path, VICTIM, "segv")
    assert ended.status == 128 + signal.SIGSEGV
    check_worker_segv(ended.snapshot)
    assert ended.snapshot.flags & MAIN_PROCESS
    modules = {module["path"]: module for module in ended.snapshot.modules}
    assert modules[VICTIM]["build_id"] == build_id(VICTIM)
    libc = next(path for path in modules if "/libc.so" in path)
    assert modules[libc]["build_id"] == build_id(libc)
    assert "linux-vdso.so.1" in modules and modules["linux-vdso.so.1"]["build_id"]
    assert not ended.snapshot.errors
    assert "SigCgt" in ended.snapshot.status and VICTIM in ended.snapshot.maps
    assert ended.folder.state["phase"] == 3 and ended.folder.state["mode"] == PTRACE


def test_no_environment_in_a_snapshot(tmp_path):
    ended = keep(tmp_path, VICTIM, "segv", "an-argument-of-it", env={"SECRET_OF_TEST": "hunter2-hunter2"})
    data = ended.snapshot.data
    assert b"hunter2" not in data and b"SECRET_OF_TEST" not in data
    main = next(t for t in ended.snapshot.threads if t.tid == ended.snapshot.pid)
    assert main.words()  # the stack itself is there
    assert all(b"an-argument-of-it" not in stack for _, stack in ended.snapshot.memories())


def test_case_05_jump_to_null(tmp_path):
    snapshot = keep(tmp_path, VICTIM, "jump").snapshot
    crashed = snapshot.crashed
    assert crashed.pc == 0
    assert snapshot.symbolize([crashed.words()[0] - 1]) == ["jump_to_null"]


@pytest.mark.parametrize("how", ["blocked", "ignored"])
def test_case_07_blocked_and_ignored(tmp_path, how):
    ended = keep(tmp_path, VICTIM, how)
    assert ended.status == 128 + signal.SIGSEGV
    snapshot = ended.snapshot
    assert snapshot.event == FATAL_SIGNAL and snapshot.signal == signal.SIGSEGV and len(snapshot.threads) == 7
    assert snapshot.crashed.functions()[0] == "leaf_crash"


def test_case_08_seccomp_kill(tmp_path):
    ended = keep(tmp_path, VICTIM, "seccomp")
    assert ended.status == 128 + signal.SIGSYS
    snapshot = ended.snapshot
    assert snapshot.event == KILLED and snapshot.signal == signal.SIGSYS and snapshot.flags & SECCOMP
    assert snapshot.crashed.name == "worker-3"
    assert snapshot.crashed.registers["orig_rax"] == 110  # getppid
    assert "refused_call" in snapshot.crashed.functions()


def test_case_09_sigkill(tmp_path):
    with start(tmp_path / "data", VICTIM, "wait") as process:
        assert process.stderr.readline() == b"ready\n"
        folder = eventually(lambda: next(iter(folders(tmp_path / "data")), None))
        eventually(lambda: folder.state["phase"] == 2)
        os.kill(folder.state["app_pid"], signal.SIGKILL)
        assert process.wait(20) == 128 + signal.SIGKILL
    snapshot, = folder.snapshots
    assert snapshot.event == KILLED and snapshot.signal == signal.SIGKILL and snapshot.tid == 0
    assert len(snapshot.threads) == 7 and not any(t.flags & CRASHED for t in snapshot.threads)
    for thread in snapshot.threads:
        assert {"worker", "main"} & set(thread.functions()), f"{thread.name}: {thread.functions()}"
    assert snapshot.oom["kills_before"] == snapshot.oom["kills_after"]


@pytest.mark.parametrize("kill_stacks, threads", [(1, 1), (2, 0)])
def test_fewer_kill_stacks(tmp_path, kill_stacks, threads):
    with start(tmp_path / "data", VICTIM, "wait", kill_stacks=kill_stacks) as process:
        assert process.stderr.readline() == b"ready\n"
        folder = eventually(lambda: next(iter(folders(tmp_path / "data")), None))
        os.kill(folder.state["app_pid"], signal.SIGKILL)
        assert process.wait(20) == 128 + signal.SIGKILL
    snapshot, = folder.snapshots
    assert sum(bool(t.words()) for t in snapshot.threads) == threads
    assert snapshot.event == (KILLED if threads else WAITED) and snapshot.executable == VICTIM


def test_case_12_ends_that_are_no_crashes(tmp_path):
    assert keep(tmp_path, VICTIM, "exit", "0").folder.snapshots == []
    ended = keep(tmp_path, VICTIM, "exit", "3")
    assert ended.status == 3 and ended.folder.snapshots == []
    ended = keep(tmp_path, VICTIM, "exit", "3", exits=True)
    assert ended.status == 3 and ended.snapshot.wait_status == 3 << 8
    with start(tmp_path / "term", VICTIM, "wait") as process:
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert folders(tmp_path / "term")[0].snapshots == []


def test_case_13_an_app_that_recovers(tmp_path):
    ended = keep(tmp_path, VICTIM, "recover")
    assert ended.status == 0 and ended.folder.snapshots == []


@pytest.mark.parametrize("how", ["fork", "exec", "reexec"])
def test_case_14_children(tmp_path, how):
    ended = keep(tmp_path, VICTIM, how)
    assert ended.status == (128 + signal.SIGSEGV if how == "reexec" else 0)
    snapshot = ended.snapshot
    check_worker_segv(snapshot)
    app = ended.folder.state["app_pid"]
    assert (snapshot.pid == app) == (how == "reexec") and bool(snapshot.flags & MAIN_PROCESS) == (how == "reexec")
    assert how == "reexec" or snapshot.parent == app
    executable, = [m for m in snapshot.modules if m["path"] == VICTIM]
    assert executable["build_id"] == build_id(VICTIM) and executable["flags"] & 1


def test_case_15_static(tmp_path):
    check_worker_segv(keep(tmp_path, VICTIM_STATIC, "segv").snapshot, VICTIM_STATIC)


def test_case_15_musl(tmp_path):
    program = built_with("musl-gcc", tmp_path, "-idirafter", "/usr/include", "-idirafter",
                         "/usr/include/x86_64-linux-gnu")
    check_worker_segv(keep(tmp_path, program, "segv").snapshot, program)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a program that is set-user-ID root for another user")
def test_case_15_setuid(tmp_path):
    """Traced by somebody without privilege it runs without its own; in a mode that does not trace it keeps it."""
    need("setpriv")
    os.chmod(tmp_path, 0o777)
    program = pathlib.Path(shutil.copy(VICTIM, tmp_path / "setuid"))
    program.chmod(stat.S_ISUID | 0o755)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.fail(f"{tmp_path} is mounted nosuid")
    with_paths_open_to_all(tmp_path)
    traced = keep(tmp_path, program, "ids", wrap=nobody)
    assert traced.out == b"65534 65534\n"
    waited = keep(tmp_path, program, "ids", wrap=nobody, mode=WAIT)
    assert waited.out == b"65534 0\n"


def with_paths_open_to_all(path):
    """pytest makes its folders 0700."""
    for folder in [path, *path.parents]:
        if folder.parent == folder or folder == pathlib.Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o055)


def test_wait_mode_tells_the_signal(tmp_path):
    ended = keep(tmp_path, VICTIM, "segv", mode=WAIT)
    assert ended.status == 128 + signal.SIGSEGV
    snapshot = ended.snapshot
    assert snapshot.event == WAITED and snapshot.signal == signal.SIGSEGV and snapshot.threads == []


@pytest.mark.parametrize("threads, most_bytes", [(102, 1_500_000), (2000, 5_000_000)])
def test_case_24_many_threads(tmp_path, threads, most_bytes):
    """All stopped, copied and let go; how long that took is for tests/bench."""
    ended = keep(tmp_path, VICTIM, "threads", threads, freeze=5000)
    assert ended.status == 128 + signal.SIGSEGV
    snapshot = ended.snapshot
    assert snapshot.thread_count == threads and len(snapshot.data) <= most_bytes
    assert len(snapshot.threads) == min(threads, 1000)
    assert snapshot.crashed.functions()[0] == "leaf_crash"
    assert all(thread.words() for thread in snapshot.threads)
    cut = [line for line in snapshot.errors if "threads are left out" in line]
    assert bool(cut) == (threads > 1000), snapshot.errors
    assert not cut or cut[0].startswith(f"{threads - 1000} of {threads} threads")


def test_full_tables_change_nothing_for_the_app(tmp_path):
    ended = keep(tmp_path, VICTIM, "threads", 102, threads=20)
    assert ended.status == 128 + signal.SIGSEGV
    snapshot = ended.snapshot
    assert snapshot.thread_count == 102 and 0 < len(snapshot.threads) <= 20 and snapshot.errors
    ended = keep(tmp_path, VICTIM, "exec", processes=1)
    assert ended.status == 0 and "go unwatched" in ended.folder.state["trouble"]


def test_later_deaths_are_counted_when_nobody_ships(tmp_path):
    script = f"for i in 1 2 3 4; do {VICTIM} segv; done"
    ended = keep(tmp_path, "sh", "-c", script, waiting=2)
    state = ended.folder.state
    assert len(ended.folder.snapshots) == 2 and state["snapshots"] == 2 and state["snapshots_cut"] == 2


def test_without_a_data_folder_the_program_runs_unwatched(tmp_path):
    (tmp_path / "data").write_text("")
    program = ["--", "sh", "-c", "echo ran; exit 3"]
    done = run(tmp_path, *program)
    assert (done.returncode, done.stdout) == (3, b"ran\n") and b"sh is run unwatched" in done.stderr
    done = run(tmp_path, "--on-trouble", "refuse", *program)
    assert (done.returncode, done.stdout) == (125, b"") and b"sh is not started" in done.stderr
