# SPDX-License-Identifier: MIT
"""The HTTP server's routes, connections and framing. Raw sockets, so that every byte is ours."""
import socket

import pytest

from harness import multipart, request_bytes, submit_request
from http_cases import HEAD, MIB, chunked, closed_within, read_to_end, upload
from http_cases import module_daemon_factory, server  # noqa: F401 (fixtures)

# --- routes ----------------------------------------------------------------------------------------------------------

NOT_FOUND = (404, "application/json", '{"title": "404 Not Found"}', None)
NOT_ALLOWED = '{"title": "405 Method Not Allowed"}'
UNKNOWN_VERB = (400, "application/json", '{"title": "Bad request", "description": "Invalid HTTP method"}', None)


@pytest.mark.parametrize("method, path, expected", [
    ("GET", "/", NOT_FOUND),
    ("GET", "/submit/", NOT_FOUND),
    ("POST", "/submit/x", NOT_FOUND),
    ("OPTIONS", "/nope", NOT_FOUND),
    ("GET", "/__lbheartbeat__/", NOT_FOUND),
    ("GET", "/submit", (405, "application/json", NOT_ALLOWED, "POST, OPTIONS")),
    ("PUT", "/submit", (405, "application/json", NOT_ALLOWED, "POST, OPTIONS")),
    ("TRACE", "/submit", (405, "application/json", NOT_ALLOWED, "POST, OPTIONS")),
    ("PROPFIND", "/submit", (405, "application/json", NOT_ALLOWED, "POST, OPTIONS")),
    ("POST", "/__lbheartbeat__", (405, "application/json", NOT_ALLOWED, "GET, OPTIONS")),
    ("DELETE", "/__heartbeat__", (405, "application/json", NOT_ALLOWED, "GET, OPTIONS")),
    ("OPTIONS", "/submit", (200, "application/json", "", "POST")),
    ("OPTIONS", "/__lbheartbeat__", (200, "application/json", "", "GET")),
    ("BREW", "/submit", UNKNOWN_VERB),
    ("BREW", "/nope", UNKNOWN_VERB),
    ("get", "/__lbheartbeat__", UNKNOWN_VERB),
    ("GET", "//__lbheartbeat__", (200, "application/json; charset=utf-8", "", None)),
    ("GET", "/__lbheartbeat__?a=b&c", (200, "application/json; charset=utf-8", "", None)),
    ("GET", "http://collector.test/__lbheartbeat__", (200, "application/json; charset=utf-8", "", None)),
])
def test_routes(server, method, path, expected):
    reply = server.exchange(request_bytes(method, path))
    assert (reply.status, reply.headers["content-type"], reply.text, reply.headers.get("allow")) == expected
    assert reply.headers["content-length"] == str(len(expected[2]))


def test_paths_of_submit(server):
    for path in ("/submit?id=1", "//submit", "///submit?x"):
        data = submit_request().replace(b"POST /submit ", b"POST " + path.encode() + b" ")
        assert server.exchange(data).crash_id


def test_head(server):
    with server.connect() as connection:
        connection.send(request_bytes("HEAD", "/__lbheartbeat__"))
        head, _, rest = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and rest == b""
    with server.connect() as connection:
        connection.send(request_bytes("HEAD", "/submit"))
        head, _, rest = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nallow: POST, OPTIONS" in head and rest == b""


# --- connections that live on ----------------------------------------------------------------------------------------

def test_keep_alive(server):
    with server.connect() as connection:
        for _ in range(20):
            connection.send(upload())
            reply = connection.reply()
            assert reply.crash_id and "close" not in reply.headers.get("connection", "")
            connection.send(request_bytes("GET", "/__lbheartbeat__", {"Connection": "keep-alive"}))
            assert connection.reply().status == 200


def test_pipelined(server):
    with server.connect() as connection:
        connection.send(upload() * 10 + request_bytes("GET", "/nope", {"Connection": "keep-alive"}) + upload(False))
        ids = {connection.reply().crash_id for _ in range(10)}
        assert connection.reply().status == 404
        ids.add(connection.reply().crash_id)
        assert len(ids) == 11
        assert closed_within(connection, 10) < 10


def test_refused_upload_keeps_the_connection(server):
    """A small body that nobody wants is read to its end; the next request is found where it begins."""
    with server.connect() as connection:
        for _ in range(3):
            connection.send(request_bytes("POST", "/submit", {"Connection": "keep-alive"}, b"x" * 100000))
            reply = connection.reply()
            assert (reply.status, reply.text) == (400, "Discarded=malformed_no_content_type")
            connection.send(request_bytes("PUT", "/nope", {"Connection": "keep-alive"}, b"POST /submit HTTP/1.1\r\n\r\n"))
            assert connection.reply().status == 404
        connection.send(upload())
        assert connection.reply().crash_id


def test_chunked(server):
    assert server.exchange(chunked(None)).crash_id
    content_type, body = multipart({"ProductName": "Test"})
    assert server.exchange(request_bytes("POST", "/submit", {
        "Content-Type": content_type, "Transfer-Encoding": "Chunked"}) +
        b"".join(b"1;ext=1\r\n%c\r\n" % byte for byte in body) + b"0\r\nTrailer: x\r\n\r\n").crash_id


def test_one_byte_at_a_time(server):
    with server.connect() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in upload(False):
            connection.send(bytes([byte]))
        assert connection.reply().crash_id


def test_expect_continue(server):
    content_type, body = multipart({"ProductName": "Test"})
    with server.connect() as connection:
        connection.send(request_bytes("POST", "/submit", {"Content-Type": content_type, "Expect": "100-continue",
                                                          "Content-Length": str(len(body))}))
        assert connection.socket.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)
        assert connection.reply().crash_id


