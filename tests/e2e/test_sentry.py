# SPDX-License-Identifier: MIT
"""Storage sentry: what arrives, at real receivers and at a strict reader, and what happens when it cannot. The names
a1, a2, ... are those of the acceptance cases."""
import base64
import email
import email.policy
import json
import os
import pathlib
import re
import subprocess
import time
import uuid

import jsonschema
import pytest

from harness import Daemon, eventually
from sentry_parts import (DUMP, KEY, SCHEMA, Bugsink, Envelope, SentryCli, Service, Spotlight, Stub, native_files,
                          native_stack, need)

FAST = {"CRASHCOLLECT_RETRY_FIRST": "20ms", "CRASHCOLLECT_RETRY_MAX": "100ms", "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": 1}
ANNOTATIONS = {"ProductName": "App", "Version": "1.2", "Custom": "value", "Email": "someone@example.org",
               "URL": "https://example.org/private", "Comments": "my private words", "ApiToken": "hidden-token"}


def sentry(dsn, **more):
    return {"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": dsn, "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off",
            **FAST, **more}


@pytest.fixture(scope="module")
def spotlight(tmp_path_factory):
    service = Spotlight(tmp_path_factory.mktemp("spotlight") / "state")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory):
    service = Bugsink(tmp_path_factory.mktemp("bugsink") / "state")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def sentry_cli():
    return SentryCli()


def event_id(crash_id):
    return crash_id.replace("-", "")


def flat(crash):
    return json.dumps(crash)


@pytest.mark.parametrize("gzip", ["on", "off"])
def test_a1_spotlight(daemon_factory, spotlight, gzip):
    """Sentry's own sidecar reads it, and the minidump comes out as it went in."""
    daemon = daemon_factory(env=sentry(spotlight.dsn, CRASHCOLLECT_SENTRY_GZIP=gzip,
                                       CRASHCOLLECT_SENTRY_RELEASE="app@1.2", CRASHCOLLECT_SENTRY_ENVIRONMENT="test"))
    wanted = event_id(daemon.submit(native_files(), ANNOTATIONS).crash_id)
    daemon.wait_log("saved")
    header, items = next(found for found in spotlight.envelopes(1 if gzip == "on" else 2)
                         if found[0]["event_id"] == wanted)
    event = next(payload for head, payload in items if head["type"] == "event")
    assert (event["event_id"], event["level"], event["release"], event["environment"]) == \
        (wanted, "fatal", "app@1.2", "test")
    assert [image["code_file"] for image in event["debug_meta"]["images"]] == \
        ["/opt/app/bin/app", "/lib/x86_64-linux-gnu/libc.so.6"]
    dump = next((head, payload) for head, payload in items if head.get("attachment_type") == "event.minidump")
    assert base64.b64decode(dump[1]["data"]) == DUMP and dump[0]["filename"] == "upload_file_minidump.dmp"
    assert header["sent_at"].endswith("Z")


