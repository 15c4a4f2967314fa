# SPDX-License-Identifier: MIT
"""Uploads, health, the server and the settings from Python."""
import http.client
import json
import re

import pytest

import crashcollect
from crashcollect import Ack, Collector, Error, Health, Server, Settings, Upload
from kept import Kept

BODY = (b'--b\r\nContent-Disposition: form-data; name="ProductName"\r\n\r\nTest\r\n'
        b'--b\r\nContent-Disposition: form-data; name="upload_file_minidump"; filename="d"\r\n'
        b'Content-Type: application/octet-stream\r\n\r\nMDMP\r\n--b--\r\n')
HEADERS = {"content-type": "multipart/form-data; boundary=b", "content-length": str(len(BODY))}
CRASH_ID = re.compile(rb"CrashID=bp-([0-9a-f-]{36})\n")


def test_upload_in_pieces():
    storage = Kept()
    with Collector(storage, ack=Ack.STORED) as collector:
        for step in (1, 7, len(BODY)):
            upload = Upload(collector, HEADERS)
            assert all(upload.feed(BODY[at:at + step]) for at in range(0, len(BODY), step))
            reply = upload.finish()
            crash_id = CRASH_ID.fullmatch(reply.body).group(1).decode()
            assert reply.status == 200 and storage.reports[crash_id].files["upload_file_minidump"] == b"MDMP"
        upload = Upload(collector, HEADERS)
        upload.feed(memoryview(BODY))
        assert upload.finish_async().result(30).status == 200
        del upload
    assert len(storage.reports) == 4


def test_refused_and_cut_off():
    with Collector(Kept(), ack=Ack.STORED) as collector:
        with Upload(collector, {"content-type": "text/plain", "content-length": "3"}) as upload:
            assert upload.decided and not upload.feed(b"abc")
            reply = upload.finish()
        assert (reply.status, reply.body) == (400, b"Discarded=malformed_wrong_content_type")
        with Upload(collector, HEADERS) as upload:
            upload.feed(BODY[:20])
        with pytest.raises(Error):
            upload.feed(b"more")
        upload = Upload(collector, HEADERS)  # and one that is only dropped
        del upload
        assert collector.stats.incoming == 0


def test_what_sentrys_clients_send():
    key = "k" * 32
    event = b'{}\n{"type":"event"}\n{"message":"x","platform":"native"}\n'
    headers = {"content-length": str(len(event)), "content-type": "application/x-sentry-envelope",
               "x-sentry-auth": f"Sentry sentry_version=7, sentry_key={key}"}
    with Collector(Kept(), ack=Ack.STORED, sentry_keys=[key]) as collector, Collector(Kept(), ack=Ack.STORED) as plain:
        assert Upload.takes(collector, "/api/1/envelope/") and Upload.takes(plain, "/submit")
        assert not Upload.takes(plain, "/api/1/envelope/") and not Upload.takes(collector, "/elsewhere")
        for given, status in ((headers, 200), ({**headers, "x-sentry-auth": "Sentry sentry_key=" + "x" * 32}, 403)):
            with Upload(collector, given, path="/api/1/envelope/") as upload:
                upload.feed(event)
                assert upload.finish().status == status


def test_health(tmp_path):
    (tmp_path / "version.json").write_text('{"version": "7"}')

    def failing():
        raise OSError(5, "tape is full")
    with Collector(Kept(), ack=Ack.STORED, check_period_ms=10) as collector, \
            Health(collector, version_file=tmp_path / "version.json", admin_auth="a:b") as health:
        assert health.answer("GET", "/elsewhere") is None
        assert json.loads(health.answer("GET", "/__version__").body) == {"version": "7"}
        assert health.answer("GET", "/__heartbeat__").status == 200
        denied = health.answer("GET", "/__broken__")
        assert denied.status == 401 and "WWW-Authenticate" in dict(denied.headers)
        assert health.answer("GET", "/__broken__", "Basic YTpi").status == 500
        assert dict(health.answer("POST", "/__version__").headers)["Allow"] == "GET, OPTIONS"
        health.add_probe("tape", failing)
        while health.answer("GET", "/__heartbeat__").status == 200:
            pass
        assert b"tape is full" in health.answer("GET", "/__heartbeat__").body


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def test_server():
    storage = Kept()
    with Collector(storage, ack=Ack.STORED) as collector, Health(collector) as health, \
            Server(collector, health, listen="127.0.0.1:0", threads=1) as server:
        status, data = ask(server.port, "POST", "/submit", BODY, {"Content-Type": HEADERS["content-type"]})
        assert status == 200 and CRASH_ID.fullmatch(data).group(1).decode() in storage.reports
        assert ask(server.port, "GET", "/__lbheartbeat__")[0] == 200
        with pytest.raises(Error, match="127.0.0.1"):
            Server(collector, listen=f"127.0.0.1:{server.port}")
        server.quiesce()


def test_closing_in_the_wrong_order_is_safe():
    collector = Collector(Kept(), ack=Ack.STORED)
    health = Health(collector)
    server = Server(collector, health, listen="127.0.0.1:0", threads=1)
    port = server.port
    collector.close()
    health.close()
    assert ask(port, "GET", "/__lbheartbeat__")[0] == 200  # both live on as long as the server does
    server.close()
    with pytest.raises(crashcollect.ClosedError):
        server.port


def test_settings(tmp_path):
    (tmp_path / "env").write_text(f"CRASHCOLLECT_DATA_DIR={tmp_path}/data\nCRASHCOLLECT_LOG_LEVEL=error\n")
    with Settings() as settings:
        settings.read_file(tmp_path / "env")
        settings["listen"] = "127.0.0.1:0"
        assert settings["CRASHCOLLECT_LISTEN"] == "127.0.0.1:0" and settings["no such"] is None
        assert settings.read_options(["program", "--ack", "stored", "rest"]) == 3
        assert settings.mistakes() == [] and len(settings.rows()) > 20
        with settings.open_collector() as collector, settings.open_health(collector) as health, \
                settings.start_server(collector, health) as server:
            assert ask(server.port, "POST", "/submit", BODY, {"Content-Type": HEADERS["content-type"]})[0] == 200
            settings.reload(collector)
            settings.close()
        assert len(list(tmp_path.glob("data/crashes/*/raw_crash/*.json"))) == 1
    with Settings() as settings:
        settings["CRASHCOLLECT_ACK"] = "perhaps"
        assert any("perhaps" in mistake for mistake in settings.mistakes())
