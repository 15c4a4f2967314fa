#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Virtual environments with pinned packages, made once for each user and kept in their cache folder.

python_venv.py INTERPRETER REQUIREMENTS prints the environment's Python."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys


def cache_folder():
    chosen = os.environ.get("CCOL_SERVICES_CACHE")
    if chosen:
        return pathlib.Path(chosen)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ccol-services"


def environment(interpreter, requirements):
    """The Python of an environment of that interpreter with what the requirements file pins."""
    version = subprocess.run([interpreter, "-VV"], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256(f"{interpreter}\n{version}\n{pathlib.Path(requirements).read_text()}".encode()).hexdigest()[:16]
    folder = cache_folder() / f"python-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            plain = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
            for command in ([interpreter, "-m", "venv", folder],
                            [python, "-m", "pip", "install", "-q", "-r", requirements]):
                done = subprocess.run(command, env=plain, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"python_venv: {command}: {done.stdout}{done.stderr}")
            (folder / ".complete").touch()
    return python


if __name__ == "__main__":
    print(environment(*sys.argv[1:]))
