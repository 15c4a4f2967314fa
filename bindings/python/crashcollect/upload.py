# SPDX-License-Identifier: MIT
"""One POST /submit without any I/O: headers and body bytes in, the answer out."""
import concurrent.futures
import weakref
from ctypes import byref, c_bool, c_void_p, sizeof, string_at
from typing import List, Mapping, NamedTuple, Optional, Tuple

from . import _abi
from ._load import lib
from ._objects import Closing, Handle, entry, hold, let_go, made
from .collector import Collector
from .errors import call, fill, text_of
from .report import Bytes


class Reply(NamedTuple):
    """What to answer. `headers` has Content-Type and Content-Length, and what else the status asks for."""
    status: int
    headers: List[Tuple[str, str]]
    body: bytes


def take_reply(row: _abi.Reply) -> Reply:
    """The reply as Python's, and C's cleared."""
    body = string_at(row.body, row.body_length) if row.body else b""
    headers = [("Content-Type", text_of(row.content_type) or "text/plain"), ("Content-Length", str(len(body)))]
    if row.allow:
        headers.append(("Allow", text_of(row.allow)))
    if row.retry_after_s:
        headers.append(("Retry-After", str(row.retry_after_s)))
    if row.authenticate:
        headers.append(("WWW-Authenticate", 'Basic realm="crashcollect"'))
    status = row.status
    lib.ccol_reply_clear(byref(row))
    return Reply(status, headers, body)


@entry(_abi.UploadFn)
def _finished(number: int, reply: int) -> None:
    future = let_go(number)
    try:
        future.set_result(take_reply(_abi.Reply.from_address(reply)))
    except BaseException as raised:
        fill(None, raised)


def _header(headers: Mapping[str, str], name: str) -> Optional[bytes]:
    value = headers.get(name)
    return None if value is None else value.encode("latin-1", "replace").split(b"\0")[0]


class Upload(Closing):
    """`upload = Upload(collector, headers)`, `upload.feed(data)` for each piece of the body, `upload.finish()`.

    `headers` has lower-case names and values decoded as Latin-1, as WSGI and ASGI have them. One thread at a time. An
    upload that is closed without finish was cut off: it is counted, and nothing is kept. `path` and `sentry_key` (of the
    query string) are for what Sentry's SDKs send; takes() tells whether a path is."""

    def __init__(self, collector: Collector, headers: Mapping[str, str], path: Optional[str] = None,
                 sentry_key: Optional[str] = None) -> None:
        length = headers.get("content-length", "")
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        info = _abi.UploadInfo(
            size=sizeof(_abi.UploadInfo), content_type=_header(headers, "content-type"),
            content_encoding=_header(headers, "content-encoding"), user_agent=_header(headers, "user-agent"),
            authorization=_header(headers, "authorization"),
            path=path and path.encode("latin-1", "replace"),
            sentry_auth=_header(headers, "x-sentry-auth"), sentry_key=sentry_key and sentry_key.encode(),
            content_length=-1 if chunked else int(length) if length.isascii() and length.isdigit() else 0)
        out = c_void_p()
        decided = c_bool()
        with collector._handle as pointer:
            call(lib.ccol_upload_new, byref(out), pointer, byref(info), byref(decided))
        self.decided: bool = decided.value  # the answer is known already: the rest of the body need not be read
        self._finished = False
        self._handle = Handle("upload", made(out), _free)
        finalizer = weakref.finalize(self, self._handle.close, 0.0)
        finalizer.atexit = False

    @staticmethod
    def takes(collector: Collector, path: str) -> bool:
        """Whether POST to that path is for an upload."""
        with collector._handle as pointer:
            return bool(lib.ccol_upload_takes(pointer, path.encode("latin-1", "replace").split(b"\0")[0]))

    def feed(self, data: Bytes) -> bool:
        """Takes a piece of the body, of any size. False once the answer is known."""
        piece = bytes(data)
        with self._handle as pointer:
            if not self.decided:
                self.decided = lib.ccol_upload_feed(pointer, piece, len(piece)) < 0
        return not self.decided

    def finish(self) -> Reply:
        """The body is complete: the answer, once what the collector's `ack` promises holds."""
        row = _abi.Reply(size=sizeof(_abi.Reply))
        with self._handle as pointer:
            self._finished = True
            lib.ccol_upload_finish(pointer, byref(row))
        reply = take_reply(row)
        self.close()
        return reply

    def finish_async(self) -> "concurrent.futures.Future[Reply]":
        """The same without waiting; asyncio.wrap_future makes it awaitable."""
        future: "concurrent.futures.Future[Reply]" = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        handle = self._handle
        # the upload must live until then
        future.add_done_callback(lambda _: handle.close(0.0))
        with handle as pointer:
            self._finished = True
            lib.ccol_upload_finish_async(pointer, _finished, hold(future))
        return future

    def close(self) -> None:
        """Frees it; before finish this counts it as cut off."""
        if not self._finished and not self._handle.closed:
            with self._handle as pointer:
                lib.ccol_upload_abort(pointer)
                self._finished = True
        self._handle.close(0.0)


def _free(pointer: int, _: float) -> None:
    lib.ccol_upload_free(pointer)