def test_a2_event_form(daemon_factory, stub):
    """What a native SDK would send, valid by Relay's schema."""
    need(SCHEMA.exists(), f"{SCHEMA} is missing")
    daemon = daemon_factory(env=sentry(stub.dsn))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    envelope = stub.wait(1)[0]
    event = envelope.event
    jsonschema.validate(event, json.loads(SCHEMA.read_text()))
    assert envelope.header["event_id"] == event["event_id"] == event_id(crash_id) == uuid.UUID(event["event_id"]).hex
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])
    crash, = event["exception"]["values"]
    assert (crash["type"], crash["value"], crash["thread_id"]) == ("SIGSEGV", "SEGV_MAPERR at 0x10", 4711)
    assert crash["mechanism"] == {"type": "signalhandler", "handled": False, "synthetic": True, "meta": {"signal": {
        "number": 11, "name": "SIGSEGV", "code": 1, "code_name": "SEGV_MAPERR"}}}
    frames = crash["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames] == ["__libc_start_main", "main", "loop", "work", "poke"]
    assert frames[-1] == {"function": "poke", "filename": "app.c", "abs_path": "/src/app.c", "lineno": 10,
                          "instruction_addr": "0x55d0c0001139", "image_addr": "0x55d0c0000000",
                          "package": "/opt/app/bin/app", "in_app": True}
    assert frames[0]["in_app"] is False and crash["stacktrace"]["registers"]["rip"] == "0x55d0c0001139"
    first, second = event["threads"]["values"]
    assert (first["id"], first["crashed"], "stacktrace" in first) == (4711, True, False)
    assert second["stacktrace"]["frames"][0]["function"] == "poll"
    image = event["debug_meta"]["images"][0]
    assert image == {"type": "elf", "code_file": "/opt/app/bin/app", "image_addr": "0x55d0c0000000",
                     "image_size": 16384, "code_id": "424d762e42d342b833e6a8e337a389488745aaaa",
                     "debug_id": "2e764d42-d342-b842-33e6-a8e337a38948"}
    assert event["contexts"]["os"]["name"] == "Linux" and event["contexts"]["device"]["arch"] == "x86_64"
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == ["step 0", "step 1", "step 2"]
    assert event["tags"]["crash_id"] == crash_id and event["release"] == "App@1.2"
    assert event["extra"]["Custom"] == "value"
    files = envelope.attachments()
    assert sorted(files) == ["log.txt", "stacktrace.txt", "upload_file_minidump.dmp"]
    assert files["log.txt"][1] == b"step 1\nstep 2\n"


def test_a2_sentry_cli(daemon_factory, stub, sentry_cli, tmp_path):
    """The strictest parser there is takes the envelope, and refuses it cut short."""
    stack = native_stack()
    stack["modules"] = []  # that program's model knows no ELF images
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_SENTRY_GZIP="off"))
    daemon.submit(native_files(stack), ANNOTATIONS)
    body = stub.wait(1) and stub.requests[0][3]
    other = Stub()
    environment = {"SENTRY_DSN": other.dsn, "SENTRY_DISABLE_UPDATE_CHECK": "1", "PATH": os.environ["PATH"],
                   "HOME": str(tmp_path)}

    def send(data):
        file = tmp_path / "envelope"
        file.write_bytes(data)
        return subprocess.run([sentry_cli.path, "send-envelope", file], env=environment, capture_output=True, text=True,
                              timeout=60)

    done = send(body)
    assert done.returncode == 0, done.stdout + done.stderr
    assert other.wait(1)[0].event["event_id"] == Envelope(body).event["event_id"]
    assert send(body[:-200]).returncode != 0
    other.close()


def test_a3_debug_ids(daemon_factory, stub, sentry_cli):
    """The debug id of an image is what Sentry's own program makes of the file."""
    for library in ("/lib/x86_64-linux-gnu/libc.so.6", os.environ["CRASHCOLLECTD"]):
        wanted = sentry_cli.debug_id(library)
        notes = subprocess.run(["readelf", "-n", library], capture_output=True, text=True, check=True).stdout
        build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
        stack = native_stack()
        stack["modules"][0]["build_id"] = build_id
        daemon = daemon_factory(env=sentry(stub.dsn))
        before = len(stub.envelopes)
        daemon.submit(native_files(stack), ANNOTATIONS)
        image = stub.wait(before + 1)[-1].event["debug_meta"]["images"][0]
        assert (image["code_id"], image["debug_id"]) == (build_id, wanted)


def test_a3_without_any_id(daemon_factory, stub):
    stack = native_stack()
    del stack["modules"][0]["build_id"]
    stack["modules"][1]["build_id"] = "no hex"
    daemon = daemon_factory(env=sentry(stub.dsn))
    daemon.submit(native_files(stack), ANNOTATIONS)
    for image in stub.wait(1)[0].event["debug_meta"]["images"]:
        assert "code_id" not in image and image["debug_id"] == str(uuid.UUID(int=0))


