#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a storage class costs in Python: beside the same class in C, and beside a collector in Python alone.

python_storage.py BUILD [--count N] [--rounds N]

One thread hands the same uploads, in this process, to three collectors in turn, A B C A B C: the library with a class
in C, the library with the same class in Python, and an upload handler in Python as Antenna's is (the multipart package,
uuid4, SHA-256 of each dump, json.dumps with sorted keys), which calls that class itself. Each must have counted all
crashes with all their bytes. Read the ratios; speed is never a pass mark."""
import argparse
import ctypes
import datetime
import hashlib
import io
import json
import os
import pathlib
import statistics
import sys
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bindings/python")]
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
SIZES = {"small": 20_000, "usual": 400_000}
FIELDS = {"ProductName": "Firefox", "Version": "120.0", "ReleaseChannel": "nightly", "BuildID": "20261101000000"}
FIELDS.update({f"Annotation{number}": "x" * 40 for number in range(30)})


def in_environment():
    """Runs this program again with the packages that it needs."""
    from python_venv import environment
    python = environment(os.path.realpath("/usr/bin/python3"), REQUIREMENTS)
    if pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])


def upload_of(size):
    parts = [f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in FIELDS.items()]
    dump = os.urandom(size)
    head = (b'--b0\r\nContent-Disposition: form-data; name="upload_file_minidump"; filename="d.dmp"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n")
    return b"".join([*parts, head, dump, b"\r\n--b0--\r\n"])


def headers_of(body):
    return {"content-type": "multipart/form-data; boundary=b0", "content-length": str(len(body)), "user-agent": "bench"}


class Counted:
    """What each collector's storage has seen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reports = self.bytes = 0

    def add(self, length):
        with self.lock:
            self.reports += 1
            self.bytes += length


def with_library(storage, counted, body, count):
    import crashcollect
    headers = headers_of(body)
    with crashcollect.Collector(storage, ack=crashcollect.Ack.STORED, log=lambda *line: None) as collector:
        yield  # ready
        for _ in range(count):
            upload = crashcollect.Upload(collector, headers)
            upload.feed(body)
            assert upload.finish().status == 200
    yield counted()


def run_python_class(build, body, count):
    import crashcollect
    seen = Counted()

    class Count(crashcollect.Storage):
        def save(self, report):
            seen.add(len(report.json) + sum(map(len, report.files.values())))
    return with_library(Count(), lambda: (seen.reports, seen.bytes), body, count)


def run_c_class(build, body, count):
    from crashcollect import _abi, _objects, storage
    module = ctypes.CDLL(str(build / "tests/bench/libbench_count.so"))
    module.bench_count_new.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(_abi.Error)]
    for name in ("reports", "bytes"):
        getattr(module, f"bench_count_{name}").restype = ctypes.c_ulonglong
    return with_library(storage.BuiltIn(_objects.made_by(module.bench_count_new)),
                        lambda: (module.bench_count_reports(), module.bench_count_bytes()), body, count)


def run_python_alone(build, body, count):
    import multipart
    seen, headers = Counted(), headers_of(body)

    def handle(stream):
        annotations, dumps = {}, {}
        for part in multipart.MultipartParser(stream, "b0", content_length=len(body), part_limit=1000, spool_limit=1 << 30,
                                              memory_limit=1 << 30, disk_limit=1 << 30):
            if part.filename is None:
                annotations[part.name] = part.value
            else:
                dumps[part.name] = part.raw
        crash_id = str(uuid.uuid4())[:-7] + "0" + datetime.datetime.now(datetime.timezone.utc).strftime("%y%m%d")
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in dumps.items()}
        annotations.update(uuid=crash_id, version=2, submitted_timestamp=datetime.datetime.now(datetime.timezone.utc).isoformat(),
                           metadata={"dump_checksums": sums, "user_agent": headers["user-agent"], "collector_notes": [],
                                     "payload": "multipart", "payload_size": len(body), "payload_compressed": "0",
                                     "throttle_rule": "accept_everything"})
        seen.add(len(json.dumps(annotations, sort_keys=True)) + sum(map(len, dumps.values())))
    yield
    for _ in range(count):
        handle(io.BytesIO(body))
    yield seen.reports, seen.bytes


def measure(run, build, body, size, count):
    steps = run(build, body, count)
    next(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    reports, counted = next(steps)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert reports == count and counted > count * size, f"{run.__name__}: {reports} of {count} crashes, {counted} bytes"
    return count / wall, cpu / count * 1e6


RUNS = {"class in C": run_c_class, "class in Python": run_python_class, "Python alone": run_python_alone}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    os.environ.setdefault("CRASHCOLLECT_LIBRARY", str(build / "lib/libcrashcollect.so"))
    in_environment()
    print(f"{'dump':>8} {'':16} {'crashes/s':>10} {'CPU us':>8} {'rate x':>7} {'CPU x':>6}   (x: beside the class in C)")
    for size in SIZES.values():
        body = upload_of(size)
        rows = {name: [] for name in RUNS}
        for _ in range(arguments.rounds):
            for name, run in RUNS.items():
                rows[name].append(measure(run, build, body, size, arguments.count))
        medians = {name: [statistics.median(column) for column in zip(*found)] for name, found in rows.items()}
        first = medians["class in C"]
        for name, (rate, cpu) in medians.items():
            print(f"{size:8} {name:16} {rate:10.0f} {cpu:8.1f} {rate / first[0]:7.2f} {cpu / first[1]:6.2f}")


if __name__ == "__main__":
    main()
