# SPDX-License-Identifier: MIT
"""Where a keeper has to work: memory cgroups, namespaces, as process 1, under and over other tracers."""
import os
import pathlib
import signal
import subprocess

import pytest
from harness import clean_environment, eventually
from monitor import VICTIM, alone_command, keep, memory_cgroup, need, start
from snapshot import ATTACH, KILLED, LET_GO, PRELOAD, PTRACE, SAME_CGROUP, UNKNOWN, WAIT, folders
from test_keeper import check_worker_segv, with_paths_open_to_all

LIMIT = 96 << 20  # the keeper of a build with sanitizers must have room beside the app
ROUNDS = 20
ROUNDS_WITH_STACKS = 8  # of those, at least: see the test
OOM_INSIDE = "echo $$ > $0/tasks; exec \"$@\""


def check_oom(ended, group):
    """Killed, by the counter of that cgroup, with the frames that allocated."""
    assert ended.status == 128 + signal.SIGKILL
    snapshot = ended.snapshot
    assert snapshot.event == KILLED and snapshot.signal == signal.SIGKILL
    oom = snapshot.oom
    assert snapshot.string(oom["path"]) == str(group) and oom["source"] == 1
    assert oom["kills_after"] == oom["kills_before"] + 1 and oom["kills_before"] != UNKNOWN
    assert oom["limit"] == LIMIT and oom["usage"] <= LIMIT + (1 << 20) and oom["peak"] >= LIMIT - (2 << 20)
    assert len(snapshot.threads) == 4 and all(thread.words() for thread in snapshot.threads), (
        snapshot.errors, snapshot.held_us, [(t.tid, t.flags, hex(t.sp), len(t.words())) for t in snapshot.threads])
    functions = [set(thread.functions(60)) for thread in snapshot.threads]
    assert any("eat_memory" in names for names in functions), functions
    return snapshot


def test_case_10_oom_keeper_outside(tmp_path):
    with memory_cgroup(LIMIT) as group:
        assert group or not os.environ.get("CI"), "no memory cgroup can be made"
        if not group:
            pytest.skip("no memory cgroup (v1) can be made here")
        snapshot = check_oom(keep(tmp_path, "sh", "-c", OOM_INSIDE, group, VICTIM, "oom"), group)
        assert not snapshot.flags & SAME_CGROUP and not snapshot.flags & LET_GO and snapshot.maps


def test_case_10_oom_keeper_inside(tmp_path):
    """The keeper is in the cgroup that is full: stacks nevertheless, and nobody held for it. Not every time: a keeper
    that happens to be inside a system call that needs memory waits there until the kernel has taken the stacks, and
    where its score cannot be lowered it may be the one that is killed."""
    held, missed = [], []
    for _ in range(ROUNDS):
        with memory_cgroup(LIMIT) as group:
            assert group or not os.environ.get("CI"), "no memory cgroup can be made"
            if not group:
                pytest.skip("no memory cgroup (v1) can be made here")
            ended = keep(tmp_path, VICTIM, "oom", wrap=["sh", "-c", OOM_INSIDE, str(group)])
            try:
                snapshot = check_oom(ended, group)
            except (AssertionError, IndexError, ValueError) as error:
                missed.append(str(error))
                continue
            # one that is full before its modules were read for the first time is held until they are: no LET_GO then
            assert snapshot.flags & SAME_CGROUP
            held.append(snapshot.held_us)
    assert len(held) >= ROUNDS_WITH_STACKS, missed
    print(f"{len(held)} of {ROUNDS} with stacks, held for {min(held)} to {max(held)} us")


def test_case_11_everything_killed(tmp_path):
    """The folder alone tells the next start what happened."""
    data = tmp_path / "data"
    with start(data, VICTIM, "wait") as process:
        assert process.stderr.readline() == b"ready\n"
        folder, = folders(data)
        app = folder.state["app_pid"]
        assert subprocess.run(["flock", "-n", str(folder.path / "keeper.lock"), "true"], check=False).returncode == 1
        os.kill(process.pid, signal.SIGKILL)
        os.kill(app, signal.SIGKILL)
        process.wait(20)
    assert folder.state["phase"] == 2 and folder.state["executable"] == VICTIM and folder.log() == b"ready\n"
    subprocess.run(["flock", "-n", str(folder.path / "keeper.lock"), "true"], check=True)


def test_case_22_user_and_pid_namespace(tmp_path):
    need("unshare")
    ended = keep(tmp_path, VICTIM, "segv", wrap=["unshare", "-Urpf", "--mount-proc"])
    check_worker_segv(ended.snapshot)


