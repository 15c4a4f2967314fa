# SPDX-License-Identifier: MIT
"""The pipe, from Python: acks, futures, publishers, throttles, the spool, an event loop of one's own."""
import asyncio
import concurrent.futures
import errno
import inspect
import select
import threading
import time

import pytest

import crashcollect
from crashcollect import (Ack, ClosedError, Collector, Error, FsStorage, FullError, NullStorage, PermanentError,
                          Publisher, RejectedError, Spool, Storage, SystemCallError, TeeStorage, Throttle, Verdict)
from kept import Kept, report


def test_every_option_has_an_argument():
    """Arguments are named as the options of collector.h and server.h are."""
    from crashcollect import _abi
    renamed = {"spool_dir": "spool", "no_threads": "threads", "no_dump_checksums": "dump_checksums"}
    wanted = {renamed.get(name, name) for name, _ in _abi.CollectorOptions._fields_} - {"size", "log_user", "metric_user", "incident_user"}
    assert wanted == set(inspect.signature(Collector).parameters)
    wanted = {name for name, _ in _abi.ServerOptions._fields_} - {"size", "log_user", "listen_fd_count"}
    assert wanted == set(inspect.signature(crashcollect.Server).parameters) - {"collector", "health"}


def test_spooled(tmp_path):
    lines, metrics = [], []
    with Collector(FsStorage(tmp_path / "crashes"), tmp_path / "spool", log=lambda *line: lines.append(line),
                   metric=lambda *row: metrics.append(row), discard_fields=["Number"]) as collector:
        receipt = collector.submit(report())
        assert collector.drain(10)
        assert collector.stats.saved == 1
    assert receipt.verdict is Verdict.ACCEPT and receipt.rule == "accept_everything"
    read = FsStorage(tmp_path / "crashes").load(receipt.crash_id)
    assert read.files["upload_file_minidump"] == b"MDMP and so on" and "Number" not in read.annotations
    assert FsStorage(tmp_path / "crashes").list() == [receipt.crash_id]
    assert any(line[2] == receipt.crash_id for line in lines)
    assert ("c", "crashmover.save_crash.count", 1.0, "") in metrics, metrics


def test_needs_an_ack(tmp_path):
    with pytest.raises(Error, match="spool_dir"):
        Collector(NullStorage())


def test_futures():
    with Collector(Kept(), ack=Ack.STORED) as collector:
        futures = [collector.submit_async(report(number)) for number in range(50)]
        ids = {future.result(30).crash_id for future in futures}

        async def one():
            return await asyncio.wrap_future(collector.submit_async(report()))
        ids.add(asyncio.run(one()).crash_id)
    assert len(ids) == 51


def test_an_exception_means_later(tmp_path):
    class Late(Kept):
        failures = [OSError(errno.ENOSPC, "disk full"), ValueError("no"), crashcollect.RemoteError("503", retry_after=0)]

        def save(self, kept):
            if self.failures:
                raise self.failures.pop()
            super().save(kept)
    storage, lines = Late(), []
    with Collector(storage, tmp_path, retry_first_ms=1, log=lambda *line: lines.append(line[3])) as collector:
        crash_id = collector.submit(report()).crash_id
        assert collector.drain(30)
        assert collector.stats.save_errors == 3
    assert list(storage.reports) == [crash_id]
    for text in ("disk full", "ValueError: no", "503"):
        assert any(text in line for line in lines), lines


def test_permanent_means_quarantine(tmp_path):
    class Never(Storage):
        def save(self, report):
            raise RejectedError("too old for us")
    with Collector(Never(), tmp_path) as collector:
        crash_id = collector.submit(report()).crash_id
        assert collector.drain(30)
    spooled = list(Spool(tmp_path))
    assert [(row.crash_id, row.state) for row in spooled] == [(crash_id, "failed")] and "too old" in spooled[0].reason
    assert Spool(tmp_path).load(crash_id).files["upload_file_minidump"] == b"MDMP and so on"
    with pytest.raises(KeyError):
        Spool(tmp_path).load("de1bb258-cbbf-4589-a673-34f800160918")
    Spool(tmp_path).retry(crash_id)
    storage = Kept()
    with Collector(storage, tmp_path):
        eventually(lambda: list(storage.reports) == [crash_id])