def test_composed_exceptions_keep_their_dump_plain(daemon_factory, stub):
    """A panic, an OOM kill: Sentry would put the minidump's own exception in place of ours."""
    panic = native_stack(reason="SIGABRT", signal=6, code=-6, code_name="SI_TKILL", message="")
    panic["exceptions"] = [{"runtime": "rust", "type": "panic", "value": "index out of bounds", "module": "app",
                            "thread": "main", "frames": [{"function": "app::inner", "file": "src/main.rs", "line": 3},
                                                         {"function": "app::main", "file": "src/main.rs", "line": 9}]}]
    killed = native_stack(reason="OOM", message="killed by the kernel, memory.max is 64 MiB")
    for name in ("signal", "code", "code_name", "address"):
        del killed["crash"][name]
    daemon = daemon_factory(env=sentry(stub.dsn))
    daemon.submit(native_files(panic), ANNOTATIONS)
    daemon.submit(native_files(killed), ANNOTATIONS)
    first, second = stub.wait(2)
    signal, spoken = first.event["exception"]["values"]
    assert (signal["type"], spoken["type"], spoken["value"]) == ("SIGABRT", "panic", "index out of bounds")
    assert [frame["function"] for frame in spoken["stacktrace"]["frames"]] == ["app::main", "app::inner"]
    assert spoken["mechanism"] == {"type": "panic", "handled": False}
    assert second.event["exception"]["values"][0]["type"] == "OOM"
    for envelope in (first, second):
        header, payload = envelope.attachments()["upload_file_minidump.dmp"]
        assert "attachment_type" not in header and payload == DUMP
        if SCHEMA.exists():
            jsonschema.validate(envelope.event, json.loads(SCHEMA.read_text()))


def test_plain_uploads(daemon_factory, stub):
    """Breakpad's and Crashpad's uploads become an event with the minidump; parts of an event that they give are in it."""
    daemon = daemon_factory(env=sentry(stub.dsn))
    daemon.submit({"upload_file_minidump": DUMP, "upload_file_minidump_browser": DUMP},
                  {"prod": "Electron", "ver": "3.1", "ptype": "renderer"})
    daemon.submit({"upload_file_minidump": DUMP}, {
        "sentry": '{"release": "given@1", "tags": {"a": "b"}, "user": {"id": "7"}}', "sentry[tags][c]": "d",
        "sentry[environment]": "staging", "sentry__1": '{"contexts": {"os": {"na', "sentry__2": 'me": "Haiku"}}}',
        "sentry___initialScope": '{"extra": {"x": 1}}', "sentry___broken": "{"})
    daemon.submit({}, {"ProductName": "Fenix", "Version": "1", "MozCrashReason": "it was on fire"})
    first, second, third = (envelope for envelope in stub.wait(3))
    assert first.event["exception"]["values"][0] == {
        "type": "Minidump", "value": "Crash of Electron 3.1",
        "mechanism": {"type": "minidump", "handled": False, "synthetic": True}}
    assert first.event["release"] == "Electron@3.1" and first.event["extra"]["ptype"] == "renderer"
    headers = {name: header.get("attachment_type") for name, (header, _) in first.attachments().items()}
    assert headers == {"upload_file_minidump.dmp": "event.minidump", "upload_file_minidump_browser.dmp": None}
    event = second.event
    assert (event["release"], event["environment"], event["user"]) == ("given@1", "staging", {"id": "7"})
    assert event["tags"]["a"] == "b" and event["tags"]["c"] == "d" and event["tags"]["crash_id"]
    assert event["contexts"]["os"]["name"] == "Haiku" and event["extra"] == {"x": 1}
    assert third.event["exception"]["values"][0]["value"] == "it was on fire" and not third.attachments()
    if SCHEMA.exists():
        for envelope in (first, second, third):
            jsonschema.validate(envelope.event, json.loads(SCHEMA.read_text()))


def test_a8_down_and_killed(daemon_factory, stub):
    """Sentry is away and the collector is killed: everything arrives once, in order, and freshly dated."""
    stub.down()
    daemon = daemon_factory(env=sentry(stub.dsn))
    ids = [daemon.submit(native_files(), ANNOTATIONS).crash_id for _ in range(10)]
    daemon.wait_log("will be tried again")
    daemon.kill()
    daemon.start()
    ids += [daemon.submit(native_files(), ANNOTATIONS).crash_id for _ in range(10)]
    daemon.wait_log("will be tried again")
    daemon.kill()
    up_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    stub.up()
    daemon.start()
    stub.wait(20)
    eventually(lambda: daemon.get("/__heartbeat__").json["info"]["save_queue_size"] == 0)
    assert [envelope.header["event_id"] for envelope in stub.envelopes] == [event_id(crash) for crash in ids]
    assert all(envelope.header["sent_at"] >= up_at for envelope in stub.envelopes)


