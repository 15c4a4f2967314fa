# SPDX-License-Identifier: MIT
"""The one pipe: throttle -> crash id -> spool -> crashmovers -> storage -> publish."""
import concurrent.futures
import time
import weakref
from ctypes import byref, c_void_p, sizeof
from typing import Any, Callable, Iterable, NamedTuple, Optional, Union

from . import _abi
from ._abi import Ack, Verdict
from ._load import lib
from ._objects import Closing, Handle, entry, held, hold, is_inside, let_go, made
from ._options import filled
from .errors import call, check, exception_of, fill, text_of
from .incident import Tell, Told
from .log import Log, log_to_python, write_log
from .publish import Publisher
from .report import Report, pointer_of
from .storage import Path, Storage
from .throttle import Throttle

Metric = Callable[[str, str, float, str], None]
DRAIN_SECONDS = 10.0


class Receipt(NamedTuple):
    """What became of a submitted report. One that was rejected has an id too, but was not kept."""
    verdict: Verdict
    crash_id: str
    rule: str


class Stats(NamedTuple):
    """Counters since the start, and gauges of now (queued, queued_bytes, oldest_age_ms, memory_bytes)."""
    incoming: int
    accepted: int
    rejected: int
    saved: int
    published: int
    quarantined: int
    queued: int
    queued_bytes: int
    oldest_age_ms: int
    memory_bytes: int
    save_errors: int
    spool_commits: int
    recovered: int


@entry(_abi.MetricFn)
def _write_metric(number: int, kind: bytes, name: bytes, value: float, tags: bytes) -> None:
    write = held(number)
    try:
        if write:
            write(kind.decode(), text_of(name), value, text_of(tags))
    except BaseException as raised:
        fill(None, raised)


def _receipt(row: _abi.Receipt) -> Receipt:
    return Receipt(Verdict(row.verdict), text_of(row.crash_id), text_of(row.rule))


@entry(_abi.SubmitFn)
def _submitted(number: int, code: int, receipt: int, text: bytes) -> None:
    future = let_go(number)
    try:
        if code < 0:
            future.set_exception(exception_of(code, text_of(text)))
        else:
            future.set_result(_receipt(_abi.Receipt.from_address(receipt)))
    except BaseException as raised:
        fill(None, raised)


