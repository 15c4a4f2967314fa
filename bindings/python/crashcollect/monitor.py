# SPDX-License-Identifier: MIT
"""Runs a program and watches it from outside, as crashcollect-run(1) does."""
import os
from ctypes import byref, c_char_p, c_int
from typing import List, Optional, Sequence

from ._abi import Program
from ._load import lib
from ._objects import Closing, hold, let_go
from .errors import call, check
from .settings import Settings
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
