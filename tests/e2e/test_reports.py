# SPDX-License-Identifier: MIT
"""What crashcollect-run reports of real crashes: the cases of the monitor's acceptance list by their numbers."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

import crashers
import harness
from monitor import without_fake_stack

UNFLUSHED = "these sixty-seven bytes stay in the buffer of stdio and are recovered"


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    return crashers.Compiler(tmp_path_factory.mktemp("crashers"))


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def crash(data_dir, *arguments, **more):
    """Runs a program that dies once; its report."""
    outcome = crashers.run(data_dir, *arguments, **more)
    report = outcome.one()
    report.outcome = outcome
    crashers.check_secret(data_dir)
    assert not list((data_dir / "monitor").iterdir()), "the hand-over folder is not gone"
    return report


def test_case_1_null_store_in_a_worker(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "segv")
    assert report.outcome.status == -signal.SIGSEGV
    assert report.reason == "SIGSEGV SEGV_MAPERR at 0x10"
    assert report.raw["CrashAddress"] == "0x10"
    assert report.raw["CrashThreadName"] == "worker-3"
    assert report.raw["ExitStatus"] == "139"
    report.check_calls("leaf_crash", "middle", "outer", "die", "work")
    names = {thread["name"] for thread in report.json["threads"]}
    assert names == {"crasher", *(f"worker-{number}" for number in range(6))}
    assert all(thread["frames"] for thread in report.json["threads"])
    leaf = report.crashed["frames"][0]
    assert leaf["file"].endswith("crashers/crasher.c") and leaf["line"] > 0 and leaf["trust"] == "context"
    assert all(frame["trust"] == "cfi" for frame in report.crashed["frames"][1:])
    assert report.json["crash"] == {"reason": "SIGSEGV", "detail": "SEGV_MAPERR at 0x10", "signal": 11, "code": 1,
                                    "code_name": "SEGV_MAPERR", "address": "0x10", "thread": report.crashed["id"]}
    assert all(module["build_id"] for module in report.json["modules"])
    module = report.json["modules"][leaf["module"]]
    assert module["path"] == str(compiler.c())
    assert int(report.crashed["registers"]["rip"], 16) == int(leaf["address"], 16)
    assert report.text.startswith(report.reason)


@pytest.mark.parametrize("who", ["worker", "main"])
def test_case_2_stack_overflow(compiler, data_dir, who):
    report = crash(data_dir, compiler.c(), "overflow", *(["main"] if who == "main" else []))
    assert report.word == "SIGSEGV" and "stack overflow" in report.reason
    assert report.functions()[:50] == ["overflow"] * 50
    assert len(report.dumps["upload_file_minidump"]) <= 256 << 10


def test_case_3_abort_tells_the_last_words(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "abort")
    assert report.reason == "SIGABRT - last words before abort"
    report.check_calls("abort", "die", "work")


def test_case_3_assert(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "assert")
    assert report.word == "SIGABRT" and "Assertion `deep == 4711' failed." in report.reason
    assert report.json["exceptions"][0]["runtime"] == "glibc"


def test_case_3_an_exception_of_cpp(compiler, data_dir):
    report = crash(data_dir, compiler.cpp())
    assert report.reason == "SIGABRT - std::runtime_error: the till is out of change"
    assert "shop::Cart::checkout" in report.functions() and "main" in report.functions()
    exception = report.json["exceptions"][0]
    assert (exception["runtime"], exception["type"]) == ("cpp", "std::runtime_error")


@pytest.mark.parametrize("how, text, function", [
    ("free-twice", "double free or corruption (out)", "free_twice"),
    ("corrupt", "malloc(): corrupted top size", "corrupt_heap"),
    ("smash", "*** stack smashing detected ***: terminated", "smash")])
def test_case_4_glibc_finds_corruption(compiler, data_dir, how, text, function):
    report = crash(data_dir, compiler.c(), how)
    assert report.reason == f"SIGABRT - {text}"
    assert report.json["crash"]["message"] == text
    functions = report.functions()
    assert functions.index("abort") < functions.index(function)


def test_case_5_jump_to_null(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "jump")
    assert report.crashed["frames"][0]["address"] == "0x0"
    assert report.functions()[1:4] == ["jump_to_null", "die", "work"]


def test_case_6_an_address_that_is_none(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "noncanonical")
    assert report.json["crash"]["code"] == 128 and "address" not in report.json["crash"]
    assert "did not tell the address" in report.reason
    assert "CrashAddress" not in report.raw
    report.check_calls("leaf_crash", "middle", "outer")


def make_cgroup(name, limit):
    for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = pathlib.Path(root) / name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / file).write_text(str(limit))
            return folder
        except OSError:
            folder.rmdir()
    return None


@contextlib.contextmanager
def memory_cgroup(tmp_path, limit):
    """A new memory cgroup with that limit; without one the test says that it was skipped."""
    folder = make_cgroup(f"ccol-test-{os.getpid()}-{tmp_path.name}", limit)
    if folder is None:
        pytest.skip("no memory cgroup can be made here")
    try:
        yield folder
    finally:
        harness.eventually(lambda: (folder / "cgroup.procs").read_text() == "", 20, "the cgroup is empty")
        folder.rmdir()


def run_in(cgroup):
    """A wrapper that starts a command in the cgroup."""
    return ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$@"', "sh"]


def crash_inside(data_dir, *arguments, **more):
    """As crash, where the kernel may go on to kill the monitor as well, which the next start then tells."""
    outcome = crashers.run(data_dir, *arguments, **more)
    crashers.run(data_dir, "true")
    reports = [report for report in outcome.reports if report.word != "vanished"]
    assert len(reports) == 1, [report.reason for report in outcome.reports]
    reports[0].outcome = outcome
    return reports[0]


OOM_LIMIT = 32 << 20
OOM_LIMIT_INSIDE = 400 << 20  # the sanitizer's shadow alone is more than the other: only the app counts on the limit
OOM_ROUNDS = int(os.environ.get("CCOL_MONITOR_OOM_ROUNDS", "20"))


def check_out_of_memory(report, cgroup, limit):
    assert report.outcome.status == -signal.SIGKILL
    assert report.word == "OOM", report.reason
    assert report.raw["OOMLimitBytes"] == str(limit)
    assert int(report.raw["OOMUsageBytes"]) >= 0
    assert cgroup.name in report.raw["OOMEvidence"] or "kernel's log" in report.raw["OOMEvidence"]
    functions = [report.functions(thread) for thread in report.json["threads"]]
    assert len(functions) == 7, report.text
    allocating, = [names for names in functions if "allocate" in names]
    assert allocating[allocating.index("allocate"):][:3] == ["allocate", "die", "work"], report.text


def test_case_10_out_of_memory_with_the_monitor_outside(compiler, data_dir, tmp_path):
    with memory_cgroup(tmp_path, OOM_LIMIT) as cgroup:
        report = crash(data_dir, *run_in(cgroup), compiler.c(), "oom")
        check_out_of_memory(report, cgroup, OOM_LIMIT)


def test_case_10_out_of_memory_with_the_monitor_inside(compiler, tmp_path):
    """The allocating frames by name, though nothing can be read before the victim is gone."""
    for number in range(OOM_ROUNDS):
        with memory_cgroup(tmp_path, OOM_LIMIT_INSIDE) as cgroup:
            report = crash_inside(tmp_path / f"data-{number}", compiler.c(), "oom", wrapper=run_in(cgroup),
                                  env=without_fake_stack())
            check_out_of_memory(report, cgroup, OOM_LIMIT_INSIDE)


def test_case_11_a_kill_of_everything_is_told_at_the_next_start(compiler, data_dir):
    """Keeper, shipper and app are killed at once; the next start tells it, with the log's tail."""
    script = "echo the last line before the end >&2; echo up; exec sleep 1000"
    process = subprocess.Popen(crashers.command("sh", "-c", script), env=crashers.environment(data_dir),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    assert process.stdout.readline() == b"up\n"
    ring = next((data_dir / "monitor").glob("*/log"))
    harness.eventually(lambda: b"the last line before the end" in ring.read_bytes(), 10, "the ring has the line")
    family = [process.pid, *children_of(process.pid)]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    outcome = crashers.run(data_dir, "true")
    report = outcome.one()
    assert report.reason.startswith("vanished ended without a trace"), report.reason
    assert "the last line before the end" in report.log
    assert report.raw["Command"].startswith("sh -c ")
    assert not list((data_dir / "monitor").iterdir())


def children_of(pid):
    """All descendants of a process."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children_of(child)]
    return found


@pytest.mark.parametrize("how, message, line", [
    ("thread", "first line of the message\nsecond line of it", 41), ("main", "main has panicked", 48),
    ("expect", 'could not do it: "a reason\\nof two lines"', 51)])
def test_case_16_panics_of_rust(compiler, data_dir, how, message, line):
    report = crash(data_dir, compiler.rust(), how)
    assert report.word == "panic"
    assert report.outcome.status == (0 if how == "thread" else 101)
    assert "upload_file_minidump" not in report.dumps
    exception = report.json["exceptions"][-1]
    assert exception["value"] == message
    where = exception["frames"][0]
    assert where["file"].endswith("crasher.rs") or any(
        frame.get("file", "").endswith("crasher.rs") for frame in exception["frames"]), exception
    assert any(frame.get("line") == line for frame in exception["frames"]), exception


@pytest.mark.parametrize("panic, how, message", [("abort", "main", "main has panicked"),
                                                 ("unwind", "double", "panic in a destructor during cleanup")])
def test_case_16_panics_that_abort_are_one_report(compiler, data_dir, panic, how, message):
    report = crash(data_dir, compiler.rust(panic), how)
    assert report.reason == f"SIGABRT - {message}"
    assert report.raw["ExitStatus"] == "134"
    assert "upload_file_minidump" in report.dumps
    assert "crasher::main" in report.functions()
    assert report.json["exceptions"][-1]["value"] == message


def test_case_17_a_fault_in_rust_has_its_inlined_functions(compiler, data_dir):
    report = crash(data_dir, compiler.rust(), "segv")
    assert report.word == "SIGSEGV" and report.raw["CrashThreadName"] == "rust-worker"
    functions = report.functions()
    at = functions.index("crasher::deep::inlined_leaf")
    assert functions[at + 1] == "crasher::deep::outer_fn"
    frames = report.crashed["frames"]
    assert frames[at]["inlined"] and not frames[at + 1].get("inlined")


def test_case_17_a_stack_overflow_in_rust(compiler, data_dir):
    report = crash(data_dir, compiler.rust(), "overflow")
    assert report.word == "SIGABRT" and "has overflowed its stack" in report.reason
    assert report.functions().count("crasher::recurse") >= 50
    assert report.raw["CrashThreadName"] == "recursion"


def test_case_18_a_traceback_of_a_thread(data_dir):
    report = crash(data_dir, "python3", crashers.CRASHERS / "crasher.py")
    assert report.outcome.status == 0 and "goes on" in report.outcome.stdout
    assert report.reason == "exception - RuntimeError: the order has no amount"
    assert [one["type"] for one in report.json["exceptions"]] == ["ValueError", "RuntimeError"]
    assert report.json["exceptions"][1]["thread"] == "order-worker"


def test_a_traceback_whose_end_has_no_newline(data_dir):
    """The last thing that the program wrote."""
    text = "Traceback (most recent call last):\n  File \"a.py\", line 3, in run\nValueError: cut off here"
    report = crash(data_dir, "sh", "-c", 'printf %s "$0" >&2', text)
    assert report.outcome.status == 0
    assert report.reason == "exception - ValueError: cut off here"


def test_uncaught_errors_of_go_and_node(compiler, data_dir, tmp_path):
    report = crash(data_dir, compiler.go())
    assert report.outcome.status == 2
    assert report.reason == "panic - runtime error: invalid memory address or nil pointer dereference"
    assert report.json["exceptions"][0]["frames"][0]["function"].endswith("checkout")
    report = crash(tmp_path / "node", "node", crashers.CRASHERS / "crasher.js")
    assert report.reason.startswith("exception - TypeError: Cannot read properties of undefined")
    assert report.json["exceptions"][0]["frames"][0]["function"] == "checkout"


def test_an_exit_that_counts_is_one_report_with_its_panic(compiler, data_dir):
    report = crash(data_dir, compiler.rust(), "main", env={"CRASHCOLLECT_CRASH_EXITS": "on"})
    assert report.reason == "panic status 101 - main has panicked"
    assert report.raw["ExitStatus"] == "101"


def test_case_19_nothing_of_the_log_is_lost(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "lines", env={"CRASHCOLLECT_REPORT_LOG": "1MiB"})
    assert report.reason == "SIGKILL sender unknown"
    lines = [line for line in report.log.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number} of 500 password=*****" for number in range(500)]
    assert len(report.json["breadcrumbs"]) == 100
    assert all(thread["frames"] for thread in report.json["threads"])


def test_case_19_unflushed_output_is_recovered(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "unflushed")
    assert f"--- unflushed stdout, {len(UNFLUSHED)} bytes: ---\n{UNFLUSHED}\n" in report.log


@pytest.mark.parametrize("threads, most", [(102, 600_000), (2000, 2 << 20)])
def test_case_24_many_threads(compiler, data_dir, threads, most):
    report = crash(data_dir, compiler.c(), "segv", threads)
    assert len(report.dumps["upload_file_minidump"]) <= most
    report.check_calls("leaf_crash", "middle", "outer")
    if threads > 1000:
        assert "threads" in report.raw["CaptureNotes"]
    else:
        assert len(report.json["threads"]) == threads + 1


def test_secrets_of_the_command_line_and_patterns_of_the_user(data_dir, tmp_path):
    patterns = tmp_path / "patterns"
    patterns.write_text("# customers\ncustomer=([0-9]+)\n")
    script = 'echo "customer=4711 token=abcdefgh12345" >&2; kill -ABRT $$'
    report = crash(data_dir, "sh", "-c", script, "sh", "--api-key", "k-12345678", options=[f"--redact-patterns={patterns}"])
    assert "customer=***** token=*****" in report.log
    assert "k-12345678" not in report.raw["Command"] and "--api-key *****" in report.raw["Command"]
    assert "4711" not in report.json["breadcrumbs"][0]["message"]


def test_without_symbols_and_minidump(compiler, data_dir):
    report = crash(data_dir, compiler.c(), "segv", options=["--symbols=off", "--minidump=off"])
    assert "upload_file_minidump" not in report.dumps
    assert len(report.crashed["frames"]) >= 6 and not any(report.functions())
    assert all("address" in frame and "module" in frame for frame in report.crashed["frames"])


def test_case_27_the_network_is_down_for_the_whole_run(compiler, data_dir, daemon_factory):
    """The report stays in the run's spool and is sent by the next run: once."""
    port = harness.free_port()
    upstream = {"CRASHCOLLECT_STORAGE": "upstream", "CRASHCOLLECT_UPSTREAM_URL": f"http://127.0.0.1:{port}/submit",
                "CRASHCOLLECT_DRAIN_TIMEOUT": "100ms", "CRASHCOLLECT_RETRY_FIRST": "50ms"}
    outcome = crashers.run(data_dir, compiler.c(), "segv", env=upstream)
    assert outcome.status == -signal.SIGSEGV
    assert list((data_dir / "monitor").glob("*/spool/segments/*.seg"))
    daemon = daemon_factory(env={"CRASHCOLLECT_LISTEN": f"127.0.0.1:{port}"})
    crashers.run(data_dir, "true", env={**upstream, "CRASHCOLLECT_DRAIN_TIMEOUT": "30s"})
    crashes = harness.eventually(daemon.crashes, 20, "the crash has arrived")
    assert [one.raw_crash["CrashReason"] for one in crashes.values()] == ["SIGSEGV SEGV_MAPERR at 0x10"]
    assert not list((data_dir / "monitor").iterdir())


def test_a_crash_loop_is_reported_with_pauses_and_a_count(compiler, data_dir):
    """Of one kind: another crash of the same program is reported at once. No crash is neither reported nor counted."""
    limits = {"CRASHCOLLECT_CRASH_LOOP": "3", "CRASHCOLLECT_CRASH_LOOP_PAUSE": "4s", "CRASHCOLLECT_SYMBOLS": "off"}
    program, crashes, reports = compiler.c(), 8, []
    script = f"for i in $(seq {crashes}); do {program} segv main; done; {program} abort main; exit 0"
    assert crashers.run(data_dir, "bash", "-c", script, env=limits).status == 0

    def loop_of(outcome):
        found = [report.raw for report in outcome.reports if report.word == "SIGSEGV"]
        return sorted(found, key=lambda raw: raw["submitted_timestamp"])

    def is_over():
        nonlocal crashes, reports
        before = len(reports)
        outcome = crashers.run(data_dir, program, "segv", "main", env=limits)
        crashes, reports = crashes + 1, loop_of(outcome)
        assert [report.word for report in outcome.reports].count("SIGABRT") == 1
        return before and len(reports) > before and "CrashLoopSuppressed" in reports[-1]
    harness.eventually(is_over, 60, "the pause is over")
    assert all("CrashLoopSuppressed" not in raw for raw in reports[:3])
    left_out = sum(int(raw.get("CrashLoopSuppressed", 0)) for raw in reports)
    assert left_out > 0 and left_out + len(reports) == crashes, [raw.get("CrashLoopSuppressed") for raw in reports]
