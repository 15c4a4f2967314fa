# SPDX-License-Identifier: MIT
"""Programs that crash, built from crashers/, and what crashcollect-run reports of them."""
import json
import os
import pathlib
import re
import subprocess

import harness

CRASHERS = pathlib.Path(__file__).parent / "crashers"
RUN_SECONDS = 120
# of ours; that Go's and Rust's own words say "runtime error" is none of them
SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread)Sanitizer|\.[ch]:\d+:\d+: runtime error:")
SECRET = "MY_SECRET_7f3a9c=correct-horse-battery-staple-4711"


class Compiler:
    """Builds each program once for a session."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def _build(self, name, command, source=None, env=None):
        target = self.folder / name
        if not target.exists():
            sources = [source] if source else []  # go wants it behind the options
            result = subprocess.run([*command, "-o", str(target), *sources], capture_output=True, text=True, cwd=CRASHERS,
                                    env={**os.environ, **(env or {})})
            assert result.returncode == 0, f"{' '.join(command)}:\n{result.stderr}"
        return target

    def c(self, *flags):
        name = "crasher" + "".join(flag.replace("/", "_") for flag in flags)
        return self._build(name, ["gcc", "-g", "-O1", "-fno-builtin", "-fno-optimize-sibling-calls",
                                  "-fstack-protector-all", "-Wno-all", "-pthread", *flags, "crasher.c"])

    def cpp(self):
        return self._build("crasher_cpp", ["g++", "-g", "-O1", "crasher.cpp"])

    def rust(self, panic="unwind", *flags):
        name = f"crasher_rs_{panic}" + "".join(flag.replace("/", "_") for flag in flags)
        return self._build(name, ["rustc", "--edition", "2021", "-g", "-C", "opt-level=1", "-C", f"panic={panic}", *flags,
                                  "crasher.rs"])

    def go(self):
        return self._build("crasher_go", ["go", "build"], source="crasher.go", env={"GO111MODULE": "off"})

    def server(self):
        """The Rust server with its part in C."""
        archive = self.folder / "libcpart.a"
        if not archive.exists():
            part = self.folder / "c_part.o"
            subprocess.run(["gcc", "-g", "-O1", "-c", "c_part.c", "-o", str(part)], cwd=CRASHERS, check=True)
            subprocess.run(["ar", "rcs", str(archive), str(part)], check=True)
        return self._build("rust_server", ["rustc", "--edition", "2021", "-g", "-C", "opt-level=1", "-L",
                                           str(self.folder), "-l", "static=cpart", "rust_server.rs"])


class Report:
    """One report of the tree."""

    def __init__(self, crash):
        self.crash = crash
        self.raw = crash.raw_crash
        self.dumps = crash.dumps
        self.json = json.loads(crash.dumps["stacktrace_json"])
        self.text = crash.dumps["stacktrace"].decode("utf-8", "replace")
        self.log = crash.dumps.get("log", b"").decode("utf-8", "replace")

    @property
    def reason(self):
        return self.raw["CrashReason"]

    @property
    def word(self):
        return self.reason.split()[0]

    @property
    def crashed(self):
        """The crashed thread of the JSON."""
        found = [thread for thread in self.json["threads"] if thread.get("crashed")]
        assert len(found) == 1, self.json["threads"]
        return found[0]

    def functions(self, thread=None):
        """Names of a thread's functions, innermost first."""
        return [frame.get("function", "") for frame in (thread or self.crashed)["frames"]]

    def check_calls(self, *names):
        """The crashed thread's functions hold these in this order, without a gap."""
        functions = [name.split("::")[-1] for name in self.functions()]
        for start in range(len(functions)):
            if functions[start:start + len(names)] == list(names):
                return
        raise AssertionError(f"{names} not in {self.functions()}\n{self.text}")


class Outcome:
    """What came of one run of crashcollect-run."""

    def __init__(self, data_dir, result):
        self.data_dir = pathlib.Path(data_dir)
        self.status = result.returncode
        self.stdout = result.stdout
        self.stderr = result.stderr
        assert not SANITIZER.search(self.stderr), self.stderr

    @property
    def reports(self):
        crashes = harness.read_tree(self.data_dir / "crashes").values()
        for crash in crashes:
            crash.check_whole()
        return [Report(crash) for crash in crashes]

    def one(self):
        reports = self.reports
        assert len(reports) == 1, f"{[r.reason for r in reports]}\n{self.stderr}"
        return reports[0]


def command(*arguments, options=()):
    binary = os.environ.get("CCOL_WATCHER")
    assert binary, "set CCOL_WATCHER to the crashcollect-run to test"
    return [os.path.abspath(binary), *map(str, options), "--", *map(str, arguments)]


def environment(data_dir, more=None):
    name, value = SECRET.split("=")
    settings = {"CRASHCOLLECT_DATA_DIR": data_dir, "CRASHCOLLECT_LOG_FORMAT": "text", name: value, **(more or {})}
    return harness.clean_environment({key: value for key, value in settings.items() if value is not None})


def run(data_dir, *arguments, options=(), env=None, wrapper=()):
    """Runs a program under crashcollect-run to its end."""
    result = subprocess.run([*wrapper, *command(*arguments, options=options)], env=environment(data_dir, env),
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                            timeout=RUN_SECONDS, cwd=data_dir.parent)
    return Outcome(data_dir, result)


def check_secret(data_dir):
    """The environment's secret is in no file that was written."""
    secret = SECRET.split("=")[1].encode()
    names = []
    for file in pathlib.Path(data_dir).rglob("*"):
        if file.is_file():
            names.append(file)
            assert secret not in file.read_bytes(), f"{file} holds a secret of the environment"
    assert names, "there is no file to look at"
