# SPDX-License-Identifier: MIT
"""An S3 server that breaks in ways a real one cannot be made to: it keeps what arrives whole, and at random it resets a
connection in the middle of a body, is silent too long, sends half an answer or another length, or sends away."""
import hashlib
import random
import socket
import socketserver
import struct
import threading

SILENCE_SECONDS = 1.5  # longer than the tests' CRASHCOLLECT_S3_TIMEOUT


class _Handler(socketserver.BaseRequestHandler):
    def _read(self, count):
        while len(self.buffer) < count:
            data = self.request.recv(65536)
            if not data:
                raise ConnectionError
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.request.recv(65536)
            if not data:
                raise ConnectionError
            self.buffer += data
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        return lines[0].split(" ")[0], lines[0].split(" ")[1], fields

    def _reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionError

    def _answer(self, status, body=b"", headers=(), length=None):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        self.request.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _misbehave(self, kind):
        """After the whole body has come; the object may have been kept."""
        if kind == "silence":
            self.server.quiet.wait(SILENCE_SECONDS)
            raise ConnectionError
        if kind == "close":
            raise ConnectionError
        if kind == "half":
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
            raise ConnectionError
        if kind == "length":
            self._answer("200 OK", b"short", length=1000)
            raise ConnectionError
        if kind == "nonsense":
            self.request.sendall(b"SMTP ready\r\n\r\n")
            raise ConnectionError
        self._answer("500 Internal Server Error", b"<Error><Code>InternalError</Code></Error>")

    def handle(self):
        self.buffer = b""
        try:
            while True:
                self._one()
        except (ConnectionError, OSError):
            pass

    def _one(self):
        method, path, fields = self._head()
        server = self.server
        kind = server.choose() if method == "PUT" and "/test/" not in path else None
        length = int(fields.get("content-length", "0"))
        if kind == "reset":
            self._read(length // 2)
            self._reset()
        if kind == "away":
            self._read(length)
            self._answer("307 Temporary Redirect", headers=[f"Location: {server.other.url}{path}"])
            return
        body = self._read(length)
        if method == "PUT":
            if hashlib.sha256(body).hexdigest() != fields["x-amz-content-sha256"]:
                server.errors.append(f"{path}: another body than was signed")
            if kind in (None, "close", "half", "length"):
                with server.lock:
                    server.objects[path] = body
        if kind:
            self._misbehave(kind)
        else:
            self._answer("200 OK")


class FakeS3(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    kinds = ("reset", "silence", "close", "half", "length", "nonsense", "error", "away")

    def __init__(self, misbehaves, seed=1):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock, self.quiet = threading.Lock(), threading.Event()
        self.misbehaves, self.rng, self.done = misbehaves, random.Random(seed), dict.fromkeys(self.kinds, 0)
        self.objects, self.errors = {}, []
        self.other = None  # where it sends away to
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def choose(self):
        """What to do to the next PUT; None: nothing."""
        with self.lock:
            if self.rng.random() >= self.misbehaves:
                return None
            kind = self.rng.choice(self.kinds)
            self.done[kind] += 1
            return kind

    def close(self):
        self.quiet.set()
        self.shutdown()
        self.server_close()
