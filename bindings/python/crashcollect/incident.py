# SPDX-License-Identifier: MIT
"""Errors of the library that nobody handles: told to a function, or sent to Sentry."""
import errno
import weakref
from ctypes import byref, cast, sizeof
from typing import Any, Callable, Dict, NamedTuple, Optional, Union

from . import _abi
from ._load import lib
from ._objects import Closing, Handle, entry, held, hold, let_go, made_by
from ._options import filled
from .errors import check, fill, text_of
from .log import Log, log_to_python, write_log
from .storage import Path

FLUSH_SECONDS = 5.0


class Incident(NamedTuple):
    """It holds neither secrets nor anything of a user's crash but its id."""
    code: int
    type: str
    text: str
    part: str
    crash_id: str
    method: Optional[str]
    path: Optional[str]
    headers: Dict[str, str]


def _incident(row: _abi.Incident) -> Incident:
    headers = {text_of(row.headers[i].name): text_of(row.headers[i].value) for i in range(row.header_count)}
    return Incident(row.code, text_of(row.type), text_of(row.text), text_of(row.part), text_of(row.crash_id),
                    text_of(row.method) if row.method else None, text_of(row.path) if row.path else None, headers)


@entry(_abi.IncidentFn)
def tell_incident(number: int, row: Any) -> bool:
    """False where the function returns False: a reporter then sends nothing."""
    told = held(number)
    try:
        return not (told and told(_incident(row.contents)) is False)
    except BaseException as raised:
        fill(None, raised)
        return True


class ReporterStats(NamedTuple):
    sent: int
    vetoed: int
    suppressed: int
    failed: int


class Reporter(Closing):
    """Sends incidents to Sentry: `Collector(..., incident=Reporter(dsn))`. Never waits. `before` may veto one by
    returning False."""

    def __init__(self, dsn: str, *, release: Optional[str] = None, environment: Optional[str] = None,
                 server_name: Optional[str] = None, ca_file: Optional[Path] = None, proxy: Optional[str] = None,
                 timeout_ms: int = 0, per_minute: int = 0, before: Optional[Callable[[Incident], Optional[bool]]] = None,
                 log: Log = log_to_python) -> None:
        log_number = hold(log)
        before_number = hold(before) if before else None
        options = filled(
            _abi.ReporterOptions, dsn=dsn, release=release, environment=environment, server_name=server_name,
            ca_file=ca_file, proxy=proxy, timeout_ms=timeout_ms, per_minute=per_minute, log=write_log,
            log_user=log_number, before=tell_incident if before else None, before_user=before_number)

        def free(pointer: int, seconds: float) -> None:
            lib.ccol_reporter_flush(pointer, int(seconds * 1000))
            lib.ccol_reporter_free(pointer)
            let_go(log_number)
            let_go(before_number)
        try:
            pointer = made_by(lib.ccol_reporter_new, byref(options))
        except BaseException:
            let_go(log_number)
            let_go(before_number)
            raise
        self._handle = Handle("reporter", pointer, free)
        weakref.finalize(self, self._handle.abandon).atexit = False

    def report(self, type: str, text: str, *, part: str = "host", crash_id: str = "", code: int = 0) -> None:
        """An incident of your own."""
        row = filled(_abi.Incident, code=code, type=type, text=text, part=part, crash_id=crash_id)
        with self._handle as pointer:
            lib.ccol_reporter_report(pointer, byref(row))

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Waits until all is sent or given up; False if that took longer."""
        with self._handle as pointer:
            code = lib.ccol_reporter_flush(pointer, int(timeout * 1000))
        return code != -errno.ETIMEDOUT and check(code) == 0

    @property
    def stats(self) -> ReporterStats:
        row = _abi.ReporterStats(size=sizeof(_abi.ReporterStats))
        with self._handle as pointer:
            lib.ccol_reporter_stats_get(pointer, byref(row))
        return ReporterStats(row.sent, row.vetoed, row.suppressed, row.failed)

    def close(self, timeout: float = FLUSH_SECONDS) -> None:
        """Waits so long for what is not sent yet, and frees it. Close what reports to it first."""
        self._handle.close(timeout)


Tell = Union[Reporter, Callable[[Incident], Any]]


class Told:
    """What a collector needs to tell incidents: fills its options, and lets go again."""

    def __init__(self, options: Any, incident: Optional[Tell]) -> None:
        self.owner: Optional[Handle] = None
        self._number: Optional[int] = None
        if isinstance(incident, Reporter):
            self.owner = incident._handle
            options.incident = cast(lib.ccol_reporter_report, _abi.IncidentFn)
            with incident._handle as pointer:
                options.incident_user = pointer
        elif incident:
            self._number = options.incident_user = hold(incident)
            options.incident = tell_incident

    def let_go(self) -> None:
        let_go(self._number)
