#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""versions.py LIBRARY JUNIT: the package as users install it, on the oldest and the newest Python of this machine.

Each gets PyPI's pytest and mypy in a virtual environment, `pip install ./bindings/python`, all tests against what was
installed, and a typed program that mypy --strict takes. The newest one also gets a wheel that brings the library along.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent / "tests"))
from python_venv import environment

OLDEST = (3, 9)
TYPED = '''
import crashcollect

class Mine(crashcollect.Storage):
    def save(self, report: crashcollect.Report) -> None:
        print(report.id.upper(), report.files["dump"].hex(), report.annotations.get("Name"))

def decide(report: crashcollect.Report) -> crashcollect.Verdict:
    return crashcollect.Verdict.DEFER if report.annotation("Name") else crashcollect.Verdict.CONTINUE

with crashcollect.Collector(Mine(), "spool", throttle=crashcollect.Throttle.callback("names", decide)) as collector:
    receipt: crashcollect.Receipt = collector.submit(crashcollect.Report({"Name": "x"}, {"dump": b"1"}))
    text: str = receipt.crash_id
'''
WRONG = 'import crashcollect\ncrashcollect.Collector("not a storage").submit(7)\n'


def run(*command, status=0, **more):
    more.setdefault("cwd", HERE)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **more)
    if done.returncode != status:
        sys.exit(f"{command}: {done.returncode}\n{done.stdout[-8000:]}{done.stderr[-8000:]}")
    return done.stdout


def interpreters():
    """By version, the system's among them."""
    found = {}
    for path in ["/usr/bin/python3", *pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python3"),
                 *(shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30))]:
        if path and os.path.exists(path) and ".pyenv/shims" not in str(path):
            version = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
            if version.returncode == 0 and tuple(map(int, version.stdout.split())) >= OLDEST:
                found.setdefault(tuple(map(int, version.stdout.split())), os.path.realpath(path))
    return [(version, found[version]) for version in sorted(found)]


def install(python, target, folder, **variables):
    """pip install ./bindings/python, from a copy, as pip leaves its work in the source folder."""
    source = folder / f"source-{target.name}"
    shutil.copytree(HERE.parent, source, ignore=shutil.ignore_patterns("tests", "__pycache__", "build"))
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--target", target, source, cwd=folder,
        env={**os.environ, **variables})


def check(version, interpreter, library, junit, folder):
    python = environment(interpreter, HERE / "requirements.txt")
    installed = folder / "installed"
    install(python, installed, folder)
    variables = {**os.environ, "CRASHCOLLECT_LIBRARY": library, "PYTHONPATH": str(installed), "CCOL_INSTALLED_PACKAGE": "1"}
    name = ".".join(map(str, version))
    print(f"{name}:", run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}.{name}.xml",
                          env=variables).strip().splitlines()[-1])
    for text, status in ((TYPED, 0), (WRONG, 1)):
        (folder / "program.py").write_text(text)
        run(python, "-m", "mypy", "--strict", "--cache-dir", folder / "mypy", folder / "program.py", status=status,
            cwd=folder, env=variables)
    return python


def check_bundle(python, library, folder):
    install(python, folder / "bundled", folder, CRASHCOLLECT_BUNDLE=library)
    program = "import crashcollect, sys; print(crashcollect.library_version, crashcollect._lib._name)"
    plain = {name: value for name, value in os.environ.items() if name != "CRASHCOLLECT_LIBRARY"}
    told = run(python, "-c", program, cwd=folder, env={**plain, "PYTHONPATH": str(folder / "bundled")})
    assert told.split()[1] == str(folder / "bundled/crashcollect/libcrashcollect.so.0"), told
    tag = next((folder / "bundled").glob("crashcollect-*.dist-info/WHEEL")).read_text()
    assert "Tag: py3-none-linux" in tag, tag


def main(library, junit):
    found = interpreters()
    for version, interpreter in dict([found[0], found[-1]]).items():
        with tempfile.TemporaryDirectory() as folder:
            python = check(version, interpreter, library, junit, pathlib.Path(folder))
            if version == found[-1][0]:
                check_bundle(python, library, pathlib.Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
