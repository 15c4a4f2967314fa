# SPDX-License-Identifier: MIT
"""The library's storages and publishers, as Python makes them: each against a server of its own."""
import contextlib
import http.server
import inspect
import json
import threading

import pytest

import crashcollect
from crashcollect import Ack, Collector, Error, Server, _abi
from kept import Kept, report


@contextlib.contextmanager
def receiver(answer=b"{}", handler=None):
    """A web server that remembers what is posted: (path, headers, body). Or one with a handler of its own."""
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler or Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


RENAMED = {"no_gzip": "gzip"}
CLASSES = {"S3Options": crashcollect.S3Storage, "SqsOptions": crashcollect.SqsPublisher,
           "SentryOptions": crashcollect.SentryStorage, "UpstreamOptions": crashcollect.UpstreamStorage,
           "FsOptions": crashcollect.FsStorage, "WebhookOptions": crashcollect.WebhookPublisher,
           "PubsubOptions": crashcollect.PubsubPublisher, "AmqpOptions": crashcollect.AmqpPublisher}


@pytest.mark.parametrize("options", CLASSES)
def test_every_option_has_an_argument(options):
    fields = {RENAMED.get(name, name) for name, _ in getattr(_abi, options)._fields_} - {"size", "log", "log_user"}
    assert fields == set(inspect.signature(CLASSES[options]).parameters)


def test_upstream():
    far, near = Kept(), None
    with Collector(far, ack=Ack.STORED, submitter_token="secret") as collector, \
            Server(collector, listen="127.0.0.1:0", threads=1) as server:
        near = crashcollect.UpstreamStorage(f"http://127.0.0.1:{server.port}/submit", token="secret", gzip=True, proxy="off")
        with Collector(near, ack=Ack.STORED) as here:
            crash_id = here.submit(report()).crash_id
    assert far.reports[crash_id].files["upload_file_minidump"] == b"MDMP and so on"
    assert "upstream" in repr(near)


def test_sentry():
    with receiver() as (address, posted):
        storage = crashcollect.SentryStorage(f"http://key@{address}/7", release="app@1", gzip=False, proxy="off",
                                             hidden_fields=["Number"])
        with Collector(storage, ack=Ack.STORED) as collector:
            crash_id = collector.submit(report()).crash_id
    path, _, body = posted[0]
    assert path == "/api/7/envelope/" and b"app@1" in body and b"MDMP and so on" in body
    assert json.loads(body.split(b"\n")[0])["event_id"] == crash_id.replace("-", "")


def test_s3():
    """What arrives is signed, and the raw crash comes last; a real S3 is for the library's own tests."""
    puts = []

    class Bucket(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            puts.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    with receiver(handler=Bucket) as (address, _):
        storage = crashcollect.S3Storage("crashes", endpoint_url=f"http://{address}", access_key_id="id", secret_access_key="key",
                                         proxy="off")
        with Collector(storage, ack=Ack.STORED, save_attempts=1) as collector:
            crash_id = collector.submit(report()).crash_id
    crashes = [path for path, _ in puts if crash_id in path]
    assert crashes[-1].startswith("/crashes/v2/raw_crash/") and f"/crashes/v1/dump/{crash_id}" in crashes
    assert all(signed.startswith("AWS4-HMAC-SHA256 Credential=id/") for _, signed in puts)


def test_webhook():
    with receiver() as (address, posted):
        publisher = crashcollect.WebhookPublisher(f"http://{address}/hook", secret="s", proxy="off")
        with Collector(Kept(), ack=Ack.STORED, publisher=publisher) as collector:
            crash_id = collector.submit(report()).crash_id
            assert collector.drain(30)
    path, headers, body = posted[0]
    assert path == "/hook" and json.loads(body)["crash_id"] == crash_id
    assert headers["X-Crashcollect-Signature-256"].startswith("sha256=")


def test_pubsub():
    with receiver(b'{"messageIds": ["1"]}') as (address, posted):
        publisher = crashcollect.PubsubPublisher("crashes", project="demo", emulator_host=address, proxy="off")
        publisher.publish("de1bb258-cbbf-4589-a673-34f800160918")
    assert posted[-1][0] == "/v1/projects/demo/topics/crashes:publish"


def test_mistakes_are_told():
    for make, told in ((lambda: crashcollect.AmqpPublisher("http://x"), "amqp"), (lambda: crashcollect.SentryStorage("x"), "DSN"),
                       (lambda: crashcollect.UpstreamStorage("ftp://x"), "http")):
        with pytest.raises(Error, match="(?i)" + told):
            make()
    with pytest.raises(ValueError, match="NUL"):
        crashcollect.UpstreamStorage("http://x\0y")
