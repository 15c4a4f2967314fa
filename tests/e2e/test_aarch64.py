# SPDX-License-Identifier: MIT
"""aarch64, emulated: unit tests of what knows of registers and stacks, and a program that crashes there. Its handler, its
keeper and all that the keeper hands over are of aarch64; the report is made of it here, and read by others' readers.
The emulator does not emulate ptrace: see tests/aarch64/kernel.h for what stands in."""
import os
import pathlib
import shutil
import subprocess

import pytest
from harness import clean_environment
from monitor import BUILD, alone_command, need
from snapshot import HANDED_OVER, PRELOAD, STDERR, STDOUT, WAIT, WAITED, folders

import crashers
from readers import breakpad, check_walk, dump_symbols, pypi, readers, rust  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent
LIBC = "/usr/aarch64-linux-gnu"
EMULATOR = ["qemu-aarch64", "-L", LIBC]
TESTS = ["minidump", "snapshot", "unwind", "ring", "notes", "death", "redact"]
WALK = ["leaf_crash", "middle", "outer", "main"]
NAMES = ["captured", "worker-1", "worker-2", "worker-3"]
ELF_AARCH64 = 183
SECTION_CAPTURE = 18
STREAM_SYSTEM, X86_64, AARCH64 = 7, 9, 12  # of minidumps


