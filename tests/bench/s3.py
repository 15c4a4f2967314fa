#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the storage s3 costs: beside accepting and spooling alone, and beside Python's boto3 doing the same PUTs.

s3.py BUILD [--rounds N] [--seconds S] [--dir FOLDER]

In turn, A B C A B C: crashcollectd that keeps nothing (what accepting and spooling cost), crashcollectd with s3, both
fed with crashes of 400 kB over 32 connections and with their dumps hashed; and boto3 in 8 threads, which puts the same
three objects per crash. The S3 server is s3_sink, which throws bodies away and whose own CPU does not count. Then
crashcollectd with 32 crashmovers and boto3 with 32 threads against a server that takes its time for each PUT. Every
accepted crash must have arrived as three PUTs. Read the ratios; speed is never a pass mark."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import measure
import peers

SIZE = 400_000
CONNECTIONS = 32
DRAIN_SECONDS = 120
PUTS = 3
BOTO = "boto3"
ALONE, S3 = "accept+spool", "accept+spool+s3"
KEYS = {"AWS_ACCESS_KEY_ID": "BENCHKEY", "AWS_SECRET_ACCESS_KEY": "bench/secret", "AWS_EC2_METADATA_DISABLED": "true"}


class Process:
    """A server on a free port."""

    def __init__(self, command, port, env=None, log=subprocess.DEVNULL):
        self.port = port
        self.process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **(env or {})}, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not self.get("/"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.02)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.read().decode() or "empty"
        except urllib.error.HTTPError as error:
            return str(error)
        except OSError:
            return None

    def cpu(self):
        return measure.cpu_seconds(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def start_sink(build, delay_ms):
    port = peers.free_port()
    return Process([str(build / "tests/bench/bench_s3_sink"), str(port), str(delay_ms)], port)


def start_daemon(build, folder, sink, movers):
    port = peers.free_port()
    env = {"CRASHCOLLECT_LISTEN": f"127.0.0.1:{port}", "CRASHCOLLECT_DATA_DIR": folder, "CRASHCOLLECT_LOG_LEVEL": "warning",
           "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": str(movers), "CRASHCOLLECT_STORAGE": "s3" if sink else "null", **KEYS}
    if sink:
        env.update(CRASHCOLLECT_S3_BUCKET="bench", CRASHCOLLECT_S3_ENDPOINT_URL=f"http://127.0.0.1:{sink.port}")
    return Process([str(build / "examples/crashcollectd")], port, env)


def queue_size(daemon):
    line = next(line for line in daemon.get("/metrics").splitlines() if line.startswith("crashcollect_save_queue_size"))
    return int(float(line.split()[-1]))


def puts(sink):
    return int(sink.get("/count").split()[0])


def run_daemon(build, folder, sink, movers, seconds):
    """(CPU us per crash, crashes saved per second)."""
    daemon = start_daemon(build, folder, sink, movers)
    try:
        before_puts = puts(sink) if sink else 0
        load = [str(build / "tests/bench/bench_load"), "--port", str(daemon.port), "--size", str(SIZE), "--connections",
                str(CONNECTIONS), "--seconds", str(seconds)]
        cpu, begin = daemon.cpu(), time.monotonic()
        done = subprocess.run(load, capture_output=True, text=True, timeout=seconds + 120)
        result = json.loads(done.stdout)
        while queue_size(daemon):
            if time.monotonic() - begin > seconds + DRAIN_SECONDS:
                raise RuntimeError(f"{queue_size(daemon)} crashes still wait")
            time.sleep(0.01)
        cpu, elapsed = daemon.cpu() - cpu, time.monotonic() - begin
        if result["errors"] or not result["requests"]:
            raise RuntimeError(f"load: {result['error_kinds']}")
        if sink and puts(sink) - before_puts != result["requests"] * PUTS:
            raise RuntimeError(f"{result['requests']} crashes, but {puts(sink) - before_puts} PUTs")
        return cpu / result["requests"] * 1e6, result["requests"] / elapsed
    finally:
        daemon.stop()


def put_by_boto(port, threads, seconds):
    """In a process of its own: prints CPU us per crash and crashes per second."""
    import boto3
    import botocore.config
    config = botocore.config.Config(max_pool_connections=threads, retries={"max_attempts": 1},
                                    s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", config=config,
                          aws_access_key_id="BENCHKEY", aws_secret_access_key="bench/secret")
    dump, raw, names = os.urandom(SIZE), b"r" * 2000, b'["upload_file_minidump"]'
    end = time.monotonic() + seconds

    def work(thread):
        count = 0
        while time.monotonic() < end:
            crash_id = f"{thread:08x}-0000-4000-8000-{count:05x}0261125"
            client.put_object(Bucket="bench", Key=f"v1/dump_names/{crash_id}", Body=names)
            client.put_object(Bucket="bench", Key=f"v1/dump/{crash_id}", Body=dump)
            client.put_object(Bucket="bench", Key=f"v2/raw_crash/{crash_id[:3]}/20261125/{crash_id}", Body=raw)
            count += 1
        return count

    cpu, begin = time.process_time(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(work, range(threads)))
    print((time.process_time() - cpu) / count * 1e6, count / (time.monotonic() - begin), count)


def run_boto(sink, threads, seconds):
    before = puts(sink)
    done = subprocess.run(["/usr/bin/python3", os.path.abspath(__file__), "--boto", str(sink.port), str(threads),
                           str(seconds)], capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode:
        raise RuntimeError(f"boto3: {done.stderr.strip()[-300:]}")
    cpu, rate, count = map(float, done.stdout.split())
    if puts(sink) - before != count * PUTS:
        raise RuntimeError("boto3 lost some")
    return cpu, rate


def compare(arguments, delay_ms, movers, threads):
    """{name: (CPU us per crash, crashes per second)}, medians of the rounds."""
    rows = {}
    sink = start_sink(arguments.build, delay_ms)
    try:
        for turn in range(arguments.rounds):
            for name in (ALONE, S3, BOTO):
                if name == ALONE and delay_ms:
                    continue
                with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
                    if name == BOTO:
                        found = run_boto(sink, threads, arguments.seconds)
                    else:
                        found = run_daemon(arguments.build, folder, sink if name == S3 else None, movers, arguments.seconds)
                rows.setdefault(name, []).append(found)
    finally:
        sink.stop()
    return {name: [statistics.median(column) for column in zip(*found)] for name, found in rows.items()}


def print_table(title, rows):
    print(f"\n{title}\n{'':18} {'CPU us':>8} {'saved/s':>8} {'xalone':>7} {'rate xboto':>10}")
    for name, (cpu, rate) in rows.items():
        alone = f"{cpu / rows[ALONE][0]:7.2f}" if ALONE in rows else "      -"
        print(f"{name:18} {cpu:8.0f} {rate:8.0f} {alone} {rate / rows[BOTO][1]:10.2f}")
    if ALONE in rows:
        added = rows[S3][0] - rows[ALONE][0]
        print(f"three PUTs: {added:.0f} us of CPU beside boto3's {rows[BOTO][0]:.0f} us: {rows[BOTO][0] / added:.1f} times less")


def main():
    if sys.argv[1:2] == ["--boto"]:
        put_by_boto(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--dir", help="folder for the spool, on a disk; default BUILD")
    parser.add_argument("--delays", default="0,17,50", help="milliseconds that the server takes for a PUT; default 0,17,50")
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    arguments.dir = arguments.dir or arguments.build
    for delay_ms in map(int, arguments.delays.split(",")):
        movers = 32 if delay_ms else 4
        rows = compare(arguments, delay_ms, movers, 32 if delay_ms else 8)
        print_table(f"400 kB, {delay_ms} ms per PUT, {movers} crashmovers", rows)


if __name__ == "__main__":
    main()