REFUSED, AGAIN, HELD = "refused", "again", "held"
ANSWERS = {
    "503": ((503, {}), AGAIN), "502": ((502, {}), AGAIN), "504": ((504, {}), AGAIN), "500": ((500, {}), AGAIN),
    "408": ((408, {}), AGAIN), "reset": ("reset", AGAIN), "half": ("half", AGAIN), "hang": ("hang", AGAIN),
    "429_retry_after": ((429, {"Retry-After": "1"}), HELD),
    "429_int": ((429, {"X-Sentry-Rate-Limits": "1:error:org"}), HELD),
    "429_float": ((429, {"X-Sentry-Rate-Limits": "0.7:attachment;error:org"}), HELD),
    "429_empty_categories": ((429, {"X-Sentry-Rate-Limits": "1::org"}), HELD),
    "429_spaces": ((429, {"X-Sentry-Rate-Limits": " 60 : transaction : org , 1 : error : org "}), HELD),
    "429_negative": ((429, {"X-Sentry-Rate-Limits": "-3:error:org", "Retry-After": "1"}), HELD),
    "429_unknown_categories": ((429, {"X-Sentry-Rate-Limits": "3000:whatever:org"}), AGAIN),
    "400": ((400, {}, b'{"detail":"bad event","causes":[]}'), REFUSED), "401": ((401, {}), REFUSED),
    "403": ((403, {}), REFUSED), "404": ((404, {}), REFUSED), "301": ((301, {"Location": "/x"}), REFUSED),
    "200_garbage": ((200, {}, b"<html>\0"), None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a9_answers(daemon_factory, stub, name):
    """What each answer of Sentry's means."""
    action, wanted = ANSWERS[name]
    stub.script = [action]
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_SENTRY_TIMEOUT="1s"))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    if wanted == REFUSED:
        line = daemon.wait_log(r"moved to the quarantine.*").group(0)
        assert name in line and KEY not in daemon.log_text()
        assert ("bad event" in line) == (name == "400")
        assert list(daemon.spool.glob(f"failed/*/raw_crash/{crash_id}.json"))
        daemon.submit(native_files(), ANNOTATIONS)
        reports = stub.wait(1)[0].payloads("client_report")
        assert {(entry["reason"], entry["category"]): entry["quantity"] for entry in
                json.loads(reports[0])["discarded_events"]} == {("send_error", "error"): 1, ("send_error", "attachment"): 3}
        return
    assert stub.wait(1)[0].header["event_id"] == event_id(crash_id)
    times = [request[0] for request in stub.requests]
    assert len(times) == (1 if wanted is None else 2)
    if wanted == HELD:
        assert times[1] - times[0] > 0.65
        assert "rate limit" in daemon.log_text()


def test_a9_limits_in_a_success(daemon_factory, stub):
    """A 200 may ask for a pause; another category's does not concern crashes."""
    stub.script = [(200, {"X-Sentry-Rate-Limits": "3000:session;log_item:org"}),
                   (200, {"X-Sentry-Rate-Limits": "1:error:org"})]
    daemon = daemon_factory(env=sentry(stub.dsn))
    for count in (1, 2, 3):
        daemon.submit(native_files(), ANNOTATIONS)
        stub.wait(count)
    times = [request[0] for request in stub.requests]
    assert len(times) == 3 and times[2] - times[1] > 0.9


def test_a9_too_large(daemon_factory, stub):
    """413: the crash is seen there without its dump, and the whole report is kept."""
    stub.script = [(413, {})]
    daemon = daemon_factory(env=sentry(stub.dsn))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    envelope = stub.wait(1)[0]
    assert envelope.event["tags"]["minidump"] == "too large" and envelope.event["event_id"] == event_id(crash_id)
    assert sorted(envelope.attachments()) == ["log.txt", "stacktrace.txt"]
    assert "too large" in daemon.wait_log(r"moved to the quarantine.*").group(0)
    kept, = daemon.spool.glob(f"failed/*/upload_file_minidump/{crash_id}")
    assert kept.read_bytes() == DUMP


