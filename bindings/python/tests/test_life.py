# SPDX-License-Identifier: MIT
"""Ends: interpreters, forks, collectors freed from their own callbacks and by the garbage collector."""
import gc
import threading

import pytest

import crashcollect
from crashcollect import Ack, Collector, Storage
from kept import Kept, report

SAVES = 10_000
THREADS = 8


def test_ten_thousand_saves_freed_from_a_callback(tmp_path):
    """Eight threads submit; with half of the reports saved one save closes the collector, and those that come too late
    are told so. Every accepted report is saved: by this collector, or by the next one from the spool."""
    accepted, lock = set(), threading.Lock()

    class Closing(Kept):
        collector = None

        def save(self, kept):
            super().save(kept)
            if len(self.reports) == SAVES // 2:
                self.collector.close()

    storage = Closing()
    collector = storage.collector = Collector(storage, tmp_path / "spool", spool_segment_bytes=1 << 20)

    def submit(numbers):
        for number in numbers:
            try:
                crash_id = collector.submit(report(number)).crash_id
            except crashcollect.ClosedError:
                continue
            with lock:
                accepted.add(crash_id)
    threads = [threading.Thread(target=submit, args=(range(first, SAVES, THREADS),)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    collector.close()
    assert collector.closed
    rest = Kept()
    with Collector(rest, tmp_path / "spool", spool_segment_bytes=1 << 20) as again:
        missing = SAVES - len(accepted)
        for number in range(missing):
            accepted.add(again.submit(report(number)).crash_id)
        assert again.drain(120)
    assert len(accepted) == SAVES
    assert accepted == set(storage.reports) | set(rest.reports)


def test_a_thousand_lives():
    """Opened and closed, each from inside its own save: nothing stays behind."""
    from crashcollect import _objects
    held, opened = len(_objects._held), len(_objects._open)
    threads = threading.active_count()

    class Ends(Storage):
        def save(self, kept):
            self.collector.close()
    for number in range(1000 if number_of_lives_is_full() else 100):
        storage = Ends()
        storage.collector = Collector(storage, ack=Ack.QUEUED)
        try:
            storage.collector.submit(report(number))
        except crashcollect.ClosedError:
            pass
        while not storage.collector._handle._pointer is None:
            storage.collector.close()
        del storage
    while len(_objects._held) > held:  # the last thread out lets its storage go
        gc.collect()
    assert len(_objects._open) == opened and threading.active_count() == threads


def number_of_lives_is_full():
    import os
    return not os.environ.get("LD_PRELOAD")


def test_garbage_collected_inside_a_callback():
    """The last reference goes away on one of the collector's own threads."""
    done = threading.Event()

    class Last(Kept):
        def save(self, kept):
            holder.pop("collector", None)
            gc.collect()
            super().save(kept)
            done.set()
    storage = Last()
    holder = {"collector": Collector(storage, ack=Ack.QUEUED)}
    with pytest.warns(ResourceWarning):
        holder["collector"].submit(report())
        assert done.wait(60)
        from crashcollect import _objects
        while any(handle.kind == "collector" for handle in list(_objects._open.values())):
            pass
    assert len(storage.reports) == 1


def test_garbage_collected_while_a_lock_is_held():
    """A collector may be collected anywhere: with a lock in hand that its save is waiting for."""
    lock, entered = threading.Lock(), threading.Event()

    class Locked(Kept):
        def save(self, kept):
            entered.set()
            with lock:
                super().save(kept)
    storage = Locked()
    collector = Collector(storage, ack=Ack.QUEUED)
    with pytest.warns(ResourceWarning):
        with lock:
            collector.submit(report())
            assert entered.wait(60)
            del collector
            gc.collect()
        from crashcollect import _objects
        while any(handle.kind == "collector" for handle in list(_objects._open.values())):
            pass
    assert len(storage.reports) == 1


EXIT = """
    import pathlib, sys, time
    from crashcollect import Ack, Collector, Publisher, Report, Server, Storage

    class Slow(Storage):
        def save(self, report):
            time.sleep(0.002)
            with open("saved", "a") as file:
                file.write(report.id + "\\n")

    mode = sys.argv[1]
    collector = Collector(Slow(), None if mode == "queued" else "spool", ack=Ack.QUEUED if mode == "queued" else Ack.SPOOLED)
    server = Server(collector, listen="127.0.0.1:0", threads=1)
    for number in range(300):
        print(collector.submit(Report({"N": str(number)}, {"upload_file_minidump": b"x"})).crash_id)
    if mode == "raised":
        raise SystemExit(3)
    if mode == "killed":
        sys.stdout.flush()
        import os
        os._exit(0)
"""
RECOVER = """
    import sys
    from crashcollect import Collector, Storage

    class Rest(Storage):
        def save(self, report):
            with open("saved", "a") as file:
                file.write(report.id + "\\n")
    with Collector(Rest(), "spool") as collector:
        assert collector.drain(60)
"""


@pytest.mark.parametrize("mode", ["queued", "spooled", "raised", "killed"])
def test_interpreter_exit_with_work_queued(run_program, tmp_path, mode):
    """Nothing is closed by hand. What was acknowledged is saved at the exit, or is in the spool."""
    done = run_program(EXIT, mode)
    assert done.returncode == (3 if mode == "raised" else 0), done.stderr
    assert "Error" not in done.stderr and "Traceback" not in done.stderr
    accepted = set(done.stdout.split())
    assert len(accepted) == 300
    if mode != "queued":
        again = run_program(RECOVER)
        assert again.returncode == 0, again.stderr
    assert set((tmp_path / "saved").read_text().split()) == accepted


FORK = """
    import os, sys
    from crashcollect import Ack, Collector, ForkedError, FsStorage, Report, Storage

    class Kept(Storage):
        def __init__(self):
            self.ids = []
        def save(self, report):
            self.ids.append(report.id)

    storage = Kept()
    collector = Collector(storage, ack=Ack.STORED)
    folder = FsStorage("crashes")
    for number in range(20):
        collector.submit(Report({"N": "1"}))
        child = os.fork()
        if child == 0:
            try:
                collector.submit(Report({"N": "1"}))
            except ForkedError as error:
                assert "make one after the fork" in str(error)
            else:
                os._exit(9)
            collector.close()
            mine = Kept()
            with Collector(mine, ack=Ack.STORED) as other:
                other.submit(Report({"N": "2"}))
            assert len(mine.ids) == 1
            sys.exit(number)  # runs the interpreter's whole exit
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == number
    collector.submit(Report({"N": "3"}))
    collector.close()
    assert len(storage.ids) == 21
    print("done")
"""


def test_fork(run_program):
    done = run_program(FORK)
    assert done.stdout == "done\n" and done.returncode == 0, done.stderr


DAEMON = """
    import threading, time
    from crashcollect import Ack, Collector, Report, Storage

    class Slow(Storage):
        def save(self, report):
            time.sleep(0.001)
    collector = Collector(Slow(), ack=Ack.QUEUED)

    def submit():
        while True:
            try:
                collector.submit(Report({"A": "b"}))
            except Exception:
                pass
    for _ in range(4):
        threading.Thread(target=submit, daemon=True).start()
    while collector.stats.saved < 50:
        time.sleep(0.001)
    print("end")
"""


def test_interpreter_exit_under_load(run_program):
    """Daemon threads submit for as long as they are let."""
    for _ in range(3):
        done = run_program(DAEMON)
        assert done.returncode == 0 and done.stdout == "end\n", done.stderr
