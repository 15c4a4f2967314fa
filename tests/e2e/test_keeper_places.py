# SPDX-License-Identifier: MIT
"""Where a keeper has to work: memory cgroups, namespaces, as process 1, under and over other tracers."""
import os
import pathlib
import signal
import subprocess

import pytest
from harness import clean_environment, eventually
from monitor import RUN, VICTIM, alone_command, keep, memory_cgroup, need, start, without_fake_stack
from snapshot import ATTACH, FATAL_SIGNAL, KILLED, LET_GO, PRELOAD, PTRACE, SAME_CGROUP, UNKNOWN, WAIT, folders
from test_keeper import check_worker_segv, with_paths_open_to_all

LIMIT = 96 << 20  # the keeper of a build with sanitizers must have room beside the app
HELD_MOST_US = 1_000_000  # the kernel waits twice that long for a victim, and then takes its memory itself
OOM_INSIDE = "echo $$ > $0/tasks; exec \"$@\""


def check_oom(ended, group, threads=4):
    """Killed, by the counter of that cgroup, with the frames that allocated."""
    assert ended.status == 128 + signal.SIGKILL
    snapshot = ended.snapshot
    assert snapshot.event == KILLED and snapshot.signal == signal.SIGKILL
    oom = snapshot.oom
    assert snapshot.string(oom["path"]) == str(group) and oom["source"] == 1
    assert oom["kills_after"] == oom["kills_before"] + 1 and oom["kills_before"] != UNKNOWN
    assert oom["limit"] == LIMIT and oom["usage"] <= LIMIT + (1 << 20) and oom["peak"] >= LIMIT - (2 << 20)
    assert len(snapshot.threads) == threads and all(thread.words() for thread in snapshot.threads), (
        snapshot.errors, snapshot.held_us, [(t.tid, t.flags, hex(t.sp), len(t.words())) for t in snapshot.threads])
    functions = [set(thread.functions(60)) for thread in snapshot.threads]
    assert any(names & {"eat_memory", "eat_slowly"} for names in functions), functions
    assert {"victim", "libc.so.6"} <= {pathlib.Path(module["path"]).name for module in snapshot.modules}
    return snapshot


def test_case_10_oom_keeper_outside(tmp_path):
    with memory_cgroup(LIMIT) as group:
        assert group or not os.environ.get("CI"), "no memory cgroup can be made"
        if not group:
            pytest.skip("no memory cgroup (v1) can be made here")
        snapshot = check_oom(keep(tmp_path, "sh", "-c", OOM_INSIDE, group, VICTIM, "oom"), group)
        assert not snapshot.flags & SAME_CGROUP and not snapshot.flags & LET_GO and snapshot.maps


@pytest.mark.parametrize("how, threads, rounds", [("oom", 4, 20), ("oom-alone", 1, 10), ("oom-slowly", 4, 5),
                                                  ("oom-chatty", 5, 5), ("oom-fork", 4, 5)])
def test_case_10_oom_keeper_inside(tmp_path, how, threads, rounds):
    """The keeper is in the cgroup that is full: the stacks of all threads nevertheless, and nobody held for it; also
    where others than the victim ask for the last page, and where its output goes to a file and a pipe meanwhile."""
    held = []
    for _ in range(rounds):
        with memory_cgroup(LIMIT) as group:
            assert group or not os.environ.get("CI"), "no memory cgroup can be made"
            if not group:
                pytest.skip("no memory cgroup (v1) can be made here")
            with open(tmp_path / "out", "wb") as out:
                ended = keep(tmp_path, VICTIM, how, wrap=["sh", "-c", OOM_INSIDE, str(group)], env=without_fake_stack(),
                             stdout=out)
            snapshot = check_oom(ended, group, threads)
            assert snapshot.flags & SAME_CGROUP and snapshot.flags & LET_GO and snapshot.maps
            held.append(snapshot.held_us)
    print(f"{how}: held for {sorted(held)} us")
    assert max(held) < HELD_MOST_US, held


def test_the_keeper_is_small(tmp_path):
    """Or the kernel would take it before its app where the cgroup is small: it keeps no code in memory that it does not
    run, and its children have none of what is its own."""
    with subprocess.Popen([RUN, "--data-dir", str(tmp_path / "data"), VICTIM, "wait"], stderr=subprocess.PIPE,
                          env=clean_environment()) as process:
        assert process.stderr.readline() == b"ready\n"
        code = {}
        for line in pathlib.Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
            words = line.split()
            if len(words) >= 5 and "-" in words[0]:
                name = pathlib.Path(words[5]).name.split(".so")[0] if len(words) > 5 and words[1] == "r-xp" else ""
            elif words[0] == "Rss:" and name:
                code[name] = code.get(name, 0) + int(words[1])
        assert code["libc"] > 500 and code["libcrashcollect"] > 100, code
        unused = [name for name in code if name.startswith(("libcrypto", "libcurl", "libgnutls", "libmicrohttpd"))]
        assert len(unused) >= 3 and not any(code[name] for name in unused), code
        process.terminate()
        process.wait(60)


def test_a_courier_that_is_killed_is_not_missed(tmp_path):
    """Output goes on, and so does what its keeper reads itself from then on."""
    script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; kill -SEGV $$"
    with subprocess.Popen(alone_command(tmp_path / "data", "sh", "-c", script), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, cwd=tmp_path, env=clean_environment()) as process:
        assert process.stdout.readline() == b"one\n"
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        courier, = [pid for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "ccol-courier\n"]
        os.kill(int(courier), signal.SIGKILL)
        folder, = folders(tmp_path / "data")
        eventually(lambda: "the courier was ended by signal 9" in folder.state["trouble"])
        (tmp_path / "go").touch()
        assert process.stdout.read() == b"two\n"
        assert process.wait(20) == 128 + signal.SIGSEGV
    snapshot, = folder.snapshots
    assert snapshot.event == FATAL_SIGNAL and snapshot.modules and snapshot.maps


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
