# SPDX-License-Identifier: MIT
"""Sentry's SDKs and crash reporters as senders (case a14): what they post is a report before they get their 200."""
import gzip
import json
import os
import re
import signal
import subprocess
import uuid
import zlib

import pytest

from compression import PACK
from harness import eventually, multipart, request_bytes
from sentry_parts import DUMP, KEY, SERVICES, TESTS, Envelope

ID = "0123456789abcdef0123456789abcdef"
AUTH = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=test/1, sentry_key={KEY}"}
INTAKE = {"CRASHCOLLECT_SENTRY_INTAKE": "1", "CRASHCOLLECT_SENTRY_INTAKE_KEYS": f"{'b' * 32},{KEY}"}
DUMP_NAME = "upload_file_minidump"


@pytest.fixture
def hop(daemon_factory):
    return daemon_factory(env=INTAKE)


def dsn(daemon):
    return f"http://{KEY}@127.0.0.1:{daemon.port}/42"


def envelope(*items, header=None):
    lines = [json.dumps({"event_id": ID} if header is None else header).encode()]
    for head, payload in items:
        lines += [json.dumps(head).encode(), payload]
    return b"\n".join(lines) + b"\n"


EVENT = ({"type": "event", "content_type": "application/json"},
         json.dumps({"event_id": ID, "level": "error", "platform": "c", "release": "app@1.5+7", "environment": "test",
                     "logentry": {"formatted": "hello"}}).encode())


def attachment(data, kind=None, name="a.bin"):
    head = {"type": "attachment", "length": len(data), "filename": name}
    return ({**head, "attachment_type": kind} if kind else head), data


def post(daemon, endpoint, body, headers=None, auth=AUTH):
    return daemon.request("POST", f"/api/42/{endpoint}/", body, {**(auth or {}), **(headers or {})})


def stored(daemon, count=1):
    """All crashes once there are so many, oldest first."""
    eventually(lambda: len(daemon.saved_ids()) >= count, what=f"{count} crashes")
    crashes = list(daemon.crashes().values())
    for crash in crashes:
        crash.check_whole()
    return sorted(crashes, key=lambda crash: crash.raw_crash["submitted_timestamp"])


def kept(crash):
    return Envelope_any(crash.dumps["sentry_envelope"])


class Envelope_any(Envelope):
    """An envelope whose items may have no length."""

    def __init__(self, body):
        lines = body.split(b"\n", 1)
        self.header = json.loads(lines[0])
        self.items = []
        rest = lines[1]
        while rest:
            line, rest = rest.split(b"\n", 1)
            head = json.loads(line)
            length = head.get("length", rest.find(b"\n"))
            self.items.append((head, rest[:length]))
            assert rest[length:length + 1] == b"\n"
            rest = rest[length + 1:]


def test_envelope(hop):
    reply = post(hop, "envelope", envelope(EVENT, attachment(DUMP, "event.minidump"), attachment(b"x\ny\n"),
                                           ({"type": "not_yet_known", "length": 3, "more": [1]}, b"a\nb")))
    assert (reply.status, reply.json) == (200, {"id": ID})
    crash, = stored(hop)
    assert crash.dumps[DUMP_NAME] == DUMP
    found = kept(crash)
    assert [head["type"] for head, _ in found.items] == ["event", "attachment", "not_yet_known"]
    assert found.items[1][1] == b"x\ny\n" and found.items[2] == ({"type": "not_yet_known", "length": 3, "more": [1]},
                                                                 b"a\nb")
    raw = crash.raw_crash
    assert (raw["ProductName"], raw["Version"], raw["SentryProject"], raw["SentryEventId"]) == \
        ("app", "1.5+7", "42", ID)
    assert raw["SentryItems"] == "event,attachment,attachment,not_yet_known" and raw["SentryLevel"] == "error"
    assert KEY not in crash.raw.decode() and KEY not in hop.log_text()


def test_durable_before_the_answer(hop):
    """A kill after the 200 loses nothing."""
    for number in range(20):
        assert post(hop, "envelope", envelope(EVENT, attachment(DUMP, "event.minidump"))).status == 200
    hop.kill()
    hop.start()
    assert len(stored(hop, 20)) == 20


def test_off_by_default(daemon):
    for endpoint in ("envelope", "store", "minidump"):
        assert post(daemon, endpoint, envelope(EVENT)).status == 404


