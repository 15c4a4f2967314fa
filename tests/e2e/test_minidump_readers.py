# SPDX-License-Identifier: MIT
"""Case 25: other people's readers of minidumps take every dump of ours and see the same crash in it."""
import json
import os
import pathlib
import re
import subprocess

import pytest

import crashers

SCRIPT = pathlib.Path(__file__).parent.parent / "services" / "readers.sh"
PYPI_LISTS = """
import sys
from minidump.minidumpfile import MinidumpFile
dump = MinidumpFile.parse(sys.argv[1])
print(len(dump.threads.threads), len(dump.modules.modules), len(dump.memory_segments.memory_segments))
print(dump.modules.modules[0].name)
"""
# what Breakpad's says of threads of which only the registers had room, and where the part of a stack ends that a dump has
NO_MORE_STACK = re.compile("has a memory region problem, 0x0|No memory region for|caller frame without memory or stack|"
                           "Could not dereference memory")


@pytest.fixture(scope="session")
def readers():
    """Paths of the three, installed where they are missing."""
    result = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return dict(re.findall(r"^export (\w+)=(.*)$", result.stdout, re.M))


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    return crashers.Compiler(tmp_path_factory.mktemp("crashers"))


def breakpad(readers, path, symbols=None):
    result = subprocess.run([readers["READER_BREAKPAD"], "-m", path, *([symbols] if symbols else [])],
                            capture_output=True, text=True, errors="replace")
    assert result.returncode == 0, result.stderr
    errors = [line for line in result.stderr.splitlines() if "ERROR" in line and not NO_MORE_STACK.search(line)]
    assert not errors, errors
    return [line.split("|") for line in result.stdout.splitlines()]


