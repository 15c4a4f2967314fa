# SPDX-License-Identifier: MIT
"""The settings of crashcollectd(8), and what they build."""
import os
import weakref
from ctypes import byref, c_char_p, c_int, c_void_p
from typing import Any, List, NamedTuple, Optional, Sequence

from . import _abi
from ._abi import Level, Program
from ._load import lib
from ._objects import Closing, Handle, entry, held, hold, let_go, made, made_by
from .collector import Collector, _drain
from .errors import call, text_of
from .health import Health
from .server import Server, stop_server
from .storage import Path
from .throttle import tell


class Setting(NamedTuple):
    variable: str
    option: str
    argument: str
    default: str
    help: str
    value: str  # in force; secrets as *****
    secret: bool


@entry(_abi.EachSettingFn)
def _collect(number: int, address: int) -> None:
    row = _abi.Setting.from_address(address)
    held(number).append(Setting(text_of(row.variable), text_of(row.option), text_of(row.argument),
                                text_of(row.default_text), text_of(row.help), text_of(row.value), row.secret))


class Settings(Closing):
    """`with Settings.from_environment() as settings, settings.open_collector() as collector: ...`

    Each source overrides those read before it. Mistakes are kept, and told by mistakes(). What is built keeps the
    settings; close them last."""

    def __init__(self, program: Program = Program.COLLECTOR) -> None:
        pointer = made_by(lib.ccol_settings_new)
        lib.ccol_settings_set_program(pointer, int(program))
        self._handle = Handle("settings", pointer, _free)
        weakref.finalize(self, self._handle.close, 0.0).atexit = False

    @classmethod
    def from_environment(cls) -> "Settings":
        settings = cls()
        settings.read_environment()
        return settings

    def read_environment(self) -> None:
        with self._handle as pointer:
            call(lib.ccol_settings_read_environment, pointer)

    def read_file(self, path: Path) -> None:
        """Lines of NAME=value."""
        with self._handle as pointer:
            call(lib.ccol_settings_read_file, pointer, os.fsencode(path))

    def read_options(self, arguments: Sequence[str]) -> int:
        """--long-options, as in sys.argv with the program's name first; the index of the first other argument."""
        argv = (c_char_p * len(arguments))(*(os.fsencode(argument) for argument in arguments))
        following = c_int()
        with self._handle as pointer:
            call(lib.ccol_settings_read_options, pointer, len(arguments), argv, byref(following))
        return following.value

    def __setitem__(self, name: str, value: str) -> None:
        with self._handle as pointer:
            call(lib.ccol_settings_set, pointer, name.encode(), value.encode())

    def __getitem__(self, name: str) -> Optional[str]:
        """The value in force; None for one that is not set, or not known. Secrets come in clear."""
        with self._handle as pointer:
            value = lib.ccol_settings_get(pointer, name.encode())
        return None if value is None else text_of(value)

    def rows(self) -> List[Setting]:
        """All settings, in their order."""
        return self._collected(lib.ccol_settings_each, _collect)

    def mistakes(self) -> List[str]:
        """Every mistake in what was read, one line each; none: they are fine."""
        return self._collected(lib.ccol_settings_check, tell)

    def _collected(self, function: Any, collect: Any) -> List[Any]:
        found: List[Any] = []
        number = hold(found)
        try:
            with self._handle as pointer:
                function(pointer, collect, number)
        finally:
            let_go(number)
        return found

    def open_collector(self) -> Collector:
        out = c_void_p()
        with self._handle as pointer:
            call(lib.ccol_settings_open_collector, pointer, byref(out))

        def free(pointer: int, seconds: float) -> None:
            _drain(pointer, seconds)
            lib.ccol_collector_free(pointer)
        collector = Collector.__new__(Collector)
        collector._adopt(made(out), free, self._handle)
        return collector

    def open_health(self, collector: Collector) -> Health:
        out = c_void_p()
        with self._handle as pointer, collector._handle as owner:
            call(lib.ccol_settings_open_health, pointer, owner, byref(out))
        health = Health.__new__(Health)
        health._adopt(made(out), self._handle, collector._handle)
        return health

    def start_server(self, collector: Collector, health: Health) -> Server:
        out = c_void_p()
        with self._handle as pointer, collector._handle as owner, health._handle as answers:
            call(lib.ccol_settings_start_server, pointer, owner, answers, byref(out))
        server = Server.__new__(Server)
        server._adopt(made(out), stop_server,
                      self._handle, collector._handle, health._handle)
        return server

    def reload(self, collector: Collector) -> None:
        """Reads the throttle rules again; on an exception the old ones stay."""
        with self._handle as pointer, collector._handle as owner:
            call(lib.ccol_settings_reload, pointer, owner)

    def report_failure(self, cause: str) -> None:
        """A start failed: one log line, and an event for Sentry if there is a DSN; takes five seconds at most."""
        with self._handle as pointer:
            lib.ccol_settings_report_failure(pointer, cause.encode())

    def log(self, level: Level, text: str) -> None:
        """One line where the settings send the library's own."""
        with self._handle as pointer:
            lib.ccol_settings_log(pointer, int(level), text.encode())

    def close(self) -> None:
        self._handle.close(0.0)


def _free(pointer: int, _: float) -> None:
    lib.ccol_settings_free(pointer)
