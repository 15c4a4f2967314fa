# SPDX-License-Identifier: MIT
"""Errors of crashcollectd itself: what it tells Sentry, and what it does not."""
import json
import re
import shutil
import socket
import subprocess
import time

import jsonschema
import pytest

from harness import MINIDUMP, Daemon, eventually, request_bytes
from radosgw import Radosgw
from sentry_parts import KEY, SCHEMA, SentryCli, Stub

FAST = {"CRASHCOLLECT_RETRY_FIRST": "5ms", "CRASHCOLLECT_RETRY_MAX": "20ms", "CRASHCOLLECT_DRAIN_TIMEOUT": "200ms"}


@pytest.fixture
def other():
    """Another collector, for storage upstream."""
    made = Stub()
    yield made
    made.close()


def check_form(event):
    if SCHEMA.exists():
        jsonschema.validate(event, json.loads(SCHEMA.read_text()))
    exception, = event["exception"]["values"]
    assert exception["mechanism"] == {"type": "crashcollect", "handled": False}
    assert (event["platform"], event["level"], event["sdk"]["name"]) == ("native", "error", "crashcollect")
    assert "breadcrumbs" not in event and "user" not in event and "data" not in event.get("request", {})
    return exception


def check_stack(event, exception):
    """Where it was met: addresses in images that Sentry's own program knows by the same ids."""
    frames, images = exception["stacktrace"]["frames"], event["debug_meta"]["images"]
    found = []
    for frame in frames:
        image = next(one for one in images if one["image_addr"] == frame["image_addr"])
        offset = int(frame["instruction_addr"], 16) - int(image["image_addr"], 16)
        assert 0 < offset < image["image_size"] and frame["package"] == image["code_file"]
        done = subprocess.run(["addr2line", "-f", "-e", image["code_file"], hex(offset - 1)], capture_output=True, text=True,
                              check=True)
        found.append(done.stdout.splitlines()[0])
    assert "ccol_health_answer" in found and found[-1] == "ccol__incident", " ".join(found)
    cli = SentryCli()
    assert [image["debug_id"] for image in images] == [cli.debug_id(image["code_file"]) for image in images]


def test_a12_broken(daemon_factory, stub, tmp_path):
    """One event with what Antenna's has, and nothing of who asked."""
    version = tmp_path / "version.json"
    version.write_text('{"version": "2026.11.25", "commit": "0123456789abcdef"}')
    daemon = daemon_factory(env={"CRASHCOLLECT_SENTRY_DSN": stub.dsn, "CRASHCOLLECT_VERSION_FILE": version,
                                 "CRASHCOLLECT_HOSTNAME": "node7"})
    reply = daemon.exchange(request_bytes("GET", "/__broken__?code=hidden", {
        "User-Agent": "probe/1", "X-Forwarded-For": "203.0.113.9", "X-Real-Ip": "203.0.113.9", "Cookie": "id=hidden",
        "Authorization": "Bearer hidden", "X-Other": "hidden"}))
    assert reply.status == 500
    event = stub.wait(1)[0].event
    exception = check_form(event)
    assert (exception["type"], exception["value"]) == ("Exception", "intentional exception")
    assert event["transaction"] == "/__broken__" and event["release"] == "2026.11.25:01234567"
    assert event["server_name"] == "node7" and event["environment"] == "production"
    assert event["request"] == {
        "url": "http://collector.test/__broken__", "method": "GET",
        "headers": {"Host": "collector.test", "Connection": "close", "User-Agent": "probe/1",
                    "X-Forwarded-For": "[Scrubbed]", "X-Real-Ip": "[Scrubbed]", "Cookie": "[Scrubbed]",
                    "Authorization": "[Scrubbed]"}}
    check_stack(event, exception)
    assert "hidden" not in json.dumps(event) and "203.0.113.9" not in json.dumps(event)
    assert daemon.metric("crashcollect_health_broken_total") == 1
    daemon.wait_log("Unhandled exception sent to sentry")
    daemon.stop()
    assert len(stub.requests) == 1


def failed_start(tmp_path, stub, **env):
    daemon = Daemon(data_dir=tmp_path / "failed", env={"CRASHCOLLECT_SENTRY_DSN": stub.dsn, **env})
    daemon.launch()
    assert daemon.wait() == 1
    daemon.check_sanitizers()
    event = stub.wait(1)[0].event
    assert len(stub.requests) == 1, "exactly one event"
    assert KEY not in daemon.log_text() and "Unhandled startup exception" in daemon.log_text()
    exception = check_form(event)
    assert exception["type"] == "StartupError" and exception["value"].startswith("Unhandled startup exception: ")
    return exception["value"]


