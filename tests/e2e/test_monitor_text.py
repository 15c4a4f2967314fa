# SPDX-License-Identifier: MIT
"""What watched programs say, by their output and by capture.h: error lines as reports, log files, notes in crash reports,
and the preloaded library under crashcollect-run."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from harness import clean_environment, eventually, read_tree
from monitor import need, shipper_of

BUILD = pathlib.Path(os.environ["CCOL_BUILD_DIR"])
RUN = os.environ["CCOL_WATCHER"]
VICTIM = str(BUILD / "tests/capture_victim")
PRELOAD = str(BUILD / "lib/libcrashcollect-preload.so")
SECONDS = 60


class Reports:
    """What the fs storage holds."""

    def __init__(self, data):
        self.crashes = list(read_tree(data / "crashes").values())
        for crash in self.crashes:
            crash.check_whole()

    def raw(self, **wanted):
        found = [crash.raw_crash for crash in self.crashes]
        return [raw for raw in found if all(raw.get(name) == value for name, value in wanted.items())]

    def only(self):
        assert len(self.crashes) == 1, [crash.raw_crash for crash in self.crashes]
        crash = self.crashes[0]
        return crash.raw_crash, json.loads(crash.dumps["stacktrace_json"]), crash.dumps.get("log", b"").decode()


def command(data, program, **settings):
    options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [RUN, "--data-dir", str(data), "--preload-library", PRELOAD, *options, "--", *program]


def run(data, *program, **settings):
    return subprocess.run(command(data, program, **settings), capture_output=True, text=True, timeout=SECONDS,
                          env=clean_environment(), stdin=subprocess.DEVNULL, check=False)


def python(text):
    return [sys.executable, "-u", "-c", text]


# ------------------------------------------------------------------ error lines

def test_error_lines_become_reports_at_once(tmp_path):
    """While the program still runs."""
    text = ("import sys, time\n"
            "print('INFO starting token=s3cret')\n"
            "print('2026-11-21 23:15:27,412 - app.db - ERROR - lost 3 rows, password=hunter2', file=sys.stderr)\n"
            "print('CRITICAL all is lost', file=sys.stderr)\n"
            "sys.stdin.read()")
    process = subprocess.Popen(command(tmp_path, python(text), log_events="error"), stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=(tmp_path / "errors").open("w"), env=clean_environment())
    eventually(lambda: len(list(tmp_path.glob("crashes/*/raw_crash/[!.]*"))) == 2, seconds=20, what="two whole reports")
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(SECONDS) == 0
    error, = Reports(tmp_path).raw(LogLevel="error")
    fatal, = Reports(tmp_path).raw(LogLevel="fatal")
    assert (error["ReportKind"], error["LogLogger"], error["LogStream"]) == ("log", "app.db", "stderr")
    assert error["LogMessage"] == "lost 3 rows, password=*****" and "CrashReason" not in error
    assert fatal["LogMessage"] == "all is lost"
    for crash in Reports(tmp_path).crashes:
        stack = json.loads(crash.dumps["stacktrace_json"])
        assert "crash" not in stack and stack["level"] == crash.raw_crash["LogLevel"]
        assert stack["exceptions"][0]["type"] == "log" and stack["breadcrumbs"][0]["message"] == "starting token=*****"
        assert b"s3cret" not in b"".join(crash.dumps.values()) and b"hunter2" not in crash.raw


@pytest.mark.parametrize("settings", [{}, {"log_events": "off"}])
def test_error_lines_are_no_reports_unless_wanted(tmp_path, settings):
    """A folder of crashes is for crashes."""
    done = run(tmp_path, *python("print('ERROR this')"), **settings)
    assert done.returncode == 0 and Reports(tmp_path).crashes == []


def test_a_flood_of_error_lines(tmp_path):
    """30,000 lines of one kind: bounded reports, the true count of the others, and the program never waits."""
    lines = 30000
    text = (f"import os, time\n"
            f"start = time.monotonic()\n"
            f"for i in range({lines}): os.write(2, b'ERROR request %d failed\\n' % i)\n"
            f"print(time.monotonic() - start)")
    done = run(tmp_path, *python(text), log_events="error", log_ring="8MiB", stderr="drop")
    assert done.returncode == 0
    reports = Reports(tmp_path).raw(ReportKind="log")
    assert [raw["LogLevel"] for raw in reports] == ["error"] * 6
    assert [raw["LogSuppressed"] for raw in reports if "LogSuppressed" in raw] == [str(lines - 6)], "the last tells it"
    told = re.search(r"(\d+) more error lines of the program became no reports", done.stderr)
    assert int(told.group(1)) == lines - 6


def test_a_logged_traceback_is_one_report(tmp_path):
    text = ("import logging\n"
            "try: {}['k']\n"
            "except KeyError: logging.exception('with trace')")
    assert run(tmp_path, *python(text), log_events="error").returncode == 0
    raw, stack, _ = Reports(tmp_path).only()
    assert raw["CrashReason"].startswith("exception") and stack["exceptions"][0]["type"] == "KeyError"


# ------------------------------------------------------------------ log files

def test_every_line_goes_into_the_log_file(tmp_path):
    log = tmp_path / "app.log"
    text = ("import sys\n"
            "for i in range(2000): print('line', i)\n"
            "print('\\033[31mred\\033[0m', file=sys.stderr)\n"
            "sys.stdout.write('no end')")
    done = run(tmp_path, *python(text), log_file=log)
    assert done.stdout == "".join(f"line {i}\n" for i in range(2000)) + "no end"  # passed on untouched
    lines = log.read_text().splitlines()
    assert [line for line in lines if line.startswith("line ")] == [f"line {i}" for i in range(2000)]
    assert "\033[31mred\033[0m" in lines and "no end" in lines and len(lines) == 2002
    assert log.stat().st_mode & 0o777 == 0o600


def test_log_file_as_json(tmp_path):
    log = tmp_path / "app.json"
    run(tmp_path, "sh", "-c", "echo plain; echo 'ERROR:db:it broke' >&2", log_file=log, log_file_format="json")
    lines = {line["stream"]: line for line in map(json.loads, log.read_text().splitlines())}
    assert lines["stdout"]["message"] == "plain" and "level" not in lines["stdout"]
    assert (lines["stderr"]["level"], lines["stderr"]["logger"]) == ("error", "db")
    assert lines["stderr"]["message"] == "ERROR:db:it broke" and lines["stderr"]["time"].endswith("Z")


def test_log_files_are_rotated(tmp_path):
    log = tmp_path / "app.log"
    run(tmp_path, *python("for i in range(4000): print('line', i)"), log_file=log, log_file_size="4KiB", log_files=3)
    parts = [tmp_path / name for name in ("app.log.3", "app.log.2", "app.log.1", "app.log")]
    assert sorted(tmp_path.glob("app.log*")) == sorted(parts)
    assert all(part.stat().st_size <= 4096 for part in parts)
    lines = "".join(part.read_text() for part in parts).splitlines()
    assert lines == [f"line {i}" for i in range(4000 - len(lines), 4000)] and len(lines) > 1000


def test_a_killed_shipper_loses_no_line_of_the_log_file(tmp_path):
    log = tmp_path / "app.log"
    text = ("import sys\n"
            "for round in range(4):\n"
            "    sys.stdin.readline()\n"
            "    for i in range(500): print('line', round * 500 + i)")
    process = subprocess.Popen(command(tmp_path, python(text), log_file=log), stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=(tmp_path / "errors").open("w"), env=clean_environment())
    for _ in range(4):
        shipper = eventually(lambda: shipper_of(process.pid), seconds=20, what="a shipper")
        process.stdin.write(b"\n")
        process.stdin.flush()
        with contextlib.suppress(ProcessLookupError):
            os.kill(shipper, signal.SIGKILL)
    eventually(lambda: shipper_of(process.pid), seconds=20, what="a shipper for the rest")
    process.stdin.close()
    assert process.wait(SECONDS) == 0
    seen = list(dict.fromkeys(log.read_text().splitlines()))  # what was not remembered as written comes twice
    assert seen == [f"line {i}" for i in range(2000)]


def test_a_log_file_that_cannot_be_written_is_told(tmp_path):
    done = run(tmp_path, "sh", "-c", "echo fine", log_file=tmp_path / "no/such/folder.log")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert "cannot write the log file" in done.stderr and "No such file" in done.stderr


# ------------------------------------------------------------------ notes of the program

@pytest.mark.parametrize("mode", ["ptrace", "attach", "preload"])
def test_notes_are_in_the_report(tmp_path, mode):
    done = run(tmp_path, VICTIM, "abort", "install", mode=mode)
    assert done.returncode == -signal.SIGABRT
    raw, stack, _ = Reports(tmp_path).only()
    assert (raw["Role"], raw["CaptureMode"]) == ("parent", mode)
    assert raw["CrashReason"].startswith("SIGABRT") and raw["CrashReason"].endswith("why it aborts")
    crashed = [thread for thread in stack["threads"] if thread.get("crashed")]
    assert len(crashed) == 1 and any(frame.get("function") == "abort" for frame in crashed[0]["frames"])


def victims(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if os.readlink(f"/proc/{child}/exe") == os.path.realpath(VICTIM)]


@pytest.mark.parametrize("mode", ["ptrace", "attach"])
def test_last_words_of_an_asynchronous_logger_outlive_a_kill(tmp_path, mode):
    """Sentry case A4: what was handed over is there though nothing of it was written."""
    process = subprocess.Popen(command(tmp_path, [VICTIM, "notes", "install"], mode=mode), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=clean_environment())
    assert process.stdout.readline() == "ready\n"
    victim, = victims(process)
    os.kill(victim, signal.SIGKILL)
    assert process.wait(SECONDS) == -signal.SIGKILL
    raw, stack, log = Reports(tmp_path).only()
    assert raw["CrashReason"].startswith("SIGKILL") and raw["Request"] == "GET /" and "Gone" not in raw
    assert log.endswith("line 19998\nline 19999\nlast words\n")
    last = [(crumb["category"], crumb["level"], crumb["message"]) for crumb in stack["breadcrumbs"][-3:]]
    assert last == [("log", "error", "last words"), ("db", "warning", "lost the connection"), ("stdout", "info", "ready")]
    assert len(stack["breadcrumbs"]) == 100


# ------------------------------------------------------------------ mode preload, cases 1, 2, 15

@pytest.mark.parametrize("how, thread", [("segv", "capture_victim"), ("thread", "worker"), ("overflow", "capture_victim"),
                                         ("thread-overflow", "worker")])
def test_case_15_preload_catches_what_ptrace_does(tmp_path, how, thread):
    done = run(tmp_path, VICTIM, how, mode="preload")
    assert done.returncode == -signal.SIGSEGV
    raw, stack, _ = Reports(tmp_path).only()
    assert (raw["CaptureMode"], raw["CrashThreadName"]) == ("preload", thread)
    assert raw["CrashReason"].startswith("SIGSEGV SEGV_")
    crashed, = [item for item in stack["threads"] if item.get("crashed")]
    names = [frame.get("function") for frame in crashed["frames"]]
    assert names[0] == ("overflow" if "overflow" in how else "crash")
    if "overflow" in how:
        assert names.count("overflow") >= 50


def test_case_23_preload_under_another_tracer(tmp_path):
    """Nobody may trace it twice: its handler tells the registers, and the stack is copied all the same."""
    need("strace")
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=none", "-o", str(tmp_path / "trace"),
                           *command(tmp_path, [VICTIM, "thread"], mode="preload")],
                          env=clean_environment({"ASAN_OPTIONS": "detect_leaks=0"}), timeout=SECONDS, check=False)
    assert done.returncode in (-signal.SIGSEGV, 128 + signal.SIGSEGV)
    raw, stack, _ = Reports(tmp_path).only()
    crashed, = [item for item in stack["threads"] if item.get("crashed")]
    assert (raw["CaptureMode"], crashed["name"], crashed["frames"][0]["function"]) == ("preload", "worker", "crash")


def test_case_15_setuid_runs_with_its_privilege_in_mode_preload(tmp_path):
    """The loader drops LD_PRELOAD there; the death is reported by its status."""
    if os.geteuid() != 0:
        pytest.fail("needs root to make a setuid program")
    place = pathlib.Path("/var/tmp") / f"ccol-setuid-{os.getpid()}"
    place.mkdir(mode=0o755)
    try:
        program = place / "setuid_victim"
        source = place / "victim.c"
        source.write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                          "int main(void) { printf(\"%d\\n\", (int)geteuid()); fflush(stdout); abort(); }\n")
        subprocess.run(["gcc", "-o", program, source], check=True)
        program.chmod(0o4755)
        data = place / "data"
        data.mkdir()
        os.chown(data, 65534, 65534)
        done = subprocess.run(command(data, [str(program)], mode="preload"), capture_output=True, text=True, cwd=place,
                              timeout=SECONDS, env=clean_environment(), user=65534, group=65534, extra_groups=[], check=False)
        assert (done.returncode, done.stdout) == (-signal.SIGABRT, "0\n"), done.stderr
        raw, _, _ = Reports(data).only()
        assert raw["CrashReason"].startswith("SIGABRT")
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


def test_a_debugger_works_in_mode_preload(tmp_path):
    """What ptrace forbids: nobody traces the program."""
    text = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('TracerPid')][0])"
    assert run(tmp_path, *python(text), mode="preload").stdout == "0\n"
    assert run(tmp_path, *python(text), mode="ptrace").stdout != "0\n"


def gdb_on(pid):
    done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "thread apply all backtrace",
                           "-p", str(pid)], capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["preload", "ptrace"])
def test_case_23_a_debugger_attached_to_the_app(tmp_path, mode):
    """In mode preload it gets in, and the crash after it has gone is reported; a traced program tells it who traces."""
    process = subprocess.Popen(command(tmp_path, [VICTIM, "notes"], mode=mode), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=clean_environment())
    assert process.stdout.readline() == "ready\n"
    victim, = victims(process)
    text = gdb_on(victim)
    if mode == "preload":
        assert "pause" in text and "main" in text, text
    else:
        assert "already traced by process" in text, text
    os.kill(victim, signal.SIGSEGV)
    assert process.wait(SECONDS) == -signal.SIGSEGV
    raw, stack, _ = Reports(tmp_path).only()
    assert raw["CrashReason"].startswith("SIGSEGV") and raw["CaptureMode"] == mode
    crashed, = [thread for thread in stack["threads"] if thread.get("crashed")]
    assert "main" in [frame.get("function") for frame in crashed["frames"]]


def test_line_buffered_output_is_all_there(tmp_path):
    done = run(tmp_path, VICTIM, "unflushed", line_buffered="on", mode="wait")
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "kept back\n")
