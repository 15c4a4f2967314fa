# SPDX-License-Identifier: MIT
"""What the Sentry tests share: a strict reader of envelopes, a scripted server, real receivers, and a native report."""
import contextlib
import gzip
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import requests

from harness import clean_environment, eventually, free_port

TESTS = pathlib.Path(__file__).resolve().parent.parent
SERVICES = TESTS / "services"
SCHEMA = TESTS.parent.parent / "shared/data/sentry-event.schema.json"
DUMP = (TESTS / "data/crash.dmp").read_bytes()
KEY = "a" * 32


def need(found, what):
    """In CI everything must be there; elsewhere its absence is told."""
    if found or os.environ.get("CI") == "true":
        assert found, what
        return
    import pytest
    pytest.skip(what)


class Envelope:
    """One envelope by the letter of the protocol: anything dubious is an error."""

    def __init__(self, body):
        line, _, rest = body.partition(b"\n")
        self.header = json.loads(line)
        self.items = []
        while rest:
            line, newline, rest = rest.partition(b"\n")
            assert newline, "an item header without a newline"
            header = json.loads(line)
            assert isinstance(header["type"], str)
            length = header["length"]
            assert len(rest) >= length, f"{header}: only {len(rest)} bytes are left"
            payload, rest = rest[:length], rest[length:]
            assert not rest or rest.startswith(b"\n"), f"{header}: followed by {rest[:20]!r}"
            rest = rest[1:]
            self.items.append((header, payload))

    def payloads(self, kind):
        return [payload for header, payload in self.items if header["type"] == kind]

    @property
    def event(self):
        events = self.payloads("event")
        assert len(events) == 1
        return json.loads(events[0])

    def attachments(self):
        """{filename: (header, payload)}"""
        return {header["filename"]: (header, payload) for header, payload in self.items
                if header["type"] == "attachment"}


class Stub:
    """A server that answers as it is told: script is a list of actions for the next requests, then 200 for ever.
    An action is (status, {headers}) or (status, {headers}, body), or "hang", "reset" or "half"."""

    def __init__(self, script=(), tls=None):
        stub = self
        self.tls = tls  # (certificate, key)
        self.script = list(script)
        self.requests = []  # (time, path, headers, body)
        self.envelopes = []  # of those answered with 200
        self.seen = []  # all of them
        self.connections = []
        self.lock = threading.Lock()
        self.release = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                action = stub.take()
                length = int(self.headers["Content-Length"])
                if action in ("reset", "half"):
                    self.rfile.read(length // 2 if action == "half" else 0)
                    self.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: a RST
                    self.close_connection = True
                    stub.note(self, b"", None)
                    return
                body = self.rfile.read(length)
                stub.note(self, body, action)
                if action == "hang":
                    stub.release.wait(60)
                    self.close_connection = True
                    return
                status, headers, *text = action
                answer = text[0] if text else b'{"id":"0"}'
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

            def process_request(self, request, client_address):
                stub.connections.append(request)
                super().process_request(request, client_address)

        self.handler = Handler
        self.server_class = Server
        self.port = None
        self.up()

    def up(self):
        self.server = self.server_class(("127.0.0.1", self.port or 0), self.handler)
        self.port = self.server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self):
        """Nobody gets through any more, not even by a connection that is open."""
        self.server.shutdown()
        self.server.server_close()
        while self.connections:
            with contextlib.suppress(OSError):
                self.connections.pop().shutdown(socket.SHUT_RDWR)

    def take(self):
        with self.lock:
            return self.script.pop(0) if self.script else (200, {})

    def note(self, handler, body, action):
        with self.lock:
            self.requests.append((time.time(), handler.path, dict(handler.headers.items()), body))
            if not body or not handler.path.endswith("/envelope/"):
                return
            raw = gzip.decompress(body) if handler.headers.get("Content-Encoding") == "gzip" else body
            envelope = Envelope(raw)
            self.seen.append(envelope)
            if action != "hang" and action[0] == 200:
                self.envelopes.append(envelope)

    @property
    def dsn(self):
        return f"http://{KEY}@127.0.0.1:{self.port}/42"

    def wait(self, count, seconds=20):
        eventually(lambda: len(self.envelopes) >= count, seconds, f"{count} envelopes, there are {len(self.envelopes)}")
        return self.envelopes

    def wait_requests(self, count, seconds=20):
        eventually(lambda: len(self.requests) >= count, seconds, f"{count} requests, there are {len(self.requests)}")
        return self.requests

    def events(self):
        return [envelope.event for envelope in self.envelopes if envelope.payloads("event")]

    def close(self):
        self.release.set()
        self.down()