def test_a9_max_envelope(daemon_factory, stub):
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_SENTRY_MAX_ENVELOPE="1MiB"))
    daemon.submit(native_files(dump=DUMP + bytes(1 << 20)), ANNOTATIONS)
    assert stub.wait(1)[0].event["tags"]["minidump"] == "too large"
    assert len(stub.requests) == 1


def test_a10_a_huge_report_fits(daemon_factory, stub):
    """10 MB of log in breadcrumbs and an endless stack: the event stays below 1 MiB with the facts of the crash."""
    stack = native_stack(frames=20000)
    stack["breadcrumbs"] = [{"category": "stderr", "level": "info", "message": f"{i} " + "x\u00e9" * 50000}
                            for i in range(100)]
    stack["threads"] += [dict(stack["threads"][1], id=5000 + i, frames=stack["threads"][1]["frames"] * 50)
                         for i in range(300)]
    log = b"".join(b"line %d of a long log\n" % i for i in range(400000))
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_MAX_BODY="64MiB"))
    daemon.submit(native_files(stack, log=log), {**ANNOTATIONS, "Big": "y" * 3000000})
    envelope = stub.wait(1)[0]
    payload, = envelope.payloads("event")
    assert len(payload) <= 1 << 20
    event = json.loads(payload)
    crash, = event["exception"]["values"]
    assert crash["type"] == "SIGSEGV" and crash["stacktrace"]["frames"][-1]["function"] == "poke"
    assert crash["stacktrace"]["frames"][0]["lineno"] == 10 + 19999  # where it began is told as well
    assert event["breadcrumbs"]["values"][-1]["message"].startswith("99 ")
    assert envelope.attachments()["log.txt"][1] == log
    assert envelope.attachments()["upload_file_minidump.dmp"][1] == DUMP


def test_nonsense_in_a_stack_is_no_harm(daemon_factory, stub):
    """Anybody can post a stacktrace_json; what is not understood is a file like others."""
    odd = native_stack()
    odd["threads"] = [{"id": "x", "frames": [1, None, {"module": -1}, {"module": 99999, "line": 1e99}]}, 7, "thread"]
    odd["modules"] = "none"
    odd["crash"] = {"reason": 5, "signal": "y"}
    odd["breadcrumbs"] = {"a": 1}
    daemon = daemon_factory(env=sentry(stub.dsn))
    for data in (flat(odd).encode(), b"{", b"[" * 100000, b'{"version": 2}', b"\xff\xfe", flat(["version", 1]).encode()):
        before = len(stub.envelopes)
        daemon.submit({"stacktrace_json": data, "upload_file_minidump": DUMP}, ANNOTATIONS)
        envelope = stub.wait(before + 1)[-1]
        assert envelope.event["tags"]["product"] == "App"
        assert envelope.attachments()["upload_file_minidump.dmp"][1] == DUMP


def test_a13_secrets(daemon_factory, stub):
    """No key, no annotation of a user, nowhere."""
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_LOG_LEVEL="debug", CRASHCOLLECT_DISCARD_FIELDS=""))
    stub.script = [(401, {}, b'{"detail":"key ' + KEY.encode() + b' is wrong"}'), (503, {})]
    daemon.submit(native_files(), ANNOTATIONS)
    daemon.submit(native_files(), ANNOTATIONS)
    stub.wait(1)
    text = daemon.log_text() + daemon.get("/__heartbeat__").text + daemon.get("/metrics").text
    for path in pathlib.Path(f"/proc/{daemon.process.pid}").glob("cmdline"):
        text += path.read_text()
    bodies = "".join(json.dumps([envelope.header, envelope.event]) for envelope in stub.seen)
    assert KEY not in text and KEY not in bodies
    for name in ("Email", "URL", "Comments", "ApiToken"):
        assert ANNOTATIONS[name] not in bodies and ANNOTATIONS[name] not in text
    assert "SENTRY_DSN=*****" in text
    assert all(f"sentry_key={KEY}" in request[2]["X-Sentry-Auth"] and "?" not in request[1] for request in stub.requests)