def test_keys(hop):
    body = envelope(EVENT)
    wrong = {"X-Sentry-Auth": f"Sentry sentry_key={'c' * 32}"}
    assert post(hop, "envelope", body, auth=wrong).status == 403
    assert post(hop, "envelope", body, auth=None).status == 401
    assert post(hop, "envelope", body, auth={"X-Sentry-Auth": "Sentry sentry_version=7"}).status == 401
    assert post(hop, "store", EVENT[1], auth=None).status == 401
    both = hop.request("POST", f"/api/42/envelope/?sentry_key={KEY}", body, AUTH)
    assert both.status == 401 and "multiple" in both.json["detail"]
    assert hop.request("POST", f"/api/42/envelope/?sentry_key={KEY[:-1]}", body).status == 403
    assert hop.saved_ids() == set()
    assert hop.metric("crashcollect_intake_refused_total") == 6
    assert hop.request("POST", f"/api/42/envelope/?sentry_version=7&sentry_key={KEY}", body).status == 200
    assert post(hop, "envelope", body, auth={"Authorization": f"Sentry sentry_key={KEY}"}).status == 200
    assert post(hop, "envelope", body, {"Authorization": "Basic Zm9yOnByb3h5"}).status == 200
    header = {"event_id": ID, "dsn": f"https://{KEY}@o1.ingest.sentry.io/42"}
    assert post(hop, "envelope", envelope(EVENT, header=header), auth=None).status == 200
    header["dsn"] = f"https://{'c' * 32}@o1.ingest.sentry.io/42"
    assert post(hop, "envelope", envelope(EVENT, header=header), auth=None).status == 403
    stored(hop, 4)


@pytest.mark.parametrize("body", [b"", b"x", b"[]\n", b"{}\n{\n", b'{}\n{"length": 3}\nabc',
                                  b'{}\n{"type": "a", "length": 30}\nabc', b'{}\n{"type": "a", "length": 2}\nabc',
                                  b'{}\n{"type": "a", "length": -2}\nabc', b'{}\n{"type": "a", "length": "3"}\nabc'])
def test_bad_envelopes(hop, body):
    assert post(hop, "envelope", body).status == 400
    assert hop.saved_ids() == set()


def test_sizes(daemon_factory):
    daemon = daemon_factory(env={**INTAKE, "CRASHCOLLECT_MAX_BODY": "1MiB", "CRASHCOLLECT_MAX_INFLATED": "2MiB"})
    for encoding, pack in {"gzip": gzip.compress, "deflate": zlib.compress, **PACK}.items():
        bomb = pack(envelope(attachment(bytes(3 << 20))))
        assert post(daemon, "envelope", bomb, {"Content-Encoding": encoding}).status == 413
    content_type, body = multipart({}, {DUMP_NAME: gzip.compress(DUMP + bytes(3 << 20))})
    assert post(daemon, "minidump", body, {"Content-Type": content_type}).status == 413
    content_type, body = multipart({}, {DUMP_NAME: PACK["zstd"](DUMP + bytes(3 << 20))})
    assert post(daemon, "minidump", body, {"Content-Type": content_type}).status == 413
    reply = post(daemon, "envelope", envelope(EVENT), {"Content-Encoding": "compress"})
    assert reply.status == 415 and "Content-Encoding" in reply.json["detail"]
    assert daemon.saved_ids() == set()


@pytest.mark.parametrize("encoding", PACK)
def test_other_encodings(hop, encoding):
    pack = PACK[encoding]
    body = envelope(EVENT, attachment(DUMP, "event.minidump"))
    assert post(hop, "envelope", pack(body), {"Content-Encoding": encoding}).json == {"id": ID}
    crash, = stored(hop)
    assert crash.dumps[DUMP_NAME] == DUMP and kept(crash).payloads("event") == [EVENT[1]]
    content_type, form = multipart({"prod": "Electron"}, {DUMP_NAME: PACK["zstd"](DUMP)})
    reply = post(hop, "minidump", pack(form), {"Content-Type": content_type, "Content-Encoding": encoding})
    assert hop.wait_saved(reply.text)[reply.text].dumps == {DUMP_NAME: DUMP}
    assert post(hop, "envelope", pack(body)[:-1], {"Content-Encoding": encoding}).status == 400
    assert post(hop, "envelope", body, {"Content-Encoding": encoding}).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", None])