@pytest.mark.parametrize("headers, status", [
    ({"Content-Length": "1000"}, 400),
    ({"Content-Length": str(26 * MIB), "Content-Type": "multipart/form-data; boundary=x"}, 413),
    ({"Content-Length": "10", "Transfer-Encoding": "chunked", "Content-Type": "multipart/form-data; boundary=x"}, 400),
])
def test_expect_continue_refused_before_the_body(server, headers, status):
    with server.connect() as connection:
        connection.send(request_bytes("POST", "/submit", {"Expect": "100-continue", **headers}))
        answer = read_to_end(connection)
        assert answer.startswith(b"HTTP/1.1 %d " % status), "refused without a 100 first"


def test_half_close(server):
    """A client that has sent all and shuts its side down still gets its answer."""
    for _ in range(20):
        assert server.exchange(upload(False), half_close=True).crash_id
    assert server.exchange(chunked(None), half_close=True).crash_id


# --- framing ---------------------------------------------------------------------------------------------------------

AMBIGUOUS = {
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "twice the same length": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "length, blank": b"Content-Length : 5\r\n\r\nabcde",
    "length, tab": b"Content-Length\t: 5\r\n\r\nabcde",
    "encoding, blank": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "list of lengths": b"Content-Length: 5, 5\r\n\r\nabcde",
    "plus": b"Content-Length: +5\r\n\r\nabcde",
    "minus": b"Content-Length: -5\r\n\r\nabcde",
    "hex": b"Content-Length: 0x5\r\n\r\nabcde",
    "letters": b"Content-Length: five\r\n\r\nabcde",
    "empty": b"Content-Length:\r\n\r\nabcde",
    "gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\nabcde",
    "two encodings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "folded encoding": b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "blank before a name": b" Content-Length: 5\r\n\r\nabcde",
    "carriage return": b"X: y\rContent-Length: 5\r\n\r\nabcde",
    "two hosts": b"Host: other.test\r\nContent-Length: 5\r\n\r\nabcde",
    "no chunk size": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_framing(server, name):
    data = HEAD + b"Content-Type: multipart/form-data; boundary=x\r\n" + AMBIGUOUS[name]
    with server.connect() as connection:
        connection.send(data + b"GET /__lbheartbeat__ HTTP/1.1\r\nHost: collector.test\r\n\r\n")
        reply = connection.reply()
        assert reply.status == 400, reply
        assert reply.headers["connection"] == "close" and reply.text
        assert connection.reply() is None, "what follows is no request"


def test_framing_is_counted(server):
    before = server.metric("crashcollect_bad_requests_total")
    for name in ("length and chunked", "two lengths", "length, blank", "gzip, chunked"):
        server.exchange(HEAD + AMBIGUOUS[name])
    assert server.metric("crashcollect_bad_requests_total") == before + 4


def test_http_1_0_chunked(server):
    """Older handlers of Crashpad post so on Linux. It is taken, and nothing after it on that connection."""
    data = chunked(None).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    for more in (b"", b"Connection: keep-alive\r\n"):
        with server.connect() as connection:
            connection.send(data.replace(b"Transfer-Encoding", more + b"Transfer-Encoding", 1) +
                            b"GET /__lbheartbeat__ HTTP/1.1\r\nHost: collector.test\r\n\r\n")
            reply = connection.reply()
            assert reply.crash_id and reply.headers["connection"] == "close"
            assert connection.reply() is None, "what follows is no request"


def test_host(server):
    reply = server.exchange(b"GET /__lbheartbeat__ HTTP/1.1\r\n\r\n")
    assert reply.status == 400 and reply.text == "Host is missing"
    assert server.exchange(b"GET /__lbheartbeat__ HTTP/1.0\r\n\r\n").status == 200


@pytest.mark.parametrize("length", [25 * MIB + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30])
def test_too_long(server, length):
    """Answered at once, without waiting for a body."""
    data = HEAD + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % length
    with server.connect(timeout=5) as connection:
        connection.send(data)
        reply = connection.reply()
        assert reply.status == 413 and reply.headers["connection"] == "close"


def test_too_long_while_sending(server):
    """A client that sends all before it reads gets the answer, not a reset."""
    body = b"x" * (30 * MIB)
    with server.connect() as connection:
        connection.send(request_bytes("POST", "/submit", {"Content-Type": "multipart/form-data; boundary=x"}, b"")[:-2] +
                        b"Content-Length: %d\r\n\r\n" % len(body) + body[:20 * MIB])
        assert connection.reply().status == 413


def test_too_long_chunked(server):
    """The limit is met in the middle of a body that has no length."""
    content_type, _ = multipart({})
    piece = b"--%s\r\n" % content_type.split("=")[1].encode() + \
        b'Content-Disposition: form-data; name="d"; filename="d"\r\n\r\n' + b"x" * MIB
    with server.connect() as connection:
        connection.send(request_bytes("POST", "/submit", {"Content-Type": content_type, "Transfer-Encoding": "chunked"}))
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        for _ in range(40):
            connection.send(b"100000\r\n" + b"x" * MIB + b"\r\n")
        reply = connection.reply()
        assert reply.status == 413 and reply.headers["connection"] == "close"


def test_large_headers(server):
    assert server.exchange(request_bytes("GET", "/__lbheartbeat__", {"X-Large": "x" * 20000})).status == 200
    assert server.exchange(request_bytes("GET", "/__lbheartbeat__", {"X-Large": "x" * 80000})).status == 431
    assert server.exchange(request_bytes("GET", "/" + "x" * 80000)).status == 414