def at_services(script):
    """What a few lines of shell with tests/services' functions print: a path of what they have installed."""
    done = subprocess.run(["bash", "-euc", f". ./common.sh; {script}"], cwd=SERVICES, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def watched(folder, dsn, **more):
    """The environment of a crashcollect-run whose reports go there, with short pauses between tries."""
    return clean_environment({"CRASHCOLLECT_STORAGE": "sentry", "CRASHCOLLECT_SENTRY_DSN": dsn,
                              "CRASHCOLLECT_DATA_DIR": folder, "CRASHCOLLECT_SENTRY_RELEASE": "victim@1.0",
                              "CRASHCOLLECT_SENTRY_OWN_ERRORS": "off", "CRASHCOLLECT_RETRY_FIRST": "50ms",
                              "CRASHCOLLECT_RETRY_MAX": "200ms", **more})


class Service:
    """One of tests/services: started on a free port, its variables as attributes."""

    def __init__(self, name, folder):
        self.script = str(SERVICES / f"{name}.sh")
        self.folder = str(folder)
        done = subprocess.run(["bash", self.script, "start", str(free_port()), self.folder], capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        self.variables = dict(re.findall(r"(\w+)=(\S+)", done.stdout))

    def __getitem__(self, name):
        return self.variables[name]

    def stop(self):
        subprocess.run(["bash", self.script, "stop", self.folder], capture_output=True, timeout=60, check=True)


class Spotlight(Service):
    def __init__(self, folder):
        super().__init__("spotlight", folder)
        self.url = self["SPOTLIGHT_URL"]
        self.dsn = f"http://{KEY}@{urllib.parse.urlsplit(self.url).netloc}/1"

    def envelopes(self, wanted, seconds=20):
        """What it has understood so far, at least so many: [(header, [(item header, payload), ...]), ...]."""
        found = []
        end = time.monotonic() + seconds
        with requests.get(self.url + "/stream", stream=True, timeout=seconds,
                          headers={"Accept": "text/event-stream"}) as answer:
            for line in answer.iter_lines(chunk_size=1 << 16):
                if line.startswith(b"data:"):
                    envelope = json.loads(line[5:])
                    found.append(envelope)
                if len(found) >= wanted or time.monotonic() > end:
                    break
        assert len(found) >= wanted, f"spotlight has {len(found)} of {wanted} envelopes"
        return found


class SentryCli:
    """@sentry/cli's program."""

    def __init__(self):
        folder = at_services("NAME=sentry-cli; need_npm @sentry/cli-linux-x64 3.8.0 --os=linux --cpu=x64; "
                             'echo "$NPM_HOME"')
        self.path = pathlib.Path(folder) / "node_modules/@sentry/cli-linux-x64/bin/sentry-cli"

    def debug_id(self, file):
        """What it looks an ELF file up by."""
        done = subprocess.run([self.path, "debug-files", "check", "--json", file], capture_output=True, text=True,
                              timeout=60, env={"SENTRY_DISABLE_UPDATE_CHECK": "1", "HOME": "/nonexistent"})
        return re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", done.stdout).group(0)


class Bugsink(Service):
    """Read through its own web pages, as its user."""

    def __init__(self, folder):
        super().__init__("bugsink", folder)
        self.url = self["BUGSINK_URL"]
        self.dsn = self["BUGSINK_DSN"]
        self.session = requests.Session()
        page = self.session.get(self.url + "/accounts/login/", timeout=30)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text).group(1)
        page = self.session.post(self.url + "/accounts/login/", timeout=30, headers={"Referer": self.url},
                                 data={"csrfmiddlewaretoken": token, "username": "admin", "password": "admin"})
        assert page.status_code == 200 and "csrfmiddlewaretoken" in page.text

    def page(self, path):
        page = self.session.get(self.url + path, timeout=30)
        assert page.status_code == 200, f"{path}: {page.status_code}"
        return page.text

    def issues(self):
        """The ids of issues in its list, newest first."""
        return list(dict.fromkeys(re.findall(r"/issues/issue/([0-9a-f-]{36})/", self.page("/issues/1/"))))


def native_stack(frames=5, crumbs=3, **crash):
    """A stacktrace_json, version 1, of a C program that met a null pointer."""
    names = ["poke", "work", "loop", "main", "__libc_start_main"]
    fields = {"reason": "SIGSEGV", "signal": 11, "code": 1, "code_name": "SEGV_MAPERR", "address": "0x10",
              "thread": 4711, "message": "", **crash}
    return {
        "version": 1, "pid": 4711, "executable": "/opt/app/bin/app", "started_at": "2026-11-25T10:00:00Z",
        "crashed_at": "2026-11-25T10:00:05.250000Z", "crash": fields,
        "system": {"os": "Linux", "os_version": "6.1.0", "os_pretty": "Debian GNU/Linux 12", "arch": "x86_64", "cpus": 2},
        "modules": [
            {"path": "/opt/app/bin/app", "address": "0x55d0c0000000", "size": 16384,
             "build_id": "424d762e42d342b833e6a8e337a389488745aaaa"},
            {"path": "/lib/x86_64-linux-gnu/libc.so.6", "address": "0x7f0000000000", "size": 2097152,
             "build_id": "0123456789abcdef0123456789abcdef01234567"}],
        "threads": [
            {"id": 4711, "name": "main", "crashed": True,
             "registers": {"rip": "0x55d0c0001139", "rsp": "0x7ffd00000000"},
             "frames": [{"address": f"0x55d0c000{0x1139 + 16 * i:04x}", "module": 1 if i % 5 == 4 else 0,
                         "function": names[i % 5], "file": "/src/app.c", "line": 10 + i, "trust": "cfi"}
                        for i in range(frames)]},
            {"id": 4712, "name": "worker", "crashed": False, "registers": {},
             "frames": [{"address": "0x7f0000001000", "module": 1, "function": "poll", "trust": "context"}]}],
        "exceptions": [],
        "breadcrumbs": [{"time": f"2026-11-25T10:00:0{i % 10}Z", "category": "stderr", "level": "info",
                         "message": f"step {i}"} for i in range(crumbs)],
    }


def native_files(stack=None, dump=DUMP, log=b"step 1\nstep 2\n"):
    """The files of a report as the monitor makes them."""
    files = {"stacktrace_json": json.dumps(stack or native_stack(), ensure_ascii=False).encode(), "stacktrace": b"#0 poke\n", "log": log}
    if dump:
        files["upload_file_minidump"] = dump
    return files
