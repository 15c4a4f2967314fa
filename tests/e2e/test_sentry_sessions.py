# SPDX-License-Identifier: MIT
"""How runs ended, for Sentry's figures of release health: sessions (case A5), when they are wanted."""
import datetime
import json
import os
import pathlib
import signal
import subprocess
import uuid

import pytest

import crashers
from harness import clean_environment, eventually, read_tree
from sentry_parts import Spotlight, native_files, watched

RUN = os.environ["CCOL_WATCHER"]
VICTIM = pathlib.Path(os.environ["CCOL_BUILD_DIR"]) / "tests/sentry_victim"


def environment(folder, dsn, **more):
    return watched(folder, dsn, **{"CRASHCOLLECT_SENTRY_SESSIONS": "on", **more})


def watch(folder, dsn, *command, **more):
    return subprocess.run([RUN, "--", *map(str, command)], env=environment(folder, dsn, **more), capture_output=True,
                          text=True, timeout=120)


def sessions(stub):
    return [json.loads(payload) for envelope in stub.envelopes for payload in envelope.payloads("session")]


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# how the program ends: status of the session, errors, events
ENDS = {"exit": (["exit"], "exited", 0, []),
        "crash": (["crash"], "crashed", 1, ["SIGSEGV"]),
        "kill": (["kill"], "abnormal", 1, ["SIGKILL"]),
        "exit_3": (["sh", "-c", "exit 3"], "exited", 0, []),
        "term": (["sh", "-c", "kill -TERM $$"], "exited", 0, []),
        "child": (["sh", "-c", f"{VICTIM} crash; exit 0"], "exited", 1, ["SIGSEGV"]),
        "panic": (["rust", "main"], "crashed", 1, ["panic"]),
        "error": (["sh", "-c", "echo ERROR: it did not work >&2"], "exited", 1, ["log"])}


@pytest.mark.parametrize("name", ENDS)
def test_a5_the_end_of_a_run(stub, tmp_path, name):
    """Each run is one session, with the right status and count; an end in peace is no event."""
    command, status, errors, events = ENDS[name]
    if command[0] == "rust":
        command = [crashers.Compiler(tmp_path).rust(), *command[1:]]
    elif len(command) == 1:
        command = [VICTIM, *command]
    watch(tmp_path / "data", stub.dsn, *command)
    session, = eventually(lambda: sessions(stub))
    assert (session["status"], session["errors"], session["init"]) == (status, errors, True)
    assert session["attrs"] == {"release": "victim@1.0", "environment": "production"}
    assert str(uuid.UUID(session["sid"])) == session["sid"]
    took = (time_of(session["timestamp"]) - time_of(session["started"])).total_seconds()
    assert 0 <= took < 60 and abs(session["duration"] - took) < 0.002
    assert [event["exception"]["values"][-1]["type"] for event in stub.events()] == events
    header = next(envelope.header for envelope in stub.envelopes if envelope.payloads("session"))
    assert "event_id" not in header and header["sent_at"]


def test_a_run_without_a_trace(stub, tmp_path):
    """Keeper and shipper are killed, the program too: the next run tells of it, and of itself."""
    process = subprocess.Popen([RUN, "--", "sh", "-c", "echo $$; read -r never"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment(tmp_path / "data", stub.dsn))
    app = int(process.stdout.readline())
    process.kill()
    os.kill(app, signal.SIGKILL)
    process.communicate()
    watch(tmp_path / "data", stub.dsn, VICTIM, "exit")
    found = eventually(lambda: len(sessions(stub)) >= 2 and sessions(stub))
    assert sorted(session["status"] for session in found) == ["abnormal", "exited"]
    assert len({session["sid"] for session in found}) == 2


def test_no_program_no_session(stub, tmp_path):
    assert watch(tmp_path / "data", stub.dsn, tmp_path / "absent").returncode == 127
    watch(tmp_path / "data", stub.dsn, VICTIM, "exit")
    session, = eventually(lambda: sessions(stub))
    assert session["status"] == "exited"


def test_sent_later_and_once(stub, tmp_path):
    """Sentry is away at the end of a run; another storage has it as a report of its kind."""
    stub.down()
    both = {"CRASHCOLLECT_STORAGE": "fs,sentry", "CRASHCOLLECT_DRAIN_TIMEOUT": "200ms"}
    watch(tmp_path / "data", stub.dsn, VICTIM, "crash", **both)
    kinds = [crash.raw_crash.get("ReportKind") for crash in read_tree(tmp_path / "data/crashes").values()]
    assert sorted(map(str, kinds)) == ["None", "session"]
    stub.up()
    watch(tmp_path / "data", stub.dsn, VICTIM, "exit", CRASHCOLLECT_SENTRY_SESSIONS="off", **both)
    session, = eventually(lambda: sessions(stub))
    assert session["status"] == "crashed"
    assert len(stub.events()) == 1


def test_a_limit_of_sessions_holds_no_crash_back(stub, tmp_path, daemon_factory):
    """While sessions are not wanted they are left out and told of; crashes go on."""
    daemon = daemon_factory(env={"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": stub.dsn,
                                 "CRASHCOLLECT_SENTRY_RELEASE": "app@1", "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off",
                                 "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": 1})
    text = {"version": 1, "id": str(uuid.uuid4()), "started_at": "2026-11-25T10:00:00Z",
            "ended_at": "2026-11-25T10:00:02Z", "duration_ms": 2000, "status": "exited", "errors": 0}
    session = {"session_json": json.dumps(text).encode()}
    stub.script = [(429, {"X-Sentry-Rate-Limits": "600:session:organization"})]
    for _ in range(3):
        daemon.submit(session, {"ReportKind": "session"})
    stub.wait_requests(1)
    daemon.submit(native_files(), {"ProductName": "App"})
    envelope = stub.wait(1)[0]
    assert envelope.event["level"] == "fatal" and len(stub.requests) == 2
    report = json.loads(envelope.payloads("client_report")[0])
    assert report["discarded_events"] == [{"reason": "ratelimit_backoff", "category": "session", "quantity": 3}]
    daemon.submit({"session_json": b'{"version":1,"status":"exited"}'}, {"ReportKind": "session"})
    assert "session_json is not what it should be" in daemon.wait_log(r"moved to the quarantine.*").group(0)


def test_spotlight_reads_it(tmp_path):
    service = Spotlight(tmp_path / "spotlight")
    try:
        watch(tmp_path / "data", service.dsn, VICTIM, "exit")
        (_, items), = service.envelopes(1)
        (header, payload), = items
        assert (header["type"], payload["status"], payload["attrs"]["release"]) == ("session", "exited", "victim@1.0")
    finally:
        service.stop()


def test_what_it_needs(tmp_path):
    """They are of no use without a release, and without a storage that takes them."""
    def mistakes(**more):
        env = clean_environment({"CRASHCOLLECT_DATA_DIR": tmp_path, "CRASHCOLLECT_SENTRY_SESSIONS": "on", **more})
        return subprocess.run([RUN, "--check-config"], env=env, capture_output=True, text=True, timeout=60).stderr
    sentry = {"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": "http://k@127.0.0.1:1/1"}
    assert "they are counted by release" in mistakes(**sentry)
    assert "add sentry to CRASHCOLLECT_STORAGE" in mistakes(CRASHCOLLECT_PRODUCT_VERSION="1")
    assert "SESSIONS" not in mistakes(**sentry, CRASHCOLLECT_PRODUCT_VERSION="1")
