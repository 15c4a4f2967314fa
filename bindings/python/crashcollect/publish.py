# SPDX-License-Identifier: MIT
"""Who is told about a saved crash."""
from ctypes import byref, c_void_p, sizeof
from typing import Any

from . import _abi
from ._load import lib
from ._objects import entry, held, hold, inside, let_go, made
from .errors import call, fill


class Publisher:
    """A publisher of your own: override publish, and what else you need. The methods run on threads of the library,
    publish on several at once. One that raises is tried again; with a PermanentError it is given up and counted. It
    never loses a report."""

    name: str = ""  # in logs, metrics and /__heartbeat__; default: the class's name

    def publish(self, crash_id: str) -> None:
        """Required. Tells about one crash that was saved and not deferred."""
        raise NotImplementedError(f"{type(self).__name__} has no method publish")

    def verify(self) -> None:
        """Optional. At the start of a collector; an exception stops it."""

    def check(self) -> None:
        """Optional. For health."""

    def destroy(self) -> None:
        """Optional. Once a collector has let go of it, after every other call has returned."""

    def _new_reference(self) -> int:
        """A C publisher that calls this object's methods; the caller unrefs it."""
        kind = type(self)
        ops = _abi.PublisherOps(size=sizeof(_abi.PublisherOps), name=(self.name or kind.__name__).encode(),
                                publish=_publish, destroy=_destroy)
        for method, entry in (("verify", _verify), ("check", _check)):
            if getattr(kind, method) is not getattr(Publisher, method):
                setattr(ops, method, entry)
        out = c_void_p()
        number = hold(self)
        try:
            call(lib.ccol_publisher_new, byref(out), byref(ops), number)
        except BaseException:
            let_go(number)
            raise
        return made(out)


@entry(_abi.PublishFn)
def _publish(number: int, crash_id: bytes, error: Any) -> int:
    try:
        with inside():
            held(number).publish(crash_id.decode())
        return 0
    except BaseException as raised:
        return fill(error, raised)


@entry(_abi.AskFn)
def _verify(number: int, error: Any) -> int:
    try:
        with inside():
            held(number).verify()
        return 0
    except BaseException as raised:
        return fill(error, raised)


@entry(_abi.AskFn)
def _check(number: int, error: Any) -> int:
    try:
        with inside():
            held(number).check()
        return 0
    except BaseException as raised:
        return fill(error, raised)


@entry(_abi.DestroyFn)
def _destroy(number: int) -> None:
    try:
        with inside():
            let_go(number).destroy()
    except BaseException as raised:
        fill(None, raised)
