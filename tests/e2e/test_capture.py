# SPDX-License-Identifier: MIT
"""What goes into watched programs: the preloaded handler and the linked one, talking to a keeper that this test is. The
process must always end as it would have ended without us."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ["CCOL_BUILD_DIR"])
PRELOAD = BUILD / "lib/libcrashcollect-preload.so"
VICTIM = BUILD / "tests/capture_victim"
HEADER = struct.Struct("<IHHIii")
HELLO, CRASH = 1, 2
DEADLINE = 20


class Keeper:
    """The far end of the socket, for one program."""

    def __init__(self, flags="hn"):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.ours.settimeout(DEADLINE)
        self.flags = flags

    def run(self, *arguments, preload=True, program=VICTIM, answer=True, **more):
        environment = {"PATH": os.environ["PATH"],
                       "CRASHCOLLECT_CAPTURE": f"{self.theirs.fileno()}:{os.fstat(self.theirs.fileno()).st_ino}:{self.flags}"}
        if preload:
            environment["LD_PRELOAD"] = str(PRELOAD)
        environment.update(more.pop("environment", {}))
        self.process = subprocess.Popen([program, *arguments], env=environment, pass_fds=[self.theirs.fileno()],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        self.theirs.close()
        self.messages = []
        while self.receive(answer):
            pass
        self.output, self.errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode

    def receive(self, answer=True):
        """One message; answered at once, or never. False: every holder of the other end is gone."""
        data, control, _, _ = self.ours.recvmsg(8192, 256)
        if not data:
            return False
        magic, version, kind, length, pid, tid = HEADER.unpack_from(data)
        assert (magic, version, length) == (0x50414343, 1, len(data))
        descriptors, sender = [], None
        for level, what, value in control:
            if what == socket.SCM_RIGHTS:
                descriptors += struct.unpack(f"{len(value) // 4}i", value)
            elif what == socket.SCM_CREDENTIALS:
                sender = struct.unpack("iii", value)[0]
        message = {"kind": kind, "pid": pid, "tid": tid, "sender": sender, "fds": descriptors}
        if kind == HELLO:
            message["notes"], message["handler"] = struct.unpack_from("<II", data, HEADER.size)
        if kind == CRASH:
            message["signal"], message["chained"] = struct.unpack_from("<iI", data, HEADER.size)
            message["code"], = struct.unpack_from("<i", data, 32 + 8)
            message["address"], = struct.unpack_from("<Q", data, 32 + 16)
            message["thread"] = data[-272:-256].split(b"\0")[0].decode()
            message["message"] = data[-256:].split(b"\0")[0].decode()
            message["alive"] = pathlib.Path(f"/proc/{sender}/maps").read_text() != ""
            if answer:
                os.close(descriptors.pop())
        self.messages.append(message)
        return True

    def crashes(self):
        return [message for message in self.messages if message["kind"] == CRASH]

    def close(self):
        self.ours.close()
        for message in self.messages:
            for fd in message["fds"]:
                os.close(fd)


@pytest.fixture
def keeper():
    made = Keeper()
    yield made
    made.close()


FORMS = pytest.mark.parametrize("form", ["preload", "install"])


def run(keeper, how, form):
    if form == "preload":
        return keeper.run(how)
    keeper.flags = "n"
    return keeper.run(how, "install", preload=False)


@FORMS
@pytest.mark.parametrize("how, number, thread", [
    ("segv", signal.SIGSEGV, "capture_victim"), ("abort", signal.SIGABRT, "capture_victim"),
    ("trap", signal.SIGILL, "capture_victim"), ("raise", signal.SIGFPE, "capture_victim"),
    ("thread", signal.SIGSEGV, "worker"), ("overflow", signal.SIGSEGV, "capture_victim")])
def test_crash_is_handed_over(keeper, how, number, thread, form):
    assert run(keeper, how, form) == -number
    hello, crash = keeper.messages
    assert hello["kind"] == HELLO and hello["handler"] == 1 and hello["sender"] == keeper.process.pid
    assert (crash["signal"], crash["thread"], crash["pid"]) == (number, thread, keeper.process.pid)
    assert crash["alive"] and not crash["chained"]
    if how in ("segv", "thread"):
        assert (crash["code"], crash["address"]) == (1, 16)  # SEGV_MAPERR
    assert crash["message"] == ("why it aborts" if how == "abort" else "")


def test_stack_overflow_of_a_worker_is_handed_over(keeper):
    """By the preload library alone: it gives each thread an alternate stack."""
    assert keeper.run("thread-overflow") == -signal.SIGSEGV
    crash, = keeper.crashes()
    assert crash["thread"] == "worker" and crash["tid"] != crash["pid"]


@FORMS
def test_forked_child_is_told_of_by_itself(keeper, form):
    keeper.flags = "hn"
    assert keeper.run("fork", "install", preload=form == "preload") == 0
    assert keeper.output == "child 11\n"
    crash, = keeper.crashes()
    hellos = [message for message in keeper.messages if message["kind"] == HELLO]
    assert crash["sender"] != keeper.process.pid and hellos[-1]["sender"] == crash["sender"]
    notes = [os.pread(message["fds"][0], 1 << 20, 0) for message in hellos]
    assert b"Role\0" in notes[0] and b"parent\0" in notes[0] and b"child\0" not in notes[0]
    assert b"child\0" in notes[-1]


@FORMS
def test_exec_is_followed(keeper, form):
    if form == "preload":
        assert keeper.run("exec") == -signal.SIGSEGV
    else:
        keeper.flags = "n"
        assert keeper.run("exec", "install", preload=False) == -signal.SIGSEGV
    crash, = keeper.crashes()
    assert crash["sender"] == keeper.process.pid


@pytest.mark.parametrize("how", ["blocked", "ignored"])
def test_what_no_handler_can_see_ends_as_ever(keeper, how):
    assert keeper.run(how) == -signal.SIGSEGV
    assert keeper.crashes() == [] or how == "ignored"


def test_earlier_handler_goes_first_and_gives_up(keeper):
    keeper.flags = "n"
    assert keeper.run("chained", "install", preload=False) == -signal.SIGSEGV
    assert keeper.errors == "own handler\n"
    crash, = keeper.crashes()
    assert crash["chained"] == 1 and crash["address"] == 16


def test_program_that_recovers_is_left_alone(keeper):
    keeper.flags = "n"
    assert keeper.run("recover", "install", preload=False) == 0
    assert keeper.output == "recovered\n" and keeper.crashes() == []


@pytest.mark.parametrize("how", ["recover-later", "replaced"])
def test_handler_that_comes_later_has_the_word(keeper, how):
    assert keeper.run(how) == (0 if how == "recover-later" else -signal.SIGSEGV)
    assert keeper.crashes() == []
    assert keeper.errors == ("" if how == "recover-later" else "own handler\n")


def test_closed_descriptor_is_no_harm(keeper):
    """Daemons close what they do not know, and open other things under the same number."""
    assert keeper.run("closed") == -signal.SIGSEGV
    assert keeper.crashes() == []


def test_keeper_that_is_gone_is_no_harm():
    keeper = Keeper()
    number, inode = keeper.theirs.fileno(), os.fstat(keeper.theirs.fileno()).st_ino
    environment = {"CRASHCOLLECT_CAPTURE": f"{number}:{inode}:hn", "LD_PRELOAD": str(PRELOAD)}
    keeper.ours.close()
    done = subprocess.run([VICTIM, "segv"], env=environment, pass_fds=[number], timeout=DEADLINE, check=False)
    assert done.returncode == -signal.SIGSEGV


def test_keeper_that_dies_in_the_middle_lets_go(keeper):
    """The answer never comes, but its socket ends."""
    assert keeper.run("segv", answer=True) == -signal.SIGSEGV
    second = Keeper()
    environment = {"CRASHCOLLECT_CAPTURE": f"{second.theirs.fileno()}:{os.fstat(second.theirs.fileno()).st_ino}:h",
                   "LD_PRELOAD": str(PRELOAD)}
    process = subprocess.Popen([VICTIM, "segv"], env=environment, pass_fds=[second.theirs.fileno()])
    second.theirs.close()
    second.messages = []
    second.receive(answer=False)
    second.receive(answer=False)
    assert process.poll() is None  # it waits for us
    second.close()
    assert process.wait(DEADLINE) == -signal.SIGSEGV


@pytest.mark.parametrize("value", ["", "x", "3", "3:4", "-1:0:h", "999:1:hn", "0:0:hn", "1:2:hnlxxxxxxxxxxxx"])
def test_nonsense_in_the_environment_is_nobody_watching(value):
    done = subprocess.run([VICTIM, "watched", "install"], env={"CRASHCOLLECT_CAPTURE": value, "LD_PRELOAD": str(PRELOAD)},
                          capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert (done.stdout, done.stderr) == ("no\n", "")


def test_notes_outlive_a_kill(keeper):
    keeper.flags = "n"
    environment = {"CRASHCOLLECT_CAPTURE": f"{keeper.theirs.fileno()}:{os.fstat(keeper.theirs.fileno()).st_ino}:n"}
    process = subprocess.Popen([VICTIM, "notes", "install"], env=environment, pass_fds=[keeper.theirs.fileno()],
                               stdout=subprocess.PIPE, text=True)
    keeper.theirs.close()
    keeper.messages = []
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.wait(DEADLINE) == -signal.SIGKILL
    keeper.receive()
    hello, = keeper.messages
    read = subprocess.run([BUILD / "tests/read_notes"], stdin=hello["fds"][0], capture_output=True, text=True, check=True)
    lines = read.stdout.splitlines()
    assert [line for line in lines if line.startswith("annotation")] == ["annotation Role=parent", "annotation Request=GET /"]
    assert [line for line in lines if line.startswith("breadcrumb")] == ["breadcrumb 4 db lost the connection"]
    log = [line for line in lines if line.startswith("log")]
    assert log[-1] == "log 3 last words"
    first = 20000 - (len(log) - 1)  # the newest are kept, without a gap
    assert 1000 < len(log) < 20000 and log[:-1] == [f"log 6 line {i}" for i in range(first, 20000)]


def test_line_buffered_stdout_is_not_lost():
    for flags, expected in (("", ""), ("l", "kept back\n")):
        done = subprocess.run([VICTIM, "unflushed"], env={"CRASHCOLLECT_CAPTURE": f"-1:0:{flags}", "LD_PRELOAD": str(PRELOAD)},
                              capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert (done.returncode, done.stdout) == (-signal.SIGSEGV, expected)


def test_setuid_program_takes_no_orders(keeper, tmp_path):
    """A user must not get at its memory through the environment; it runs with its privilege as ever."""
    if os.geteuid() != 0:
        pytest.fail("needs root to make a setuid program")
    program = tmp_path / "setuid_victim"
    subprocess.run(["cp", VICTIM, program], check=True)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent != pathlib.Path("/tmp") and str(parent).startswith("/tmp"):
            parent.chmod(0o755)
    program.chmod(0o4755)
    environment = {"LD_LIBRARY_PATH": str(BUILD / "lib")}
    assert keeper.run("watched", "install", program=program, user=65534, group=65534, extra_groups=[],
                      environment=environment) == 0
    assert keeper.output == "no\n" and keeper.messages == []


def test_python_keeps_its_own_handler_and_we_ours(keeper):
    """faulthandler prints and hands the signal on."""
    code = "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)"
    assert keeper.run("-c", code, program="/usr/bin/python3") == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in keeper.errors
    crash, = keeper.crashes()
    assert crash["signal"] == signal.SIGSEGV


def test_threads_cost_no_memory_when_they_are_gone(keeper):
    code = ("import threading, os\n"
            "def maps(): return len(open('/proc/self/maps').readlines())\n"
            "def turn(n):\n"
            "  for _ in range(n):\n"
            "    t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
            "turn(20); before = maps(); turn(500); print(maps() - before < 20)")
    assert keeper.run("-c", code, program="/usr/bin/python3") == 0
    assert keeper.output == "True\n"
