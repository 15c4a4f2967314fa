# SPDX-License-Identifier: MIT
"""Case 25: other people's readers of minidumps take every dump of ours and see the same crash in it."""
import os
import subprocess

import pytest

import crashers
from readers import breakpad, check_walk, dump_symbols, pypi, readers, rust, streams  # noqa: F401


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    return crashers.Compiler(tmp_path_factory.mktemp("crashers"))


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
