# SPDX-License-Identifier: MIT
"""Incidents and their reporter; a program watched from Python, which tells of itself from Python."""
import json

from crashcollect import Ack, Collector, RejectedError, Reporter, Storage
from kept import report
from test_built_in import receiver


class Never(Storage):
    def save(self, report):
        raise RejectedError("too old for us")


def test_incidents(tmp_path):
    told = []
    with Collector(Never(), tmp_path, incident=told.append) as collector:
        crash_id = collector.submit(report()).crash_id
        assert collector.drain(30)
    assert [(incident.type, incident.crash_id) for incident in told] == [("CCOL_EREJECTED", crash_id)]
    assert "too old for us" in told[0].text and told[0].part == "crashmover.save" and told[0].headers == {}


def test_reporter(tmp_path):
    with receiver() as (address, posted):
        with Reporter(f"http://key@{address}/7", proxy="off", before=lambda incident: incident.type != "Quiet") as reporter, \
                Collector(Never(), tmp_path, incident=reporter) as collector:
            collector.submit(report())
            assert collector.drain(30)
            reporter.report("Quiet", "not to be sent")
            reporter.report("Loud", "of the host's own")
            assert reporter.flush(30)
            assert reporter.stats.sent == 2 and reporter.stats.vetoed == 1
    bodies = b"".join(body for _, _, body in posted)
    assert b"CCOL_EREJECTED" in bodies and b"Loud" in bodies and b"Quiet" not in bodies


WATCH = """
    import crashcollect, os, sys
    settings = crashcollect.Settings(crashcollect.Program.MONITOR)
    settings["data-dir"] = "data"
    with crashcollect.Monitor(settings) as monitor:
        print(monitor.run([sys.executable, "-c", sys.argv[1]]))
"""
APP = """
import os, signal
from crashcollect import capture
assert capture.is_watched()
capture.install()
capture.annotate("Round", "seven")
capture.breadcrumb("opened the file", "ui")
print("last words", flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_monitor(run_program, tmp_path):
    done = run_program(WATCH, APP)
    assert done.stdout.splitlines()[-1] == "-11", done.stdout + done.stderr
    crash = next(iter((tmp_path / "data").glob("**/raw_crash/*.json")))
    raw = json.loads(crash.read_text())
    assert raw["CrashReason"].startswith("SIGSEGV") and "last words" in raw["LogTail"] and raw["Round"] == "seven"


def test_monitor_passes_the_status_on(run_program):
    assert run_program(WATCH, "raise SystemExit(7)").stdout == "7\n"


WATCHED = """
    import crashcollect, sys
    storage = crashcollect.FsStorage("crashes")
    with crashcollect.Watched([sys.executable, "-c", sys.argv[1]], "data", storage, annotations={"ProductName": "Demo"}) as app:
        assert app.pid > 0 and app.fileno() >= 0
        print(app.wait(60).signal)
    print(len(storage.list()))
"""


def test_watched(run_program):
    done = run_program(WATCHED, "import os; os.kill(os.getpid(), 11)")
    assert done.stdout == "11\n1\n", done.stdout + done.stderr


def test_unwatched(run_program):
    done = run_program("from crashcollect import capture\nprint(capture.is_watched(), capture.install())\n"
                       "capture.annotate('A', 'b')\ncapture.log('x')\ncapture.message('y')\n")
    assert done.stdout == "False None\n", done.stderr


def test_self_test(run_program):
    done = run_program("import crashcollect\nprint(len(crashcollect.Monitor().self_test()))\n")
    assert int(done.stdout) >= 3, done.stderr
