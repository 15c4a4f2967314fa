# SPDX-License-Identifier: MIT
"""Other people's readers of minidumps, and what they see in one."""
import json
import pathlib
import re
import subprocess

import pytest

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


def check_walk(walked, expected):
    position = 0
    for name in expected:
        assert name in walked[position:], f"{name} is not in {walked[position:]} of {walked}"
        position = walked.index(name, position) + 1