@pytest.fixture(scope="session")
def programs():
    """What tests/aarch64 builds."""
    need("qemu-aarch64", "aarch64-linux-gnu-gcc")
    folder = BUILD.resolve() / "aarch64"
    done = subprocess.run([HERE.parent / "aarch64/build.sh", folder, *TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session", params=["captured", "captured_signed"])
def program(request, programs):
    """The same as compilers make it by default and with signed return addresses (pointer authentication)."""
    return programs / request.param


@pytest.fixture(scope="session")
def handed_over(program, tmp_path_factory):
    """The data folder of the program that crashed, and its only snapshot. (The emulator's /proc/self/stat does not say
    where the environment lies: it gets none.)"""
    data = tmp_path_factory.mktemp("aarch64") / "data"
    done = subprocess.run([*EMULATOR, program, data], capture_output=True, env={"PATH": os.environ["PATH"]},
                          timeout=60, cwd=data.parent, check=False)
    assert done.returncode == 128 + 11, done.stderr
    snapshot, = folders(data)[0].snapshots
    return data, snapshot


@pytest.fixture(scope="session")
def report(handed_over, tmp_path_factory):
    """What crashcollect-run makes of it: it adopts what a keeper left."""
    data, _ = handed_over
    done = subprocess.run([os.environ["CCOL_WATCHER"], "--data-dir", data, "--", "true"], capture_output=True, timeout=60,
                          env=clean_environment(), cwd=data.parent, check=False)
    assert done.returncode == 0, done.stderr
    return crashers.Outcome(data, subprocess.CompletedProcess([], 0, "", done.stderr.decode())).one()


@pytest.fixture(scope="session")
def dump(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("dump") / "aarch64.dmp"
    path.write_bytes(report.dumps["upload_file_minidump"])
    return path


@pytest.fixture(scope="session")
def symbols(readers, program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("symbols")
    for module in (program, pathlib.Path(LIBC, "lib/libc.so.6")):
        dump_symbols(readers, module, folder)
    return folder


@pytest.mark.parametrize("name", TESTS)
def test_unit_tests(programs, tmp_path, name):
    done = subprocess.run([*EMULATOR, programs / f"test_{name}"], capture_output=True, text=True, timeout=120, cwd=tmp_path,
                          env=clean_environment(), check=False)
    assert done.returncode == 0 and " checks, 0 failed" in done.stdout + done.stderr, done.stdout + done.stderr


def keep(programs, data, *program, **options):
    """A keeper of aarch64 over a program of any kind; it starts others by the emulator. It cannot trace."""
    command = alone_command(data, *program, **options)
    return subprocess.run([*EMULATOR, programs / "keeper_alone", *command[1:]], capture_output=True, timeout=60,
                          env=clean_environment(), cwd=data.parent, check=False)


def test_a_keeper_passes_output_and_status_on(programs, tmp_path):
    done = keep(programs, tmp_path / "data", "sh", "-c", "echo out; echo err >&2; exit 3", mode=WAIT)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    folder, = folders(tmp_path / "data")
    assert (folder.log(STDOUT), folder.log(STDERR)) == (b"out\n", b"err\n") and not folder.snapshots
    assert folder.state["phase"] == 3 and folder.state["wait_status"] == 3 << 8


def test_a_keeper_sees_a_kill(programs, tmp_path):
    done = keep(programs, tmp_path / "data", "sh", "-c", "kill -9 $$", mode=WAIT)
    assert done.returncode == 128 + 9
    snapshot, = folders(tmp_path / "data")[0].snapshots
    assert snapshot.event == WAITED and snapshot.signal == 9 and snapshot.machine == ELF_AARCH64


def test_mode_preload(programs, tmp_path):
    """The handler and the keeper in processes of their own. Without ptrace the keeper has what the handler says."""
    done = keep(programs, tmp_path / "data", shutil.which(EMULATOR[0]), *EMULATOR[1:], programs / "victim", "segv", mode=PRELOAD,
                preload=programs / "libcrashcollect-preload.so")
    assert done.returncode == 128 + 11, done.stderr
    snapshot, = folders(tmp_path / "data")[0].snapshots
    assert snapshot.event == HANDED_OVER and snapshot.signal == 11 and snapshot.siginfo_address == 0x10
    words = snapshot.one(SECTION_CAPTURE)
    assert b"worker-3\0" in words  # the name of the thread that crashed
    assert int.from_bytes(words[8:12], "little") == len(words)


def test_the_snapshot(handed_over, program):
    _, snapshot = handed_over
    own = next(module for module in snapshot.modules if module["path"] == str(program))
    signed = [word for word in snapshot.crashed.words() if word >> 48 and own["start"] <= word & (1 << 48) - 1 < own["end"]]
    assert bool(signed) == program.name.endswith("_signed")
    assert snapshot.machine == ELF_AARCH64 and snapshot.siginfo_address == 0x10 and not snapshot.errors
    assert snapshot.crashed.name == "captured" and sorted(thread.name for thread in snapshot.threads) == NAMES
    for thread in snapshot.threads:
        low, high = thread.stack
        assert low <= thread.sp < high and thread.words()
    assert snapshot.unflushed(1) == b"words that stay in the buffer"
    assert sum(kind == 5 and len(data) == 528 for kind, _, _, data, _ in snapshot.sections) == len(NAMES)


def test_the_report(report, program):
    assert report.reason == "SIGSEGV SEGV_MAPERR at 0x10" and report.raw["CrashThreadName"] == "captured"
    assert report.raw["Processor"] == "aarch64"  # its annotation
    assert report.json["system"]["arch"] == "aarch64"
    check_walk(report.functions(), WALK)
    named = [frame for frame in report.crashed["frames"] if frame.get("function") in ("leaf_crash", "inlined", "main")]
    assert [(frame["function"], frame["file"].split("/")[-1]) for frame in named] == [
        ("leaf_crash", "captured.c"), ("inlined", "captured.c"), ("main", "captured.c")]
    assert named[0]["trust"] == "context" and named[1]["inlined"] and named[2]["trust"] == "cfi"
    registers = report.crashed["registers"]
    assert set(registers) == {*(f"x{i}" for i in range(31)), "sp", "pc", "pstate"}
    for thread in report.json["threads"][1:]:
        check_walk(report.functions(thread), ["wait_for_ever", "work"])
    modules = {pathlib.Path(module["path"]).name: module["build_id"] for module in report.json["modules"]}
    assert set(modules) == {program.name, "libc.so.6", "ld-linux-aarch64.so.1"}
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    assert f"Build ID: {modules[program.name]}" in notes
    assert "--- unflushed stdout, 29 bytes: ---\nwords that stay in the buffer\n" in report.log


def test_breakpad_reads_the_dump(readers, dump, symbols, report):
    rows = breakpad(readers, dump, symbols)
    assert ["CPU", "arm64"] in [row[:2] for row in rows]
    crash = next(row for row in rows if row[0] == "Crash")
    assert crash[1].split(" ")[0] == "SIGSEGV" and crash[2] == "0x10"
    check_walk([row[3].split("(")[0] for row in rows if row[0] == crash[3]], WALK)
    assert len([row for row in rows if row[0] == "Module"]) == len(report.json["modules"])


def test_rust_minidump_reads_the_dump(readers, dump, symbols, report):
    seen = rust(readers, dump, symbols)
    assert seen["system_info"]["cpu_arch"] == "arm64" and seen["crash_info"]["address"] == "0x0000000000000010"
    assert sorted(thread["thread_name"] for thread in seen["threads"]) == NAMES
    crashed = seen["threads"][seen["crash_info"]["crashing_thread"]]
    assert crashed["thread_name"] == "captured"
    check_walk([(frame["function"] or "").split("(")[0] for frame in crashed["frames"]], WALK)
    assert [frame["trust"] for frame in crashed["frames"][:3]] == ["context", "cfi", "cfi"]
    assert {module["code_id"] for module in seen["modules"]} == {module["build_id"] for module in report.json["modules"]}


def test_the_third_reader_reads_the_dump(readers, dump, report, program, tmp_path):
    """It does not know this processor, so it is told of another: all but the registers is the same for both."""
    data = bytearray(dump.read_bytes())
    count, place = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
    entries = {int.from_bytes(data[at:at + 4], "little"): at for at in range(place, place + 12 * count, 12)}
    system = int.from_bytes(data[entries[STREAM_SYSTEM] + 8:entries[STREAM_SYSTEM] + 12], "little")
    assert int.from_bytes(data[system:system + 2], "little") == AARCH64
    data[system:system + 2] = X86_64.to_bytes(2, "little")
    other = tmp_path / "other.dmp"
    other.write_bytes(data)
    counts, name = pypi(readers, other)
    assert counts[:2] == [len(NAMES), len(report.json["modules"])] and counts[2] >= len(NAMES)
    assert name == str(program)