def rust(readers, path, symbols=None):
    result = subprocess.run([readers["READER_RUST"], "--json", *(["--symbols-path", symbols] if symbols else []), path],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def pypi(readers, path):
    result = subprocess.run([readers["READER_PYPI"], "-c", PYPI_LISTS, path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    counts, name = result.stdout.splitlines()
    return [int(word) for word in counts.split()], name


def streams(dump):
    """Stream types of a dump, by our own eyes."""
    count, place = int.from_bytes(dump[8:12], "little"), int.from_bytes(dump[12:16], "little")
    return [int.from_bytes(dump[place + 12 * i:place + 12 * i + 4], "little") for i in range(count)]


def dump_symbols(readers, program, folder):
    """The program's symbols, for readers that want them in their own form."""
    tool = pathlib.Path(readers["READER_BREAKPAD"]).with_name("dump_syms")
    result = subprocess.run([tool, program], capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout.startswith("MODULE "), result.stderr
    _, _, _, debug_id, name = result.stdout.splitlines()[0].split(" ", 4)
    target = folder / name / debug_id / f"{name}.sym"
    target.parent.mkdir(parents=True)
    target.write_text(result.stdout)
    return folder


# how it dies; functions that the readers must find in the crashed thread, innermost first
DEATHS = [("segv", ["leaf_crash", "middle", "outer", "die", "main"]),
          ("overflow", ["overflow", "overflow", "overflow"]),
          ("abort", ["die", "main"]),
          ("jump", ["jump_to_null", "die", "main"]),
          ("free-twice", ["die", "main"]),
          ("noncanonical", ["leaf_crash", "middle", "outer", "die", "main"])]


@pytest.mark.parametrize("how, expected", DEATHS, ids=[how for how, _ in DEATHS])
def test_every_dump_is_read_by_all_three(readers, compiler, tmp_path, how, expected):
    """The main thread crashes, so that its walk ends in main. libc's symbols are for the frames in between."""
    program = compiler.c()
    outcome = crashers.run(tmp_path / "data", program, how, "main")
    report = outcome.one()
    crashers.check_secret(tmp_path / "data")
    dump = report.dumps["upload_file_minidump"]
    assert 0x47670007 not in streams(dump), "the environment"
    path = tmp_path / "crash.dmp"
    path.write_bytes(dump)
    symbols = dump_symbols(readers, program, tmp_path / "symbols")
    for library in ("libc.so.6",):
        module = next(m["path"] for m in report.json["modules"] if m["path"].endswith(library))
        dump_symbols(readers, module, symbols)

    rows = breakpad(readers, path, symbols)
    crash = next(row for row in rows if row[0] == "Crash")
    assert crash[1].split(" ")[0] == report.word, crash
    walked = [row[3].split("(")[0] for row in rows if row[0] == crash[3]]
    check_walk(walked, expected)

    seen = rust(readers, path, symbols)
    assert seen["crash_info"]["type"].split(" ")[0] == report.word
    thread = seen["threads"][seen["crash_info"]["crashing_thread"]]
    assert thread["thread_name"] == "crasher" == report.raw["CrashThreadName"]
    walked = [(frame["function"] or "").split("(")[0] for frame in thread["frames"]]
    check_walk(walked, expected)
    assert seen["pid"] == int(report.raw["ProcessId"])
    assert seen["system_info"]["os"] == "Linux" and not seen["system_info"]["os_ver"].startswith("0.0.0")
    ids = {module["code_id"] for module in seen["modules"]}
    assert ids == {module["build_id"] for module in report.json["modules"]}
    assert seen["lsb_release"]["description"] == report.json["system"]["os_pretty"]

    counts, name = pypi(readers, path)
    assert counts[:2] == [len(report.json["threads"]), len(report.json["modules"])] and counts[2] >= 1
    assert name == str(program)


def check_walk(walked, expected):
    position = 0
    for name in expected:
        assert name in walked[position:], f"{name} is not in {walked[position:]} of {walked}"
        position = walked.index(name, position) + 1


def test_names_of_all_threads(readers, compiler, tmp_path):
    report = crashers.run(tmp_path / "data", compiler.c(), "segv").one()
    path = tmp_path / "crash.dmp"
    path.write_bytes(report.dumps["upload_file_minidump"])
    seen = rust(readers, path)
    assert {thread["thread_name"] for thread in seen["threads"]} == {"crasher", *(f"worker-{i}" for i in range(6))}
    assert seen["threads"][seen["crash_info"]["crashing_thread"]]["thread_name"] == "worker-3"
    assert len(breakpad(readers, path)) > 7


@pytest.mark.parametrize("threads", [102, 2000])
def test_dumps_of_many_threads(readers, compiler, tmp_path, threads):
    report = crashers.run(tmp_path / "data", compiler.c(), "segv", threads).one()
    path = tmp_path / "crash.dmp"
    path.write_bytes(report.dumps["upload_file_minidump"])
    seen = rust(readers, path)
    assert len(seen["threads"]) == (103 if threads == 102 else 512)
    assert seen["threads"][seen["crash_info"]["crashing_thread"]]["thread_name"] == "worker-3"
    if threads > 1000:
        assert any("threads" in error for error in seen["soft_errors"]), seen["soft_errors"]
    breakpad(readers, path)
    assert pypi(readers, path)[0][0] == len(seen["threads"])


def test_dumps_that_were_made_up_are_read_too(readers, build_dir, tmp_path):
    """Of aarch64 and of crowds, from the unit test. The third reader does not know that processor."""
    subprocess.run([os.path.join(build_dir, "tests", "test_minidump"), tmp_path], check=True, cwd=tmp_path,
                   capture_output=True)
    dumps = sorted(tmp_path.glob("*.dmp"))
    assert [path.stem for path in dumps] == ["aarch64", "hundred", "real", "seven", "two_thousand"]
    for path in dumps:
        seen = rust(readers, path)
        rows = breakpad(readers, path)
        assert seen["crash_info"]["crashing_thread"] == 0 and any(row[0] == "Crash" for row in rows)
        if path.stem != "aarch64":
            pypi(readers, path)
            continue
        assert seen["system_info"]["cpu_arch"] == "arm64"
        frames = seen["threads"][0]["frames"]
        assert frames[0]["module_offset"] == "0x0000000000000010" and frames[1]["trust"] == "frame_pointer"
        assert ["CPU", "arm64"] == rows[1][:2]