def eventually(holds, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_stored_ack_tells_the_failure():
    class Broken(Storage):
        def save(self, report):
            raise PermissionError(errno.EACCES, "not for you")
    with Collector(Broken(), ack=Ack.STORED, save_attempts=1, retry_first_ms=1) as collector:
        with pytest.raises(RejectedError, match="not for you"):
            collector.submit(report())
    with pytest.raises(SystemCallError, match="/proc/1/x") as raised:
        Collector(FsStorage("/proc/1/x"), ack=Ack.STORED)
    assert isinstance(raised.value, OSError) and raised.value.errno == errno.ENOENT


def test_verify_stops_the_start():
    class Unready(NullStorageInPython):
        def verify(self):
            raise RuntimeError("not today")
    with pytest.raises(Error, match="not today") as raised:
        Collector(Unready(), ack=Ack.QUEUED)
    assert isinstance(raised.value.__cause__, RuntimeError)

    class Interrupted(NullStorageInPython):
        def verify(self):
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        Collector(Interrupted(), ack=Ack.QUEUED)


class NullStorageInPython(Storage):
    def save(self, report):
        pass


def test_optional_methods_are_asked_for(tmp_path):
    calls = set()

    class All(Kept):
        def save(self, report):
            super().save(report)

        def sync(self):
            calls.add("sync")

        def verify(self):
            calls.add("verify")

        def check(self):
            calls.add("check")

        def destroy(self):
            calls.add("destroy")
    with Collector(All(), tmp_path, check_period_ms=1) as collector:
        collector.submit(report())
        assert collector.drain(30)
    assert {"sync", "verify", "destroy"} <= calls


def test_publisher(tmp_path):
    published, checked = [], threading.Event()

    class Told(Publisher):
        def publish(self, crash_id):
            published.append(crash_id)

        def check(self):
            checked.set()
    with Collector(Kept(), tmp_path, publisher=Told(), check_period_ms=10) as collector:
        crash_id = collector.submit(report()).crash_id
        assert collector.drain(30) and checked.wait(30)
        assert collector.stats.published == 1
    assert published == [crash_id]


def test_tee(tmp_path):
    first, second = Kept(), Kept()
    with Collector(TeeStorage([first, FsStorage(tmp_path / "fs"), second]), tmp_path / "spool") as collector:
        crash_id = collector.submit(report()).crash_id
    assert list(first.reports) == list(second.reports) == FsStorage(tmp_path / "fs").list() == [crash_id]


def test_throttle():
    rules = {"rules": [{"name": "none_of_b", "when": {"key": "Product", "is": "b"}, "result": "reject"},
                       {"name": "rest", "result": "defer"}]}
    throttle = Throttle.callback("mine", lambda kept: {"a": Verdict.ACCEPT, "x": 1 / 0 if kept.annotation("Product") ==
                                                       "x" else 0}.get(kept.annotation("Product"), Verdict.CONTINUE),
                                 Throttle(rules))
    assert len(throttle) == 3
    for product, decision in (("a", (Verdict.ACCEPT, "mine")), ("b", (Verdict.REJECT, "none_of_b")),
                              ("c", (Verdict.DEFER, "rest")), ("x", (Verdict.DEFER, "rest"))):
        assert throttle.decide(crashcollect.Report({"Product": product})) == decision
    assert [row.rule for row in throttle.explain(crashcollect.Report({"Product": "b"}))] == ["mine", "none_of_b"]
    storage = Kept()
    with Collector(storage, ack=Ack.STORED, throttle=throttle) as collector:
        del throttle
        assert collector.submit(crashcollect.Report({"Product": "b"})).verdict is Verdict.REJECT
        collector.set_throttle(Throttle.named("accept-all"))
        assert collector.submit(crashcollect.Report({"Product": "b"})).verdict is Verdict.ACCEPT
    assert Throttle.mistakes(rules) == [] and len(Throttle.mistakes({"rules": [{"result": "x"}]})) >= 1
    assert len(Throttle.named("mozilla")) == 16


def test_throttle_callbacks_are_let_go():
    from crashcollect import _objects
    before = len(_objects._held)
    for _ in range(10):
        with Collector(Kept(), ack=Ack.STORED, throttle=Throttle.callback("r", lambda _: Verdict.ACCEPT)) as collector:
            collector.submit(report())
    with pytest.raises(Error):
        Throttle.callback("not a name", lambda _: Verdict.ACCEPT)
    assert len(_objects._held) == before and not _objects._open


def test_own_event_loop(tmp_path):
    storage = Kept()
    with Collector(storage, tmp_path, threads=False) as collector:
        futures = [collector.submit_async(report(number)) for number in range(5)]
        assert select.select([collector], [], [], 30)[0]
        while collector.stats.saved < 5:
            select.select([collector], [], [], 1)
            collector.pump()
        assert {future.result(0).crash_id for future in futures} == set(storage.reports)


def test_closed():
    collector = Collector(Kept(), ack=Ack.STORED)
    collector.close()
    collector.close()
    assert collector.closed
    with pytest.raises(ClosedError):
        collector.submit(report())
    with pytest.raises(ClosedError):
        collector.stats


def test_full_says_so(tmp_path):
    hold = threading.Event()

    class Slow(Kept):
        def save(self, kept):
            hold.wait(60)
            super().save(kept)
    with Collector(Slow(), ack=Ack.QUEUED, spool_max_reports=2) as collector:
        with pytest.raises(FullError) as raised:
            for number in range(10):
                collector.submit(report(number))
        assert raised.value.name == "CCOL_EFULL" and not isinstance(raised.value, PermanentError)
        hold.set()


def test_many_threads():
    storage = Kept()
    with Collector(storage, ack=Ack.STORED) as collector, concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = {receipt.crash_id for receipt in pool.map(lambda n: collector.submit(report(n)), range(400))}
    assert ids == set(storage.reports) and len(ids) == 400