def test_store(hop, encoding):
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, None: bytes}[encoding](EVENT[1])
    reply = post(hop, "store", packed, {"Content-Encoding": encoding} if encoding else {})
    assert (reply.status, reply.json) == (200, {"id": ID})
    found = kept(stored(hop)[0])
    assert found.header == {"event_id": ID} and found.event == json.loads(EVENT[1])
    assert post(hop, "store", b"no json").status == 400
    made = post(hop, "store", b'{"message": "no id"}').json["id"]
    assert uuid.UUID(made).version == 4


def test_minidumps(hop, tmp_path):
    """curl as the documented sender: a form, a packed part, a raw body; the id it answers is the crash id."""
    file = tmp_path / "crash.dmp"
    file.write_bytes(DUMP)
    packed = tmp_path / "crash.dmp.gz"
    packed.write_bytes(gzip.compress(DUMP))
    url = f"http://127.0.0.1:{hop.port}/api/42/minidump/?sentry_key={KEY}"

    def curl(*arguments):
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code} %{content_type}", *arguments, url],
                              capture_output=True, text=True, timeout=60)
        text, status = done.stdout.rsplit("\n", 1)
        return status, text
    forms = [["-F", f"{DUMP_NAME}=@{file}", "-F", 'sentry={"release":"a@1"}', "-F", "sentry[tags][x]=y"],
             ["-F", f"{DUMP_NAME}=@{packed}", "-F", "prod=Electron", "-F", "ver=1"],
             ["--http1.0", "-H", "Content-Type: application/x-dmp", "--data-binary", f"@{file}"],
             ["-H", "Content-Type: application/octet-stream", "--data-binary", f"@{packed}"]]
    ids = []
    for form in forms:
        status, text = curl(*form)
        assert status == "200 text/plain", text
        assert str(uuid.UUID(text)) == text
        ids.append(text)
        stored(hop, len(ids))
    crashes = hop.crashes()
    assert set(crashes) == set(ids)
    assert all(crash.dumps == {DUMP_NAME: DUMP} for crash in crashes.values())
    first = crashes[ids[0]].raw_crash
    assert (first["ProductName"], first["Version"]) == ("a", "1")
    assert crashes[ids[0]].raw_crash["sentry[tags][x]"] == "y"
    status, text = curl("-F", f"{DUMP_NAME}=@{file}", "-F", f'sentry={{"event_id":"{ID}"}}')
    assert text == str(uuid.UUID(ID))
    status, text = curl("-F", f"{DUMP_NAME}=@{file}", "--form-string", 'sentry__1={"tags":{"a',
                        "--form-string", 'sentry__2=":"b"}}')
    raw = hop.wait_saved(text)[text].raw_crash
    assert raw["sentry__1"] + raw["sentry__2"] == '{"tags":{"a":"b"}}'
    for bad in (["-F", "other=x"], ["-F", f"{DUMP_NAME}=@/etc/hostname"], ["--data-binary", "x"],
                ["-H", "Content-Type: application/x-dmp", "--data-binary", "no dump"]):
        assert curl(*bad)[0].startswith("400"), bad


def test_form_in_a_form(hop):
    """As Electron once sent it on Linux."""
    inner = multipart({"prod": "Electron"}, {DUMP_NAME: gzip.compress(DUMP), "other": b"x"})[1]

    def send(form):
        content_type, body = multipart({}, {DUMP_NAME: form})
        return post(hop, "minidump", body, {"Content-Type": content_type})
    reply = send(inner)
    assert hop.wait_saved(reply.text)[reply.text].dumps == {DUMP_NAME: DUMP}
    for bad in (inner[:-20], multipart({}, {"other": DUMP})[1], b"--", b"--a\nb\r\n", b"--x\r\n"):
        reply = send(bad)
        assert reply.status == 400 and "invalid minidump" in reply.json["detail"], bad[-40:]


def test_http_1_0_and_methods(hop):
    head = f"POST /api/42/envelope/ HTTP/1.0\r\nX-Sentry-Auth: {AUTH['X-Sentry-Auth']}\r\nContent-Length: "
    body = envelope(EVENT)
    assert hop.exchange(head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body).status == 200
    assert hop.get("/api/42/envelope/").status == 405
    assert hop.exchange(request_bytes("POST", "/api/42/nothing/", {}, b"x")).status == 404
    assert hop.exchange(request_bytes("POST", "/api//store/", {}, b"x")).status == 404
    assert hop.submit({DUMP_NAME: DUMP}).crash_id