class Collector(Closing):
    """`with Collector(storage, spool="spool") as collector: collector.submit(report)`

    Takes reports from any thread. 0 or None in an option means its default; collector.h has them all. Without a spool
    `ack` must be asked for by name: STORED, or QUEUED, which may lose. `threads=False` is for a program with an event
    loop: it watches fileno() for reading and calls pump(). The library's log goes to Python's, to loggers named
    "crashcollect...", or to `log(level, part, crash_id, text)`; errors that nobody handles go to `incident`, a function
    or a Reporter."""

    def __init__(self, storage: Storage, spool: Optional[Path] = None, *, publisher: Optional[Publisher] = None,
                 throttle: Optional[Throttle] = None, ack: Ack = Ack.SPOOLED, crashmovers: int = 0,
                 threads: bool = True, spool_max_bytes: int = 0, spool_max_reports: int = 0, spool_max_age_s: int = 0,
                 spool_segment_bytes: int = 0, memory_budget: int = 0, max_body: int = 0, max_inflated: int = 0,
                 max_annotation: int = 0, max_parts: int = 0, max_part_headers: int = 0, max_json_depth: int = 0,
                 discard_fields: Optional[Iterable[str]] = None, dump_checksums: bool = True,
                 submitter_token: Optional[str] = None, crash_id_prefix: Optional[str] = None, save_attempts: int = 0,
                 retry_first_ms: int = 0, retry_max_ms: int = 0, check_period_ms: int = 0, stall_after_ms: int = 0,
                 log: Log = log_to_python, metric: Optional[Metric] = None,
                 incident: Optional[Tell] = None, sentry_keys: Optional[Iterable[str]] = None) -> None:
        log_number = hold(log)
        metric_number = hold(metric) if metric else None
        options = filled(
            _abi.CollectorOptions, throttle=throttle._pointer if throttle else None, ack=int(ack), spool_dir=spool,
            crashmovers=crashmovers, no_threads=not threads, spool_max_bytes=spool_max_bytes,
            spool_max_reports=spool_max_reports, spool_max_age_s=spool_max_age_s,
            spool_segment_bytes=spool_segment_bytes, memory_budget=memory_budget, max_body=max_body,
            max_inflated=max_inflated, max_annotation=max_annotation, max_parts=max_parts,
            max_part_headers=max_part_headers, max_json_depth=max_json_depth,
            discard_fields=None if discard_fields is None else list(discard_fields),
            no_dump_checksums=not dump_checksums, submitter_token=submitter_token, crash_id_prefix=crash_id_prefix,
            save_attempts=save_attempts, retry_first_ms=retry_first_ms, retry_max_ms=retry_max_ms,
            check_period_ms=check_period_ms, stall_after_ms=stall_after_ms, log=write_log, log_user=log_number,
            metric_user=metric_number, sentry_keys=None if sentry_keys is None else list(sentry_keys))
        if metric:
            options.metric = _write_metric
        told = Told(options, incident)
        out = c_void_p()
        try:
            options.storage = storage._new_reference()
            options.publisher = publisher._new_reference() if publisher else None
            call(lib.ccol_collector_new, byref(out), byref(options))
        except BaseException:
            let_go(log_number)
            let_go(metric_number)
            told.let_go()
            raise
        finally:
            lib.ccol_storage_unref(options.storage)
            lib.ccol_publisher_unref(options.publisher)

        def free(pointer: int, seconds: float) -> None:
            _free(pointer, seconds, log_number, metric_number)
            told.let_go()
        self._adopt(made(out), free, told.owner)

    def _adopt(self, pointer: int, free: Callable[[int, float], None], *owners: Optional[Handle]) -> None:
        self._handle = Handle("collector", pointer, free, *owners)
        weakref.finalize(self, self._handle.abandon).atexit = False

    def submit(self, report: Report) -> Receipt:
        """Takes one report through the pipe, and returns when what `ack` promises holds. An exception means that it
        was not accepted; after FullError the same report may be submitted again."""
        row = _abi.Receipt(size=sizeof(_abi.Receipt))
        with self._handle as pointer:
            call(lib.ccol_collector_submit, pointer, pointer_of(report), byref(row))
        return _receipt(row)

    def submit_async(self, report: Report) -> "concurrent.futures.Future[Receipt]":
        """The same without waiting; asyncio.wrap_future makes it awaitable."""
        future: "concurrent.futures.Future[Receipt]" = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        number = hold(future)
        try:
            with self._handle as pointer:
                call(lib.ccol_collector_submit_async, pointer, pointer_of(report), _submitted, number)
        except BaseException:
            let_go(number)
            raise
        return future

    def set_throttle(self, throttle: Throttle) -> None:
        """Puts other rules in place; reports in flight finish with those they met."""
        with self._handle as pointer:
            lib.ccol_collector_set_throttle(pointer, throttle._pointer)

    def drain(self, timeout: float = DRAIN_SECONDS) -> bool:
        """Waits until the save queue is empty; False if that took longer. Not from inside a callback."""
        with self._handle as pointer:
            return _drain(pointer, timeout)

    def fileno(self) -> int:
        """With threads=False: readable when pump() has work."""
        with self._handle as pointer:
            return int(lib.ccol_collector_fd(pointer))

    def pump(self, max_saves: int = 100) -> int:
        """With threads=False: commits what waits and saves at most so many reports, on this thread; how many it was."""
        with self._handle as pointer:
            return check(lib.ccol_collector_pump(pointer, max_saves))

    @property
    def stats(self) -> Stats:
        row = _abi.CollectorStats(size=sizeof(_abi.CollectorStats))
        with self._handle as pointer:
            lib.ccol_collector_stats_get(pointer, byref(row))
        return Stats(*(getattr(row, name) for name in Stats._fields))

    def close(self, timeout: float = DRAIN_SECONDS) -> None:
        """Lets the save queue drain for so many seconds at most, then stops. What is not saved by then stays in the
        spool for the next start; without a spool it is lost. Any thread, also from inside a callback, where nothing is
        waited for."""
        self._handle.close(timeout)

    @property
    def closed(self) -> bool:
        return self._handle.closed


def _drain(pointer: int, seconds: float) -> bool:
    return int(lib.ccol_collector_drain(pointer, min(int(seconds * 1000), 2**31))) == 0


def _free(pointer: int, seconds: float, log_number: int, metric_number: Optional[int]) -> None:
    fd = lib.ccol_collector_fd(pointer)
    if not is_inside():
        if fd < 0:
            _drain(pointer, seconds)
        else:
            _pump_empty(pointer, time.monotonic() + seconds)
    lib.ccol_collector_free(pointer)
    let_go(log_number)
    let_go(metric_number)


def _pump_empty(pointer: int, until: float) -> None:
    """Without threads this one does the work, as long as there is progress."""
    while time.monotonic() < until and lib.ccol_collector_pump(pointer, 100) > 0:
        pass