def test_case_22_as_process_1(tmp_path):
    """It exits where it cannot die by a signal, and reaps orphans."""
    need("unshare")
    wrap = ["unshare", "-rpf", "--mount-proc", "--kill-child"]
    ended = keep(tmp_path, VICTIM, "orphan", wrap=wrap)
    assert ended.status == 0, ended.err
    ended = keep(tmp_path, VICTIM, "segv", wrap=wrap)
    assert ended.status == 128 + signal.SIGSEGV
    check_worker_segv(ended.snapshot)


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes nobody")
def test_case_22_nobody_without_new_privileges(tmp_path):
    need("setpriv")
    with_paths_open_to_all(tmp_path)
    os.chmod(tmp_path, 0o777)
    wrap = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
    ended = keep(tmp_path, VICTIM, "segv", wrap=wrap)
    check_worker_segv(ended.snapshot)
    assert ended.snapshot.uid == 65534


def strace(tmp_path):
    """LeakSanitizer, in the keeper of such a build, cannot work under a tracer either."""
    need("strace")
    leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return ["env", f"ASAN_OPTIONS={leaks}", "strace", "-f", "-o", str(tmp_path / "trace")]


def test_case_23_under_strace(tmp_path):
    """Somebody traces the keeper and all its children: they cannot be traced twice."""
    ended = keep(tmp_path, VICTIM, "segv", wrap=strace(tmp_path), degrade=True)
    assert ended.status == 128 + signal.SIGSEGV
    state = ended.folder.state
    assert state["mode"] in (WAIT, ATTACH, PRELOAD) and state["mode_wanted"] == PTRACE
    assert "ptrace" in state["mode_reason"] and "Operation not permitted" in state["mode_reason"]
    assert ended.snapshot.signal == signal.SIGSEGV


def test_case_23_app_under_gdb(tmp_path):
    """A debugger inside what is watched: it works in a mode that does not trace, and is told no in ptrace."""
    need("gdb")
    script = ["gdb", "-nx", "-batch", "-ex", "run", "-ex", "bt 2", "--args", VICTIM, "segv"]
    ended = keep(tmp_path, *script, mode=WAIT)
    assert b"leaf_crash" in ended.out and ended.status == 0


def test_refused_where_it_must_not_degrade(tmp_path):
    ended = keep(tmp_path, VICTIM, "segv", wrap=strace(tmp_path))
    assert ended.status == 125 and b"mode ptrace does not work here" in ended.err


def test_stop_and_continue(tmp_path):
    """Job control passes a tracer that listens."""
    with start(tmp_path / "data", VICTIM, "wait") as process:
        assert process.stderr.readline() == b"ready\n"
        folder, = folders(tmp_path / "data")
        app = folder.state["app_pid"]

        def state():
            return pathlib.Path(f"/proc/{app}/stat").read_text().rsplit(")", 1)[1].split()[0]
        os.kill(app, signal.SIGSTOP)
        eventually(lambda: state() in "tT")
        os.kill(app, signal.SIGCONT)
        eventually(lambda: state() == "S")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


def test_socket_activation_names_the_app(tmp_path):
    script = 'test "$LISTEN_PID" = $$ && test "$WATCHDOG_PID" = $$ && test "$NOTIFY_SOCKET" = @x && test -z "$JOURNAL_STREAM"'
    wrap = ["sh", "-c", 'LISTEN_PID=$$ WATCHDOG_PID=$$ NOTIFY_SOCKET=@x JOURNAL_STREAM=8:9 exec "$@"', "sh"]
    assert keep(tmp_path, "sh", "-c", script, wrap=wrap).status == 0
    foreign = 'test "$LISTEN_PID" = 1'
    assert keep(tmp_path, "sh", "-c", foreign, env={"LISTEN_PID": "1"}).status == 0


def test_the_kernel_takes_the_app_first(tmp_path):
    script = "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj; echo 700 > /proc/self/oom_score_adj; sleep 0.3"
    own = int(pathlib.Path("/proc/self/oom_score_adj").read_text())
    app, keeper = map(int, keep(tmp_path, "sh", "-c", script).out.split())
    assert keeper < app and app in (own, min(own + 10, 1000))


def test_commands_that_are_none(tmp_path):
    done = subprocess.run(alone_command(tmp_path / "data", "/nowhere/at/all"), capture_output=True, check=False,
                          env=clean_environment(), timeout=30)
    assert done.returncode == 125 and b"cannot execute /nowhere/at/all: No such file" in done.stderr
    assert folders(tmp_path / "data") == []
