# SPDX-License-Identifier: MIT
"""The examples as a user builds them: from the installed package, by pkg-config and by find_package; then run."""
import json
import os
import re
import shutil
import subprocess

import pytest

from examples import EXAMPLES, ROOT, run_example
from harness import clean_environment

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def prefix(build_dir, tmp_path_factory):
    """The package, installed into a folder."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build_dir, "--prefix", folder)
    return folder


def pkg_config(prefix, *arguments):
    folders = [folder.parent for folder in prefix.rglob("libcrashcollect.pc")]
    assert len(folders) == 1
    return run("pkg-config", *arguments, "libcrashcollect", env={**os.environ, "PKG_CONFIG_PATH": str(folders[0])}).split()


def library_folder(prefix):
    return next(prefix.rglob("libcrashcollect.so")).parent


def needs(source):
    """Libraries that an example uses by itself."""
    return ["-lmicrohttpd"] if "microhttpd" in source.name else []


@pytest.fixture(scope="session")
def by_pkg_config(prefix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pkg-config")
    flags = pkg_config(prefix, "--cflags", "--libs")
    for source in EXAMPLES:
        run("gcc", "-std=c11", "-D_GNU_SOURCE", *WARNINGS, "-o", folder / source.stem, source, *flags, *needs(source),
            "-pthread")
    return folder


@pytest.fixture(scope="session")
def by_find_package(prefix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("find-package")
    lines = ["cmake_minimum_required(VERSION 3.25)", "project(user LANGUAGES C)", "set(CMAKE_C_STANDARD 11)",
             "find_package(Threads REQUIRED)", "find_package(crashcollect 0.1 REQUIRED COMPONENTS static)"]
    for source in EXAMPLES:
        lines += [f"add_executable({source.stem} {source})",
                  f"target_compile_definitions({source.stem} PRIVATE _GNU_SOURCE)",
                  f"target_link_libraries({source.stem} PRIVATE crashcollect::crashcollect Threads::Threads "
                  f"{' '.join(needs(source))})"]
    lines += [f"add_executable(static {ROOT / 'examples' / 'minimal.c'})",
              "set_target_properties(static PROPERTIES OUTPUT_NAME minimal RUNTIME_OUTPUT_DIRECTORY static-minimal)",
              "target_link_libraries(static PRIVATE crashcollect::static)"]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder / "build")
    return folder / "build"


def run_installed(program, folder, prefix):
    run_example(program, folder, {"LD_LIBRARY_PATH": library_folder(prefix)})


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: source.stem)
def test_by_pkg_config(source, by_pkg_config, prefix, tmp_path):
    run_installed(by_pkg_config / source.stem, tmp_path / "run", prefix)


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: source.stem)
def test_by_find_package(source, by_find_package, prefix, tmp_path):
    run_installed(by_find_package / source.stem, tmp_path / "run", prefix)


def run_static(program, folder):
    """Runs it without a way to the shared library."""
    assert "libcrashcollect" not in run("ldd", program)
    run_example(program, folder)


def test_static_by_pkg_config(prefix, tmp_path):
    """pkg-config --static names all that the archive needs."""
    archive = next(prefix.rglob("libcrashcollect.a"))
    flags = pkg_config(prefix, "--static", "--cflags", "--libs")
    flags = [str(archive) if flag == "-lcrashcollect" else flag for flag in flags]
    run("gcc", "-o", tmp_path / "minimal", ROOT / "examples" / "minimal.c", *flags)
    run_static(tmp_path / "minimal", tmp_path / "run")


def test_static_by_find_package(by_find_package, tmp_path):
    run_static(by_find_package / "static-minimal" / "minimal", tmp_path / "run")


@pytest.mark.parametrize("compiler", ["g++", "clang++-14"])
def test_cplusplus(compiler, prefix, tmp_path):
    """The headers from C++17: examples/raii.cpp, whose storage class keeps one file for each crash."""
    flags = pkg_config(prefix, "--cflags", "--libs")
    run(compiler, "-std=c++17", *WARNINGS, "-Wshadow", "-o", tmp_path / "raii", ROOT / "examples/raii.cpp", *flags)
    told = run(tmp_path / "raii", cwd=tmp_path, env=clean_environment({"LD_LIBRARY_PATH": library_folder(prefix)}))
    crash_id = re.fullmatch(r"CrashID=(\S+)\n", told).group(1)
    line, dump = (tmp_path / crash_id).read_bytes().split(b"\n", 1)
    assert json.loads(line)["uuid"] == crash_id and dump == b"MDMP and so on"


def test_what_is_installed(prefix):
    """The program, its manual page and unit file, the rules, all public headers."""
    files = {file.name for file in prefix.rglob("*") if file.is_file()}
    wanted = {"crashcollectd", "crashcollectd.8", "crashcollectd.service", "crashcollectd.socket", "mozilla.json",
              "crashcollect.h", "libcrashcollect.pc"} | {file.name for file in (ROOT / "include/crashcollect").glob("*.h")}
    assert wanted <= {name.removesuffix(".gz") for name in files}, wanted - files
    program = next(prefix.rglob("crashcollectd"))
    environment = clean_environment({"LD_LIBRARY_PATH": library_folder(prefix)})
    assert "0.1.0" in run(program, "--version", env=environment)
    if shutil.which("man"):
        page = run("man", "-l", "--warnings", next(prefix.rglob("crashcollectd.8*")), env={**os.environ, "MANPAGER": "cat"})
        assert "crashcollectd" in page