def test_a12_port_in_use(tmp_path, stub):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = failed_start(tmp_path, stub, CRASHCOLLECT_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
        assert "in use" in text


def test_a12_bad_storage(tmp_path, stub):
    (tmp_path / "file").write_text("")
    assert "file" in failed_start(tmp_path, stub, CRASHCOLLECT_FS_ROOT=tmp_path / "file")


def test_a12_bad_bucket(tmp_path, stub, other):
    """An S3 server that has no such bucket, or other keys: one event, without a secret."""
    gateway = Radosgw(tmp_path / "radosgw")
    try:
        text = failed_start(tmp_path, stub, **gateway.variables("no-such-bucket"))
        assert "no-such-bucket" in text and "NoSuchBucket" in text
        text = failed_start(tmp_path, other, **gateway.variables("crashes", AWS_SECRET_ACCESS_KEY="wrong/secret+key"))
        assert "SignatureDoesNotMatch" in text
    finally:
        gateway.stop()
    sent = json.dumps([one.event for one in stub.envelopes + other.envelopes])
    assert not any(secret in sent for secret in (gateway.secret, "wrong/secret+key", KEY))


def test_a12_bad_config(tmp_path, stub):
    assert "CRASHCOLLECT_ACK=perhaps" in failed_start(tmp_path, stub, CRASHCOLLECT_ACK="perhaps",
                                                      CRASHCOLLECT_MAX_BODY="huge")


def test_a12_a_dead_sentry_keeps_no_start_waiting(tmp_path):
    """The failed start still ends, and soon."""
    stub = Stub(["hang"])
    daemon = Daemon(data_dir=tmp_path / "failed", env={"CRASHCOLLECT_SENTRY_DSN": stub.dsn, "CRASHCOLLECT_ACK": "x"})
    daemon.launch()
    assert daemon.wait(30) == 1
    stub.close()


def test_a12_no_dsn_no_socket(tmp_path):
    """Without a DSN nothing but the listening sockets is opened, not even by /__broken__."""
    assert shutil.which("strace"), "needs strace (Debian: strace)"
    trace = tmp_path / "trace"
    for name, env in (("none", {}), ("empty", {"CRASHCOLLECT_SENTRY_DSN": ""})):
        daemon = Daemon(data_dir=tmp_path / name, env={**env, "ASAN_OPTIONS": "detect_leaks=0"},
                        wrapper=["strace", "-f", "-o", trace, "-e", "trace=socket,connect"])
        daemon.start()
        assert daemon.get("/__broken__").status == 500
        child = int(subprocess.run(["pgrep", "-P", str(daemon.process.pid)], capture_output=True, text=True).stdout)
        subprocess.run(["kill", "-TERM", str(child)], check=True)
        assert daemon.wait() == 0
        calls = trace.read_text()
        assert "connect(" not in calls
        assert len(re.findall(r"socket\(", calls)) == len(re.findall(r"socket\(AF_INET6?, SOCK_STREAM", calls)) > 0


def test_giving_up_is_told(daemon_factory, stub, other):
    """A report that its storage refuses for good, and one that keeps failing: an event each, with the crash id."""
    other.script = [(400, {}, b"Discarded=malformed")]
    env = {"CRASHCOLLECT_SENTRY_DSN": stub.dsn, "CRASHCOLLECT_STORAGE": "upstream",
           "CRASHCOLLECT_UPSTREAM_URL": f"http://127.0.0.1:{other.port}/submit", **FAST}
    daemon = daemon_factory(env=env)
    refused = daemon.submit({"upload_file_minidump": MINIDUMP}, {"ProductName": "P", "Email": "a@b.example"}).crash_id
    event = stub.wait(1)[0].event
    exception = check_form(event)
    assert exception["type"] == "CCOL_EREJECTED" and "moved to the quarantine" in exception["value"]
    assert event["tags"] == {"part": "crashmover.save", "crash_id": refused}
    assert "a@b.example" not in json.dumps(event)
    other.script = [(503, {})] * 8 + [(200, {}, b"CrashID=bp-x\n")]
    failing = daemon.submit({"upload_file_minidump": MINIDUMP}).crash_id
    event = stub.wait(2)[1].event
    assert event["tags"]["crash_id"] == failing and "keeps failing" in check_form(event)["value"]


def test_no_flood_and_no_recursion(daemon_factory, stub, other):
    """A hundred reports at a dead storage make a bounded number of events; a dead Sentry makes a log line, no error."""
    other.down()
    env = {"CRASHCOLLECT_SENTRY_DSN": stub.dsn, "CRASHCOLLECT_STORAGE": "upstream",
           "CRASHCOLLECT_UPSTREAM_URL": f"http://127.0.0.1:{other.port}/submit", **FAST}
    daemon = daemon_factory(env=env)
    for _ in range(100):
        daemon.submit({"upload_file_minidump": MINIDUMP})
    stub.wait(1)
    daemon.stop()
    assert 1 <= len(stub.events()) <= 40
    stub.down()
    daemon = daemon_factory(env={**env, "CRASHCOLLECT_STORAGE": "sentry"})
    for _ in range(20):
        assert daemon.get("/__broken__").status == 500
    daemon.submit({"upload_file_minidump": MINIDUMP})
    daemon.wait_log("an error of our own did not reach Sentry")
    eventually(lambda: len([line for line in daemon.log_lines() if "will be tried again" in line]) >= 6)
    daemon.stop(60)
    assert len([line for line in daemon.log_lines() if "did not reach Sentry" in line]) == 1
    other.up()
    stub.up()


def test_slow_sentry_is_not_on_the_request_path(daemon_factory):
    stub = Stub(["hang", "hang"])
    daemon = daemon_factory(env={"CRASHCOLLECT_SENTRY_DSN": stub.dsn})
    daemon.get("/__broken__")
    stub.wait_requests(1)
    began = time.monotonic()
    for _ in range(100):
        assert daemon.get("/__broken__").status == 500
    daemon.wait_saved(daemon.submit({"upload_file_minidump": MINIDUMP}).crash_id)
    assert len(stub.requests) == 1, f"the first one is still hanging after {time.monotonic() - began} s"
    stub.close()


def test_switched_off(daemon_factory, stub):
    daemon = daemon_factory(env={"CRASHCOLLECT_SENTRY_DSN": stub.dsn, "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off"})
    assert daemon.get("/__broken__").status == 500
    daemon.stop()
    assert stub.requests == []
