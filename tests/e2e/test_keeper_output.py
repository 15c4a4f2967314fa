# SPDX-License-Identifier: MIT
"""What becomes of a watched program's output: cases 19 to 21 of the monitor, and what a pipeline is used to."""
import os
import pathlib
import signal
import subprocess

import pytest
from harness import clean_environment, eventually
from monitor import VICTIM, alone_command, keep, start
from snapshot import STDERR, STDOUT, folders

LAST_WORDS = b"the last words of a program: sixty-seven bytes that it never wrote."
MEGABYTES = 1024
BLOCK, DROP = 1, 2


def test_case_19_all_lines_before_a_kill(tmp_path):
    ended = keep(tmp_path, VICTIM, "lines-kill", "500")
    assert ended.status == 128 + signal.SIGKILL
    lines = [b"line %d of many, as long as lines of logs are, more or less\n" % i for i in range(500)]
    assert ended.err.splitlines(True) == lines
    assert ended.folder.log(STDERR).splitlines(True) == lines


def test_case_19_what_stdio_held_back(tmp_path):
    assert len(LAST_WORDS) == 67
    snapshot = keep(tmp_path, VICTIM, "unflushed").snapshot
    assert snapshot.unflushed(1) == LAST_WORDS and snapshot.unflushed(2) == b""


def test_a_terminal_keeps_nothing_back(tmp_path):
    ended = keep(tmp_path, "python3", "-c", "import sys; print(sys.stdout.isatty(), sys.stderr.isatty())", pty=True)
    assert ended.out == b"True True\n" and ended.status == 0


def test_bytes_pass_untouched(tmp_path):
    everything = tmp_path / "everything"
    everything.write_bytes(os.urandom(3_000_000) + bytes(range(256)))
    for pty in (False, True):
        ended = keep(tmp_path, "cat", everything, pty=pty)
        assert ended.out == everything.read_bytes() and ended.err == b""


def test_order_of_both_outputs_in_one_file(tmp_path):
    both = tmp_path / "both"
    script = "for i in $(seq 200); do echo o$i; echo e$i >&2; done"
    with open(both, "wb") as file:
        subprocess.run(alone_command(tmp_path / "data", "sh", "-c", script), stdout=file, stderr=file, check=True,
                       env=clean_environment(), timeout=60)
    assert both.read_text() == "".join(f"o{i}\ne{i}\n" for i in range(1, 201))


def test_case_20_a_reader_that_stands_still_does_not_stop_the_app(tmp_path):
    with start(tmp_path / "data", VICTIM, "flood", MEGABYTES, linger=100) as process:
        assert process.wait(120) == 0  # nobody has read a byte
        rest = process.stderr.read()
    folder, = folders(tmp_path / "data")
    assert folder.dropped(STDERR) > 0
    assert len(rest) + folder.dropped(STDERR) == MEGABYTES << 20


def test_case_20_nothing_is_lost_where_it_may_block(tmp_path):
    data = tmp_path / "data"
    with start(data, VICTIM, "flood", MEGABYTES, stderr=BLOCK) as process:
        folder = eventually(lambda: next((found for found in folders(data) for log in found.path.glob("log")
                                          if log.stat().st_size), None))
        # pipe, buffer and pipe are full: the app waits
        seen = [0]

        def stands():
            before, seen[0] = seen[0], folder.ring_header()[7]
            return seen[0] and before == seen[0]
        eventually(stands, step=0.2)
        assert process.poll() is None
        got = 0
        while chunk := process.stderr.read(1 << 20):
            got += len(chunk)
        assert process.wait(60) == 0
    assert got == MEGABYTES << 20 and folder.dropped(STDERR) == 0


def test_who_reads_no_more_ends_the_app_as_without_a_keeper(tmp_path):
    command = " ".join(alone_command(tmp_path / "data", "yes"))
    done = subprocess.run(["bash", "-c", f"{command} | head -1; echo ${{PIPESTATUS[0]}}"], capture_output=True,
                          env=clean_environment(), timeout=60, check=True)
    assert done.stdout.split() == [b"y", str(128 + signal.SIGPIPE).encode()]


def test_inherited_descriptors_stay_blocking(tmp_path):
    probe = "import fcntl, os; print(bool(fcntl.fcntl(2, fcntl.F_GETFL) & os.O_NONBLOCK))"
    read_end, write_end = os.pipe()
    with subprocess.Popen(alone_command(tmp_path / "data", VICTIM, "wait"), stdout=subprocess.DEVNULL, stderr=write_end,
                          env=clean_environment()) as process:
        assert os.read(read_end, 6) == b"ready\n"
        looked = subprocess.run(["python3", "-c", probe], stdout=subprocess.PIPE, stderr=write_end, check=True)
        assert looked.stdout == b"False\n"
        process.terminate()
        process.wait(20)
    os.close(read_end)
    os.close(write_end)


def test_children_that_live_on_are_read_on(tmp_path):
    """The app's end is told at once, and what its child writes later arrives nevertheless."""
    script = "(while [ ! -e go ]; do sleep 0.02; done; echo later) & echo now"
    with subprocess.Popen(alone_command(tmp_path / "data", "sh", "-c", script), stdout=subprocess.PIPE,
                          cwd=tmp_path, env=clean_environment(), stderr=subprocess.DEVNULL) as process:
        assert process.wait(20) == 0
        (tmp_path / "go").touch()
        assert process.stdout.read() == b"now\nlater\n"


def test_case_21_keeper_killed(tmp_path):
    data = tmp_path / "data"
    with start(data, VICTIM, "wait") as process:
        assert process.stderr.readline() == b"ready\n"
        folder, = folders(data)
        app = folder.state["app_pid"]
        process.kill()
        process.wait(20)
        status = pathlib.Path(f"/proc/{app}/status")
        assert "TracerPid:\t0" in status.read_text()
        eventually(lambda: "State:\tS" in status.read_text())  # its threads run for a moment when nobody holds them any more
        os.kill(app, signal.SIGKILL)
    assert folder.state["phase"] == 2  # no clean end: the next start will say so
    assert folder.log() == b"ready\n"


@pytest.mark.parametrize("ring", [1, 1 << 20])
def test_the_ring_has_the_end(tmp_path, ring):
    ended = keep(tmp_path, VICTIM, "lines", "20000", ring=ring)
    assert ended.status == 0 and ended.err.count(b"\n") == 20000
    log = ended.folder.log(STDERR)
    assert ended.err.endswith(log) and len(log) > 60000
    assert ended.folder.ring_header()[6 + STDERR - 1] == len(ended.err)
    assert ended.folder.log(STDOUT) == b""