@pytest.mark.parametrize("mode", ["process", "attach"])
def test_a16_bugsink(daemon_factory, bugsink, mode):
    """A real server of another make shows the crash as an issue, with release, tags and stack trace."""
    daemon = daemon_factory(env=sentry(bugsink.dsn, CRASHCOLLECT_SENTRY_MINIDUMP=mode,
                                       CRASHCOLLECT_SENTRY_RELEASE=f"app-{mode}@1.2"))
    before = bugsink.issues()
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    daemon.wait_log("saved")
    issue, = eventually(lambda: [one for one in bugsink.issues() if one not in before])
    trace = bugsink.page(f"/issues/issue/{issue}/event/last/")
    assert "SIGSEGV" in trace
    if mode == "attach":
        assert all(function in trace for function in ("poke", "work", "loop", "main"))
        assert "SEGV_MAPERR at 0x10" in trace
    tags = bugsink.page(f"/issues/issue/{issue}/event/last/details/")
    assert f"app-{mode}@1.2" in tags and crash_id in tags
    assert "step 2" in bugsink.page(f"/issues/issue/{issue}/event/last/breadcrumbs/")


def form_of(request):
    """Fields and files of a form, by the standard library's reader of such mails: {name: (filename, bytes)}"""
    _, _, headers, body = request
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
    return {part.get_param("name", header="Content-Disposition"): (part.get_filename(), part.get_payload(decode=True))
            for part in parts}


def test_minidump_endpoint(daemon_factory, stub):
    """A native crash goes where crash reporters post, without what its minidump tells; a panic is an event as ever, and
    so is what was too large."""
    panic = native_stack(reason="SIGABRT", signal=6)
    panic["exceptions"] = [{"runtime": "rust", "type": "panic", "value": "out of bounds", "frames": []}]
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_SENTRY_MINIDUMP="endpoint"))
    native = daemon.submit(native_files(), ANNOTATIONS).crash_id
    bare = daemon.submit({"upload_file_minidump": DUMP}, {"sentry": '{"tags": {"a": "b"}}'}).crash_id
    daemon.submit(native_files(panic), ANNOTATIONS)
    stub.wait(1)
    assert [request[1] for request in stub.requests] == ["/api/42/minidump/"] * 2 + ["/api/42/envelope/"]
    assert all(f"sentry_key={KEY}" in request[2]["X-Sentry-Auth"] for request in stub.requests)
    for crash_id, request, names in ((native, stub.requests[0], ["log.txt", "stacktrace.txt", "upload_file_minidump.dmp"]),
                                     (bare, stub.requests[1], ["upload_file_minidump.dmp"])):
        form = form_of(request)
        event = json.loads(form["sentry"][1])
        assert event["event_id"] == event_id(crash_id) and event["tags"]["crash_id"] == crash_id
        assert not {"exception", "threads", "debug_meta"} & set(event)
        assert form["upload_file_minidump"] == ("upload_file_minidump.dmp", DUMP)
        assert sorted(name for name, _ in form.values() if name) == names
    assert event["tags"]["a"] == "b"
    assert json.loads(form_of(stub.requests[0])["sentry"][1])["breadcrumbs"]["values"][-1]["message"] == "step 2"
    assert stub.envelopes[0].event["exception"]["values"][-1]["value"] == "out of bounds"
    stub.script = [(413, {})]
    daemon.submit(native_files(), ANNOTATIONS)
    assert stub.wait(2)[1].event["exception"]["values"][0]["type"] == "SIGSEGV"
    assert stub.envelopes[1].event["tags"]["minidump"] == "too large"


def test_a16_bugsink_minidump_endpoint(daemon_factory, bugsink):
    """That server makes the event of the minidump, and has the tags that came with it."""
    daemon = daemon_factory(env=sentry(bugsink.dsn, CRASHCOLLECT_SENTRY_MINIDUMP="endpoint",
                                       CRASHCOLLECT_SENTRY_RELEASE="app-endpoint@1.2"))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    daemon.wait_log("saved")

    def page_of_it():  # it may be one more event of an issue
        return next((path for issue in bugsink.issues() for path in [f"/issues/issue/{issue}/event/last/"]
                     if crash_id in bugsink.page(path + "details/")), None)

    path = eventually(page_of_it)
    assert "Fatal Error: SIGSEGV" in bugsink.page(path), "its own words for the dump's crash"
    assert "app-endpoint@1.2" in bugsink.page(path + "details/")


