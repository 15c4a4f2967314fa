# SPDX-License-Identifier: MIT
"""Runs a program and watches it from outside, as crashcollect-run(1) does."""
import errno
import os
import weakref
from ctypes import byref, c_char_p, c_int, sizeof
from typing import List, Mapping, NamedTuple, Optional, Sequence

from . import _abi
from ._abi import Capture, Program
from ._load import lib
from ._objects import Closing, Handle, hold, let_go, made_by
from ._options import filled
from .errors import call, check
from .log import TO_PYTHON, write_log
from .publish import Publisher
from .settings import Settings
from .storage import Path, Storage
from .throttle import tell


class Monitor(Closing):
    """`Monitor().run(["app", "argument"])`. The settings are those of crashcollect-run, by default from the environment.

    It is for a process without other threads, which run() makes the keeper of the program until that has ended."""

    def __init__(self, settings: Optional[Settings] = None) -> None:
        if settings is None:
            settings = Settings(Program.MONITOR)
            settings.read_environment()
        self.settings = settings

    def run(self, argv: Sequence[str]) -> int:
        """The program's exit status, or the negative number of the signal that ended it, as subprocess has it. 127:
        there is no such program; 126: it cannot be executed. Afterwards all signals are blocked."""
        row = (c_char_p * (len(argv) + 1))(*(os.fsencode(argument) for argument in argv), None)
        status = c_int(-1)
        with self.settings._handle as pointer:
            try:
                call(lib.ccol_settings_watch, pointer, row, byref(status))
            except Exception:
                if status.value == -1:
                    raise
        return os.waitstatus_to_exitcode(status.value)

    def self_test(self) -> List[str]:
        """What this machine lets it do, one line for each way. RuntimeError: nothing can be watched."""
        lines: List[str] = []
        number = hold(lines)
        try:
            with self.settings._handle as pointer:
                ways = check(lib.ccol_settings_self_test(pointer, tell, number))
        finally:
            let_go(number)
        if not ways:
            raise RuntimeError("nothing can be watched here: " + "; ".join(lines))
        return lines

    def close(self) -> None:
        self.settings.close()


class Death(NamedTuple):
    """How a watched program ended: `exit_status` is -1 if it was by a signal, `signal` 0 if it was by itself."""
    pid: int
    wait_status: int
    exit_status: int
    signal: int


class Watched(Closing):
    """`with Watched(["app"], "data", storage) as app: app.wait()`: for a program that does other things meanwhile, with
    threads or an event loop (fileno() becomes readable at the end). The library's log goes to Python's."""

    def __init__(self, argv: Sequence[str], data_dir: Path, storage: Storage, *, envp: Optional[Mapping[str, str]] = None,
                 publisher: Optional[Publisher] = None, annotations: Optional[Mapping[str, str]] = None,
                 capture: Capture = Capture.AUTO, command_line: bool = True, exits_are_crashes: bool = False,
                 drain_timeout_ms: int = 0) -> None:
        options = filled(
            _abi.MonitorOptions, argv=list(argv), data_dir=os.fspath(data_dir), capture=int(capture),
            envp=None if envp is None else [f"{name}={value}" for name, value in envp.items()],
            annotations=[text for row in (annotations or {}).items() for text in row], no_command_line=not command_line,
            exits_are_crashes=exits_are_crashes, drain_timeout_ms=drain_timeout_ms, log=write_log, log_user=TO_PYTHON)
        try:
            options.storage = storage._new_reference()
            options.publisher = publisher._new_reference() if publisher else None
            pointer = made_by(lib.ccol_monitor_start, byref(options))
        finally:
            lib.ccol_storage_unref(options.storage)
            lib.ccol_publisher_unref(options.publisher)
        self._handle = Handle("monitor", pointer, _free)
        weakref.finalize(self, self._handle.abandon).atexit = False

    @property
    def pid(self) -> int:
        """For messages: it is the keeper's child, not this process's."""
        with self._handle as pointer:
            return int(lib.ccol_monitor_pid(pointer))

    def fileno(self) -> int:
        with self._handle as pointer:
            return int(lib.ccol_monitor_fd(pointer))

    def wait(self, timeout: Optional[float] = None) -> Death:
        """Waits for the end. TimeoutError; ChildProcessError: the keeper was killed, and the end is not known."""
        row = _abi.Death(size=sizeof(_abi.Death))
        with self._handle as pointer:
            code = lib.ccol_monitor_wait(pointer, -1 if timeout is None else int(timeout * 1000), byref(row))
        if code == -errno.ETIMEDOUT:
            raise TimeoutError("the program still runs")
        if code == -errno.ECHILD:
            raise ChildProcessError("the keeper was killed: how the program ends is not known")
        check(code)
        return Death(row.pid, row.wait_status, row.exit_status, row.signal)

    def signal(self, number: int) -> None:
        """An end that was asked for so is no crash."""
        with self._handle as pointer:
            check(lib.ccol_monitor_signal(pointer, number))

    def close(self) -> None:
        """Kills a program that still runs, and waits until its reports are durable."""
        self._handle.close(60.0)


def _free(pointer: int, _: float) -> None:
    lib.ccol_monitor_free(pointer)
