#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What being watched costs, as ratios to the same program alone, interleaved in one run: watched.py BUILD [--rounds N].

Also how long an app with 100 threads is held, and when its report is durable. For people to read, no pass mark."""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

LOADS = {"cpu": 60_000_000, "calls": 2_000_000, "signals": 30_000, "threads": 3_000, "lines": 300_000}
WANTED = {"cpu": 1.05, "calls": 1.05, "signals": 5, "threads": 3, "lines": 1.0}


def measure(command, folder, stderr):
    """Nanoseconds per operation."""
    with open(stderr, "wb") as sink:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=sink, cwd=folder, check=True).stdout
    return float(out)


def ratios(build, rounds, folder):
    watched = [str(build / "examples/crashcollect-run"), "--data-dir", folder, "--"]
    for load, count in LOADS.items():
        command = [str(build / "tests/bench/bench_watched"), load, str(count)]
        alone, seen, traced = [], [], []
        for _ in range(rounds):
            file = f"{folder}/stderr"
            alone.append(measure(command, folder, file))
            seen.append(measure(watched + command, folder, file))
            if load == "signals":
                traced.append(measure([command[0], "traced", *command[1:]], folder, file))
        by_median = statistics.median(seen) / statistics.median(alone)
        by_least = min(seen) / min(alone)
        print(f"{load:8} alone {statistics.median(alone):9.1f} ns  watched {statistics.median(seen):9.1f} ns  "
              f"x{by_median:.2f} (of the least: x{by_least:.2f}; wanted at most x{WANTED[load]})")
        if traced:
            print(f"{'':8} under a tracer that only lets it go on: x{statistics.median(traced) / statistics.median(alone):.2f}")


def deaths(build, rounds, folder):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
    from snapshot import folders
    for threads in (7, 100, 2000):
        held = []
        for i in range(rounds):
            data = f"{folder}/held-{threads}-{i}"
            subprocess.run([str(build / "tests/keeper_alone"), data, "freeze=2000", "--", str(build / "tests/victim"),
                            "threads", str(threads)], check=False, stderr=subprocess.DEVNULL)
            held.append(folders(data)[0].snapshots[0].held_us / 1000)
        print(f"held     {threads} threads: {statistics.median(held):.2f} ms ({min(held):.2f} to {max(held):.2f})")
    times = []
    for i in range(rounds):
        data = f"{folder}/durable-{i}"
        start = time.monotonic()
        subprocess.run([str(build / "examples/crashcollect-run"), "--data-dir", data, "--symbols", "off", "--",
                        str(build / "tests/victim"), "segv"], check=False, stderr=subprocess.DEVNULL)
        times.append((time.monotonic() - start) * 1000)
        assert list(pathlib.Path(data).glob("crashes/*/raw_crash/*")), "no report"
    print(f"start, crash, report stored, end: {statistics.median(times):.0f} ms "
          f"({min(times):.0f} to {max(times):.0f}), 7 threads, without symbols")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ratios(arguments.build.resolve(), arguments.rounds, folder)
        deaths(arguments.build.resolve(), arguments.rounds, folder)


if __name__ == "__main__":
    main()