@pytest.mark.parametrize("mode", ["process", "endpoint"])
def test_a16_bugsink_wrong_key(daemon_factory, bugsink, mode):
    wrong = re.sub(r"//[0-9a-f]+@", f"//{uuid.uuid4().hex}@", bugsink.dsn)
    daemon = daemon_factory(env=sentry(wrong, CRASHCOLLECT_SENTRY_MINIDUMP=mode))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    assert "check" in daemon.wait_log(r"moved to the quarantine.*Sentry refuses it for good.*").group(0)
    assert list(daemon.spool.glob(f"failed/*/raw_crash/{crash_id}.json"))


def test_health(daemon_factory, stub):
    """Looking at Sentry's health sends no event, and a limit shows."""
    daemon = daemon_factory(env=sentry(stub.dsn, CRASHCOLLECT_CHECK_PERIOD="50ms"))
    eventually(lambda: daemon.get("/__heartbeat__").status == 200)
    assert stub.requests == []
    stub.script = [(429, {"Retry-After": "2"})]
    daemon.submit(native_files(), ANNOTATIONS)
    eventually(lambda: daemon.heartbeat_errors()[0] == 503)
    assert "rate limit" in " ".join(daemon.heartbeat_errors()[1])
    stub.wait(1)
    eventually(lambda: daemon.get("/__heartbeat__").status == 200)


def test_https_and_its_ca(daemon_factory, tmp_path):
    """A certificate that nobody vouches for is refused, the report waits; with its CA file it arrives."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    stub = Stub(tls=(certificate, key))
    daemon = daemon_factory(env=sentry(stub.dsn.replace("http://", "https://")))
    crash_id = daemon.submit(native_files(), ANNOTATIONS).crash_id
    assert "certificate" in daemon.wait_log("will be tried again.*").group(0).lower()
    assert stub.requests == []
    daemon.kill()
    daemon.set(CRASHCOLLECT_SENTRY_CA_FILE=certificate)
    daemon.start()
    assert stub.wait(1)[0].header["event_id"] == event_id(crash_id)
    stub.close()


def test_proxy(daemon_factory, stub):
    """By setting, by the environment, and off."""
    unreachable = f"http://{KEY}@sentry.invalid/42"
    proxy = f"http://127.0.0.1:{stub.port}"
    for number, more in enumerate(({"CRASHCOLLECT_SENTRY_PROXY": proxy}, {"http_proxy": proxy})):
        daemon_factory(env=sentry(unreachable, **more)).submit(native_files(), ANNOTATIONS)
        stub.wait(number + 1)
        assert stub.requests[-1][1] == "http://sentry.invalid/api/42/envelope/"
    daemon = daemon_factory(env=sentry(unreachable, http_proxy=proxy, CRASHCOLLECT_SENTRY_PROXY="off"))
    daemon.submit(native_files(), ANNOTATIONS)
    daemon.wait_log("will be tried again")
    assert len(stub.requests) == 2


def test_settings_are_checked(daemon_factory, tmp_path):
    """Mistakes are told before anything starts, without the key."""
    def check(**env):
        daemon = Daemon(data_dir=tmp_path / "check", env=env, args=["--check-config"])
        daemon.launch()
        return daemon.wait(), daemon.log_text()
    status, text = check(CRASHCOLLECT_STORAGE="sentry")
    assert status == 1 and "sentry needs CRASHCOLLECT_SENTRY_DSN too" in text
    status, text = check(CRASHCOLLECT_SENTRY_DSN=f"https://{KEY}@/1")
    assert status == 1 and "the host or its port is wrong" in text and KEY not in text
    status, text = check(SECRET_SENTRY_DSN=f"https://{KEY}@sentry.example/1")
    assert status == 0
