# SPDX-License-Identifier: MIT
"""A collector's spool, looked at from outside, running or not."""
import datetime
import errno
import os
from ctypes import byref, c_void_p
from typing import Iterator, List, NamedTuple

from . import _abi
from ._load import lib
from ._objects import entry, held, hold, let_go, made
from .errors import Error, call, text_of
from .report import EPOCH, Report
from .storage import Path


class Spooled(NamedTuple):
    crash_id: str
    state: str  # "pending": to be saved; "saved": to be published; "failed": in quarantine
    reason: str  # why it failed, or ""
    received_at: datetime.datetime
    bytes: int


@entry(_abi.EachSpooledFn)
def _collect(number: int, address: int) -> int:
    row = _abi.Spooled.from_address(address)
    held(number).append(Spooled(text_of(row.crash_id), text_of(row.state), text_of(row.reason),
                                EPOCH + datetime.timedelta(microseconds=row.received_at), row.bytes))
    return 0


class Spool:
    """`for spooled in Spool("spool"): ...`: what it holds, those in quarantine last."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fsencode(folder)

    def __iter__(self) -> Iterator[Spooled]:
        rows: List[Spooled] = []
        number = hold(rows)
        try:
            call(lib.ccol_spool_each, self.folder, _collect, number)
        finally:
            let_go(number)
        return iter(rows)

    def load(self, crash_id: str) -> Report:
        """KeyError: it is not there."""
        out = c_void_p()
        self._of(crash_id, lib.ccol_spool_load, self.folder, crash_id.encode(), byref(out))
        return Report._adopt(made(out))

    def retry(self, crash_id: str) -> None:
        """Asks that a report in quarantine be tried again. KeyError: it is not in quarantine."""
        self._of(crash_id, lib.ccol_spool_retry, self.folder, crash_id.encode())

    @staticmethod
    def _of(crash_id: str, function: object, *arguments: object) -> None:
        try:
            call(function, *arguments)
        except Error as error:
            if error.code == -errno.ENOENT:
                raise KeyError(crash_id) from error
            raise
