# SPDX-License-Identifier: MIT
"""How long things live: Python objects that C holds, C objects that Python holds, and the end of the process.

C gets a number in the place of each Python object, and asks for the object by it; so nothing that C still holds can be
collected, and nothing is called that is gone. The C entry points are functions of modules and live for ever."""
import atexit
import itertools
import os
import threading
import time
import warnings
import _thread
from ctypes import byref, c_void_p
from types import TracebackType
from typing import Any, Callable, Dict, Optional, Type, TypeVar

from .errors import ClosedError, ForkedError, call

EXIT_SECONDS = 10.0  # that what is still open at the end of the process gets for saving what it holds

F = TypeVar("F", bound=Callable[..., Any])
_numbers = itertools.count(1)
_held: Dict[int, Any] = {}
_inside = threading.local()
_process = os.getpid()


def entry(kind: Any) -> Callable[[F], F]:
    """Decorates a function of a module as a C callback of that kind."""
    decorate: Callable[[F], F] = kind
    return decorate


def hold(thing: Any) -> int:
    """Keeps it until let_go, and returns the number by which C asks for it."""
    number = next(_numbers)
    _held[number] = thing
    return number


def held(number: Optional[int]) -> Any:
    """The object, or None when it was let go."""
    return _held.get(number or 0)


def let_go(number: Optional[int]) -> Any:
    return _held.pop(number or 0, None)


class inside:
    """The block runs inside a callback of the library: it must not wait for the library's threads."""

    def __enter__(self) -> None:
        _inside.depth = getattr(_inside, "depth", 0) + 1

    def __exit__(self, *_: Any) -> None:
        _inside.depth -= 1


def is_inside() -> bool:
    return getattr(_inside, "depth", 0) > 0


def process() -> int:
    """This process's id; what remembers another one was made before a fork."""
    return _process


class Handle:
    """A C object with one owner. It is freed once, and never while a call is in it or another object is pinned to it:
    the last one out frees it."""

    def __init__(self, kind: str, pointer: int, free: Callable[[int, float], None], *owners: "Optional[Handle]") -> None:
        self.kind = kind
        self._free = free
        self._pointer: Optional[int] = pointer
        self._process = _process
        self._calls = 0
        self._pins = 0
        self._closing = False
        self._until = 0.0
        self._changed = threading.Condition()
        self._owners = [owner for owner in owners if owner]  # what C looks at as long as this lives
        for owner in self._owners:
            owner._count(0, 1)
        _open[id(self)] = self

    def __enter__(self) -> int:
        if self._process != _process:
            raise ForkedError(f"this {self.kind} belongs to process {self._process}, whose threads a fork does not "
                              "bring along; make one after the fork")
        with self._changed:
            if self._closing or self._pointer is None:
                raise ClosedError(f"this {self.kind} is closed")
            self._calls += 1
            return self._pointer

    def __exit__(self, *_: Any) -> None:
        self._count(-1, 0)

    def _count(self, calls: int, pins: int) -> None:
        with self._changed:
            self._calls += calls
            self._pins += pins
            last = self._closing and self._calls == 0 and self._pins == 0
        if last:
            self._end()

    @property
    def closed(self) -> bool:
        return self._closing

    def close(self, timeout: float) -> None:
        """Frees it, or leaves that to the last call that is in it; waits for that one, except in a callback. Again:
        only waits. In a forked child nothing is done: its threads and files are the parent's."""
        if self._process != _process:
            return
        with self._changed:
            first = not self._closing
            self._closing = True
            if first:
                self._until = time.monotonic() + timeout
            free = first and self._calls == 0 and self._pins == 0
        if free:
            self._end()
        elif not is_inside():
            with self._changed:
                self._changed.wait_for(lambda: self._pointer is None or self._pins > 0, timeout)

    def _end(self) -> None:
        pointer = self._pointer
        assert pointer
        try:
            self._free(pointer, max(0.0, self._until - time.monotonic()))
        finally:
            _open.pop(id(self), None)
            with self._changed:
                self._pointer = None
                self._changed.notify_all()
            for owner in self._owners:
                owner._count(0, -1)

    def abandon(self) -> None:
        """The owner was collected. This may run anywhere, so the waiting is done on a thread of its own."""
        if self._closing or self._process != _process:
            return
        warnings.warn(f"unclosed {self.kind}: use with, or close()", ResourceWarning, stacklevel=2, source=None)
        try:
            _thread.start_new_thread(self.close, (EXIT_SECONDS,))
        except RuntimeError:  # the interpreter ends: close_all comes
            pass


_open: Dict[int, Handle] = {}


def _close_all() -> None:
    """At the end of the process, while threads can still run Python: what was made last goes first."""
    until = time.monotonic() + EXIT_SECONDS
    for handle in reversed(list(_open.values())):
        handle.close(max(0.0, until - time.monotonic()))


def _forget_parent() -> None:
    global _process
    _process = os.getpid()
    _open.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_parent)

T = TypeVar("T", bound="Closing")


class Closing:
    """What has a close() and is used with `with`."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


def made(place: c_void_p) -> int:
    """The object that a successful call put into its `out`."""
    assert place.value
    return place.value


class Shared:
    """A C object that is counted by references: the Python object has one. In a forked child it is left alone, as it
    may hold threads and connections of the parent."""

    _ref: Any
    _unref: Any

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer
        self._made_in = _process

    def __del__(self, _process_now: Any = process) -> None:
        if getattr(self, "_pointer", None) and self._made_in == _process_now():
            type(self)._unref(self._pointer)

    def _new_reference(self) -> int:
        """One more; the caller unrefs it."""
        return int(type(self)._ref(self._pointer))


def made_by(function: Any, *arguments: Any) -> int:
    """What a function with an `out` first and a ccol_error last makes."""
    out = c_void_p()
    call(function, byref(out), *arguments)
    return made(out)
