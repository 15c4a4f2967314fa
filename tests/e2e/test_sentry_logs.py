# SPDX-License-Identifier: MIT
"""The lines of a watched program in Sentry's logs, when they are wanted."""
import json
import os
import pathlib
import re
import subprocess

from harness import clean_environment, eventually
from sentry_parts import Spotlight, native_files, watched

RUN = os.environ["CCOL_WATCHER"]
VICTIM = pathlib.Path(os.environ["CCOL_BUILD_DIR"]) / "tests/sentry_victim"


def watch(folder, dsn, script, **more):
    logs = {"CRASHCOLLECT_SENTRY_LOGS": "info", "CRASHCOLLECT_LOG_EVENTS": "off", "CRASHCOLLECT_HOSTNAME": "node7", **more}
    return subprocess.run([RUN, "--", "sh", "-c", script], env=watched(folder, dsn, **logs), capture_output=True, text=True,
                          timeout=120)


def batches(stub):
    """[(item header, [line, ...]), ...]"""
    return [(header, json.loads(payload)["items"]) for envelope in stub.envelopes
            for header, payload in envelope.items if header["type"] == "log"]


def lines(stub):
    return [line for _, batch in batches(stub) for line in batch]


def test_lines_with_their_levels(stub, tmp_path):
    """Each is an item of its own, what continues one goes with it; fine levels are left out, secrets too."""
    script = """echo 'plain words'; echo '2026-11-25T10:00:00.250Z WARN db: slow'; echo 'ERROR: it broke'
        echo '    because of this'; echo 'DEBUG: not wanted'; echo '    nor this'
        echo '{"level":"fatal","logger":"main","msg":"it is over","password":"hunter2-4711"}'"""
    watch(tmp_path / "data", stub.dsn, script)
    (header, items), = eventually(lambda: batches(stub))
    assert (header["item_count"], header["content_type"]) == (4, "application/vnd.sentry.items.log+json")
    assert [(item["level"], item["severity_number"]) for item in items] == \
        [("info", 9), ("warn", 13), ("error", 17), ("fatal", 21)]
    assert items[0]["body"] == "plain words" and items[2]["body"].endswith("it broke\n    because of this")
    assert items[1]["timestamp"] == 1795600800.25
    assert "it is over" in items[3]["body"] and "hunter2-4711" not in json.dumps(items)
    trace, = {item["trace_id"] for item in items}
    assert re.fullmatch("[0-9a-f]{32}", trace)
    attributes = {name: one["value"] for name, one in items[3]["attributes"].items()}
    assert {one["type"] for item in items for one in item["attributes"].values()} == {"string"}
    assert attributes == {"sentry.release": "victim@1.0", "sentry.environment": "production", "server.address": "node7",
                          "sentry.sdk.name": "crashcollect", "sentry.sdk.version": attributes["sentry.sdk.version"],
                          "process.executable.path": attributes["process.executable.path"], "log.iostream": "stdout",
                          "logger.name": "main"}
    assert stub.events() == []


def test_many_lines(stub, tmp_path):
    """Batches of at most a hundred, all lines once and in order; a crash is an event as ever."""
    watch(tmp_path / "data", stub.dsn, f"seq 1 750; {VICTIM} crash; true", CRASHCOLLECT_SENTRY_LOGS_RATE="1000")
    eventually(lambda: len(lines(stub)) >= 753)
    assert all(len(batch) <= 100 and header["item_count"] == len(batch) for header, batch in batches(stub))
    numbers = [line["body"] for line in lines(stub) if line["body"].isdigit()]
    assert numbers == [str(number) for number in range(1, 751)]
    assert len({line["trace_id"] for line in lines(stub)}) == 1
    event, = stub.events()
    assert event["exception"]["values"][0]["type"] == "SIGSEGV"


def test_too_many_lines(stub, tmp_path):
    """Beyond the rate they are left out and counted; the program goes on as it would."""
    done = watch(tmp_path / "data", stub.dsn, "seq 1 20000", CRASHCOLLECT_SENTRY_LOGS_RATE="20",
                 CRASHCOLLECT_LOG_RING="4MiB")
    assert done.stdout.split() == [str(number) for number in range(1, 20001)]
    left_out = int(re.search(r"(\d+) lines of the program are more than may be sent", done.stderr).group(1))
    assert eventually(lambda: len(lines(stub)) + left_out == 20000) and len(lines(stub)) <= 1000


def test_an_outage(stub, tmp_path):
    stub.down()
    watch(tmp_path / "data", stub.dsn, "echo while it was away", CRASHCOLLECT_DRAIN_TIMEOUT="200ms")
    stub.up()
    watch(tmp_path / "data", stub.dsn, "true", CRASHCOLLECT_SENTRY_LOGS="off")
    assert [line["body"] for line in eventually(lambda: lines(stub))] == ["while it was away"]


def test_limits_and_counts(stub, daemon_factory):
    """A limit of logs holds no crash back; what was left out is told."""
    daemon = daemon_factory(env={"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": stub.dsn,
                                 "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off", "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": 1})
    line = {"at_us": 1795600800250000, "level": "info", "stream": "stdout", "logger": "", "message": "x"}
    text = {"version": 1, "trace_id": "0123456789abcdef" * 2, "dropped": 900, "lines": [line, line]}
    logs = {"logs_json": json.dumps(text).encode()}
    daemon.submit(logs, {"ReportKind": "logs"})
    assert len(stub.wait(1)[0].payloads("log")) == 1
    stub.script = [(429, {"X-Sentry-Rate-Limits": "600:log_item:organization"})]
    daemon.submit(logs, {"ReportKind": "logs"})
    stub.wait_requests(2)
    daemon.submit(logs, {"ReportKind": "logs"})
    daemon.submit(native_files(), {"ProductName": "App"})
    envelope = stub.wait(2)[1]
    assert envelope.event["level"] == "fatal" and len(stub.requests) == 3
    told = json.loads(envelope.payloads("client_report")[0])["discarded_events"]
    assert {(one["reason"], one["category"]): one["quantity"] for one in told} == {
        ("ratelimit_backoff", "log_item"): 4, ("queue_overflow", "log_item"): 2700}
    for broken in (b'{"lines":[{}]}', b"[]", json.dumps({**text, "lines": [{**line, "level": "loud"}]}).encode()):
        daemon.submit({"logs_json": broken}, {"ReportKind": "logs"})
    eventually(lambda: daemon.log_text().count("logs_json is not what it should be") >= 3)


def test_spotlight_reads_them(tmp_path):
    service = Spotlight(tmp_path / "spotlight")
    try:
        watch(tmp_path / "data", service.dsn, "echo hello; echo ERROR: bad")
        (_, items), = service.envelopes(1)
        (header, payload), = items
        assert (header["type"], [item["body"] for item in payload["items"]]) == ("log", ["hello", "bad"])
    finally:
        service.stop()


def test_what_it_needs(tmp_path):
    env = clean_environment({"CRASHCOLLECT_DATA_DIR": tmp_path, "CRASHCOLLECT_SENTRY_LOGS": "info",
                             "CRASHCOLLECT_STORAGE": "fs,sentry", "CRASHCOLLECT_SENTRY_DSN": "http://k@127.0.0.1:1/1"})
    done = subprocess.run([RUN, "--check-config"], env=env, capture_output=True, text=True, timeout=60)
    assert "give CRASHCOLLECT_STORAGE=sentry alone" in done.stderr
