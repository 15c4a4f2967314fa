#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What being watched costs, as ratios to the same program alone, interleaved in one run: watched.py BUILD [--rounds N].

Signals are measured twice. On one CPU it is what they cost. Spread over CPUs that are idle otherwise, each signal also
waits until an idle CPU has woken up, which on a virtual one takes longer than all else: see the bare tracer beside it.
Also how long an app with 100 threads is held, and when its report is durable. For people to read, no pass mark."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

LOADS = {"cpu": 60_000_000, "calls": 2_000_000, "signals": 30_000, "threads": 3_000, "lines": 300_000}
WANTED = {"cpu": 1.05, "calls": 1.05, "signals": 5, "threads": 3, "lines": 1.0}


def measure(command, folder, stderr, cpus):
    """Nanoseconds per operation."""
    with open(stderr, "wb") as sink:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=sink, cwd=folder, check=True,
                             preexec_fn=lambda: os.sched_setaffinity(0, cpus)).stdout
    return float(out)


def ratio(seen, alone):
    return f"x{statistics.median(seen) / statistics.median(alone):.2f} (of the least: x{min(seen) / min(alone):.2f})"


def ratios(build, rounds, folder):
    watched = [str(build / "examples/crashcollect-run"), "--data-dir", folder, "--"]
    program = str(build / "tests/bench/bench_watched")
    every = os.sched_getaffinity(0)
    cells = [(load, every) for load in LOADS] + [("signals", {min(every)})]
    for load, cpus in cells:
        rest = [load, str(LOADS[load])]
        commands = {"alone": [program], "watched": [*watched, program]}
        if load == "signals":
            commands["bare tracer"] = [program, "traced"]
        times = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(measure(command + rest, folder, f"{folder}/stderr", cpus))
        where = "on one CPU" if len(cpus) == 1 else ""
        print(f"{load:8} {where:10} alone {statistics.median(times['alone']):9.1f} ns  "
              + "  ".join(f"{name} {ratio(times[name], times['alone'])}" for name in list(commands)[1:])
              + f"  wanted: watched at most x{WANTED[load]}", flush=True)


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