def real_sender(script, name, version):
    done = subprocess.run(["bash", "-euc", f". ./common.sh; NAME=sender; {script} {name} {version}; echo $NPM_HOME$VENV"],
                          cwd=SERVICES, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "NPM_HOME": "", "VENV": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def messages(crashes):
    """{event id: what it says} of all events among the crashes."""
    found = {}
    for crash in crashes:
        for payload in kept(crash).payloads("event"):
            event = json.loads(payload)
            value = event.get("message") or event.get("logentry", {}).get("message")
            found[event["event_id"]] = value or event["exception"]["values"][-1]["value"]
    return found


def check_sdk(hop, command, texts, product, env=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    ids = json.loads(done.stdout.splitlines()[-1])
    eventually(lambda: hop.get("/__heartbeat__").json["info"]["save_queue_size"] == 0)
    crashes = stored(hop, 2)
    found = messages(crashes)
    assert [found[one] for one in ids] == texts
    assert all(crash.raw_crash["ProductName"] == product for crash in crashes if "event" in
               crash.raw_crash["SentryItems"].split(","))
    notes = [payload for crash in crashes for head, payload in kept(crash).items if head["type"] == "attachment"]
    assert notes == [b"line 1\nline 2\n"]


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a14_python_sdk(hop, encoding):
    """With PyPI's Brotli installed it sends that, unasked."""
    venv = real_sender("need_venv", "sentry-sdk", "2.75.0" if encoding == "gzip" else "2.75.0 Brotli==1.1.0")
    check_sdk(hop, [f"{venv}/bin/python", TESTS / "e2e/sentry_python.py", dsn(hop), encoding],
              ["from python", "with attachment"], "pyapp")


def test_a14_python_sdk_of_old(hop):
    """1.9 posts plain errors to /store/."""
    venv = real_sender("need_venv", "sentry-sdk", "1.9.10")
    code = ("import sentry_sdk, sys, json\nsentry_sdk.init(dsn=sys.argv[1], release='pyapp@1', default_integrations=False)\n"
            "one = sentry_sdk.capture_message('old message')\nsentry_sdk.flush(10)\nprint(json.dumps(one))")
    done = subprocess.run([f"{venv}/bin/python", "-c", code, dsn(hop)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    crash, = stored(hop)
    assert messages([crash]) == {json.loads(done.stdout): "old message"}
    assert kept(crash).header == {"event_id": json.loads(done.stdout)}  # ours: what came to /store/ has none


def test_a14_node_sdk(hop):
    folder = real_sender("need_npm", "@sentry/node", "11.12.0")
    check_sdk(hop, ["node", TESTS / "e2e/sentry_node.js", f"{folder}/node_modules/@sentry/node", dsn(hop)],
              ["from node", "with attachment"], "nodeapp")


def sentry_cli(hop, tmp_path, *arguments):
    folder = real_sender("need_npm", "@sentry/cli-linux-x64", "3.8.0 --os=linux --cpu=x64")
    done = subprocess.run([f"{folder}/node_modules/@sentry/cli-linux-x64/bin/sentry-cli", *arguments],
                          capture_output=True, text=True, timeout=60,
                          env={"SENTRY_DSN": dsn(hop), "SENTRY_DISABLE_UPDATE_CHECK": "1", "HOME": str(tmp_path),
                               "PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a14_sentry_cli_event(hop, tmp_path):
    told = sentry_cli(hop, tmp_path, "send-event", "-m", "from the cli", "--no-environ")
    wanted = uuid.UUID(re.search(r"[0-9a-f-]{36}", told).group(0)).hex
    event, = kept(stored(hop)[0]).payloads("event")
    assert uuid.UUID(json.loads(event)["event_id"]).hex == wanted and b"from the cli" in event


@pytest.mark.parametrize("raw", [[], ["--raw"]], ids=["parsed", "raw"])
def test_a14_sentry_cli_envelope(hop, tmp_path, raw):
    file = tmp_path / "an.envelope"
    event = json.dumps({**json.loads(EVENT[1]), "logentry": {"message": "hello"}}).encode()
    file.write_bytes(envelope(({**EVENT[0], "length": len(event)}, event), attachment(DUMP, "event.minidump", "a.dmp"),
                              attachment(b"x\ny\n")))
    sentry_cli(hop, tmp_path, "send-envelope", *raw, str(file))
    crash, = stored(hop)
    assert crash.dumps[DUMP_NAME] == DUMP and crash.raw_crash["SentryEventId"] == ID
    assert json.loads(kept(crash).payloads("event")[0])["logentry"]["message"] == "hello"
    assert kept(crash).payloads("attachment") == [b"x\ny\n"]


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Runs a program that is linked to sentry-native, with Crashpad as its backend."""
    program = tmp_path_factory.mktemp("native") / "program"
    built = subprocess.run(["bash", SERVICES / "sentry_native.sh", TESTS / "e2e/sentry_native.c", program],
                           capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stderr
    notes = program.parent / "notes.txt"
    notes.write_text("line 1\nline 2\n")

    def run(hop, folder, what):
        return subprocess.run([program, dsn(hop), built.stdout.strip(), folder / "database", notes, what],
                              capture_output=True, text=True, timeout=60)
    return run


def test_a14_sentry_native_event(hop, native, tmp_path):
    done = native(hop, tmp_path, "event")
    assert done.returncode == 0, done.stderr
    crash, = stored(hop)
    found = kept(crash)
    assert found.event["message"] == {"formatted": "from native"}
    assert [crumb["message"] for crumb in found.event["breadcrumbs"]] == ["first step", "second step"]
    assert found.payloads("attachment") == [b"line 1\nline 2\n"]
    raw = crash.raw_crash
    assert raw["SentryEventId"] == uuid.UUID(done.stdout.strip()).hex
    assert (raw["ProductName"], raw["Version"], raw["SentryLevel"]) == ("nativeapp", "4.2", "error")


def test_a14_sentry_native_crash(daemon_factory, stub, native, tmp_path):
    """Crashpad's handler of that time posts in HTTP/1.0, chunked and gzipped all the same. What sentry-native knows of
    the event comes as MessagePack: it can be read in the raw crash, and is in the event that goes on to Sentry."""
    hop = daemon_factory(env={**INTAKE, "CRASHCOLLECT_STORAGE": "fs,sentry", "CRASHCOLLECT_SENTRY_DSN": stub.dsn,
                              "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off"})
    done = native(hop, tmp_path, "crash")
    assert done.returncode == -signal.SIGSEGV, done.stderr
    uploaded = eventually(lambda: list(tmp_path.glob("database/completed/*.dmp")), 20, "Crashpad has uploaded")
    crash, = stored(hop)
    assert crash.dumps[DUMP_NAME] == uploaded[0].read_bytes()
    assert crash.dumps["notestxt"] == b"line 1\nline 2\n" and crash.dumps["__sentryevent"].startswith(b"\x88")
    raw = crash.raw_crash
    assert raw["SentryProject"] == "42" and raw["guid"]
    assert (raw["ProductName"], raw["Version"], raw["SentryLevel"]) == ("nativeapp", "4.2", "fatal")
    envelope, = stub.wait(1)
    for event in (raw["SentryEvent"], envelope.event):
        assert event["tags"]["expected"] == "yes ü" and event["environment"] == "test"
        assert (event["extra"]["number"], event["extra"]["half"]) == (-70000, 0.5)
        crumbs = event["breadcrumbs"]["values"]
        assert [crumb["message"] for crumb in crumbs] == ["first step", "second step"]
        assert crumbs[1]["level"] == "warning" and crumbs[0]["timestamp"] <= crumbs[1]["timestamp"]
    assert "SentryEvent" not in envelope.event["extra"]
    assert set(envelope.attachments()) == {f"{DUMP_NAME}.dmp", "notestxt"}


def packed(value):
    """As MessagePack."""
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(packed(part) for item in value.items() for part in item)
    return bytes([0xd9, len(value.encode())]) + value.encode()


@pytest.mark.parametrize("turned", [False, True])
def test_breadcrumbs_take_turns(hop, turned):
    """Two files of up to 100 entries, each in turn begun anew: the last 100 of both, oldest first."""
    crumbs = [packed({"timestamp": f"2026-11-25T10:00:{number:03}Z", "message": f"step {number}"})
              for number in range(170)]
    files = [b"".join(crumbs[:100]), b"".join(crumbs[100:])]
    names = ["__sentry-breadcrumb2", "__sentry-breadcrumb1"] if turned else \
        ["__sentry-breadcrumb1", "__sentry-breadcrumb2"]
    content_type, body = multipart({}, {DUMP_NAME: DUMP, **dict(zip(names, files)),
                                        "__sentry-event": packed({"release": "app@2", "event_id": ID})})
    reply = post(hop, "minidump", body, {"Content-Type": content_type})
    assert (reply.status, reply.text) == (200, str(uuid.UUID(ID)))
    raw = stored(hop)[0].raw_crash
    assert [crumb["message"] for crumb in raw["SentryEvent"]["breadcrumbs"]["values"]] == \
        [f"step {number}" for number in range(70, 170)]
    assert raw["Version"] == "2" and raw["SentryEventId"] == ID


def test_what_is_no_messagepack_is_kept(hop):
    content_type, body = multipart({"ProductName": "mine"}, {
        DUMP_NAME: DUMP, "__sentry-event": b"\xdf\xff\xff\xff\xff", "__sentry-breadcrumb1": b"\x93\x01"})
    assert post(hop, "minidump", body, {"Content-Type": content_type}).status == 200
    crash, = stored(hop)
    assert crash.dumps["__sentryevent"] == b"\xdf\xff\xff\xff\xff" and crash.raw_crash["ProductName"] == "mine"
    assert "SentryEvent" not in crash.raw_crash


def test_forwarded(daemon_factory, stub):
    """A durable hop: what came in goes on to another DSN, under its own id. The key that let it in here is in nothing
    that leaves."""
    key = "b" * 32
    stub.script = [(503, {}), (429, {"X-Sentry-Rate-Limits": "1:error:org"})]
    hop = daemon_factory(env={**INTAKE, "CRASHCOLLECT_STORAGE": "fs,sentry", "CRASHCOLLECT_SENTRY_DSN": stub.dsn,
                              "CRASHCOLLECT_RETRY_FIRST": "20ms", "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": 1})
    header = {"event_id": ID, "dsn": dsn(hop).replace(KEY, key), "sent_at": "2020-01-01T00:00:00Z",
              "trace": {"trace_id": "1" * 32, "public_key": key}}
    auth = {"X-Sentry-Auth": AUTH["X-Sentry-Auth"].replace(KEY, key)}
    body = envelope(({**EVENT[0], "length": len(EVENT[1])}, EVENT[1]), attachment(DUMP, "event.minidump"),
                    ({"type": "new_thing", "length": 5}, b"a\nb\nc"), header=header)
    assert post(hop, "envelope", body, auth=auth).json == {"id": ID}
    session = envelope(({"type": "session", "length": 2}, b"{}"), header={})
    assert post(hop, "envelope", session, auth=auth).json == {}
    assert hop.request("POST", f"/api/42/minidump/?sentry_key={key}", DUMP,
                       {"Content-Type": "application/x-dmp"}).status == 200
    first = next(one for one in stub.wait(3) if one.header.get("event_id") == ID)
    assert first.header["trace"] == {"trace_id": "1" * 32, "public_key": KEY}
    assert "dsn" not in first.header and first.header["sent_at"] > "2026"
    assert first.event == json.loads(EVENT[1]) and first.payloads("new_thing") == [b"a\nb\nc"]
    head, dump = first.attachments()["minidump.dmp"]
    assert dump == DUMP and head["attachment_type"] == "event.minidump"
    for _, path, headers, sent in stub.requests:
        plain = gzip.decompress(sent) if headers.get("Content-Encoding") == "gzip" else sent
        assert key not in path + str(headers) and key.encode() not in plain
        assert f":{hop.port}/".encode() not in plain
    assert key not in hop.log_text()
    stored(hop, 3)


def test_what_is_no_envelope_goes_nowhere(daemon_factory, stub):
    """Anybody who may post a crash can name a file like an envelope."""
    daemon = daemon_factory(env={"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": stub.dsn,
                                 "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off"})
    daemon.submit({"sentry_envelope": b"{}\n{\"type\": \"event\", \"length\": 99}\n"})
    assert "not an envelope" in daemon.wait_log("moved to the quarantine.*").group(0)
    assert stub.requests == []
