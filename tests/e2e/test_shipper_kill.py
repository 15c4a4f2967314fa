# SPDX-License-Identifier: MIT
"""kill -9 of shipper and keeper at random moments while programs crash: every crash of a process whose keeper lived is
reported, and once; the program's own end is what it was; a killed keeper's run is told as one without a trace."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import crashers
import harness
from monitor import shipper_of

ROUNDS = int(os.environ.get("CCOL_MONITOR_KILL_ROUNDS", "40"))
SEED = int(os.environ.get("CCOL_KILL_SEED", "4711"))
CHILDREN = 3  # crashes of one run
KILLS = 6
LINES, BLOCK = 20000, 3000  # a block is longer than a pipe holds when its shipper is killed in the middle of it
WRITER = f"""import os, signal, sys
for number in range({LINES}):
    if number % {BLOCK} == 0: sys.stdin.readline()
    print("line", number, "." * 40)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGABRT)
"""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, TypeError):
        pass


def start(data_dir, program, marker):
    """A run whose app's children crash one after the other; it says so on its stdout when it is through."""
    script = f"for i in $(seq {CHILDREN}); do {program} segv main; echo $? ; done; echo through; exit 7"
    return subprocess.Popen(
        crashers.command("bash", "-c", script, marker), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=crashers.environment(data_dir, {"CRASHCOLLECT_CRASH_LOOP": "0",
            "CRASHCOLLECT_SYMBOLS": "off", "CRASHCOLLECT_PRODUCT": marker, "CRASHCOLLECT_LINGER": "30s"}))


def test_kills_at_random(tmp_path):
    data_dir = tmp_path / "data"
    program = crashers.Compiler(tmp_path).c()
    chance = random.Random(SEED)
    lived, killed = [], []
    for number in range(ROUNDS):
        marker = f"run-{number}"
        process = start(data_dir, program, marker)
        victim = chance.choice(["shipper", "shipper", "shipper", "keeper"])
        end = time.monotonic() + chance.uniform(0, 0.2 if victim == "keeper" else 0.6)
        if victim == "keeper":
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.01)
            if process.poll() is None:
                process.kill()
        else:
            while time.monotonic() < end and process.poll() is None:
                kill(shipper_of(process.pid))
                time.sleep(chance.uniform(0, 0.1))
        out, _ = process.communicate(timeout=120)
        if process.returncode == -signal.SIGKILL:
            killed.append((marker, out.decode().split()))
        else:
            lived.append(marker)
            assert process.returncode == 7, (marker, victim, process.returncode, out)
            assert out.decode().splitlines() == ["139"] * CHILDREN + ["through"]

    def all_adopted():
        crashers.run(data_dir, "true", env={"CRASHCOLLECT_DRAIN_TIMEOUT": "30s"})
        return not [entry for entry in (data_dir / "monitor").iterdir() if entry.name != "failed"]
    harness.eventually(all_adopted, 60, "everything was adopted")

    reasons = {}
    for crash in harness.read_tree(data_dir / "crashes").values():
        crash.check_whole()
        raw = crash.raw_crash
        reasons.setdefault(raw.get("ProductName"), []).append(raw["CrashReason"].split()[0])
    assert None not in reasons, reasons
    for marker in lived:
        assert reasons.get(marker) == ["SIGSEGV"] * CHILDREN, (marker, reasons.get(marker))
    for marker, out in killed:
        found = reasons.get(marker, [])
        assert found.count("vanished") <= 1 and found.count("SIGSEGV") <= CHILDREN, (marker, out, found)
        if "through" in out:  # or so it seems: the app may have had an end that the keeper has seen
            assert found.count("SIGSEGV") == CHILDREN, (marker, out, found)
        elif out:  # of a run that was killed before its app ran there may be nothing to tell
            assert found.count("vanished") == 1, (marker, out, found)
    assert not (data_dir / "monitor" / "failed").exists(), list((data_dir / "monitor" / "failed").iterdir())
    print(f"{len(lived)} runs lived, {len(killed)} keepers were killed, {sum(map(len, reasons.values()))} reports")


def test_a_shipper_killed_when_the_app_has_ended(tmp_path):
    """What only the log tells (a panic that nobody died of) is not lost with the shipper that was to read it."""
    data_dir = tmp_path / "data"
    script = """echo $$; read -r go
        echo "thread 'worker' panicked at src/main.rs:3:5:" >&2; echo "the last word" >&2"""
    process = subprocess.Popen(
        crashers.command("bash", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=crashers.environment(data_dir, {"CRASHCOLLECT_LINGER": "30s"}))
    app = int(process.stdout.readline())
    harness.eventually(lambda: shipper_of(process.pid), 30, "the shipper was started")
    shipper = shipper_of(process.pid)
    os.kill(shipper, signal.SIGSTOP)
    process.stdin.write(b"go\n")
    process.stdin.flush()
    harness.eventually(lambda: not os.path.exists(f"/proc/{app}"), 30, "the app ended")
    kill(shipper)
    process.communicate(timeout=60)
    assert process.returncode == 0
    crashes = list(harness.read_tree(data_dir / "crashes").values())
    assert [crash.raw_crash["CrashReason"].split()[0] for crash in crashes] == ["panic"]
    assert "the last word" in crashes[0].raw_crash["CrashReason"]


def start_writer(data_dir, log_file):
    return subprocess.Popen(
        crashers.command(sys.executable, "-c", WRITER), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=crashers.environment(data_dir, {
            "CRASHCOLLECT_LOG_FILE": log_file, "CRASHCOLLECT_REPORT_LOG": "2MiB", "CRASHCOLLECT_LOG_RING": "4MiB",
            "CRASHCOLLECT_LINGER": "30s", "PYTHONUNBUFFERED": "1"}))


def next_shipper(process, last):
    harness.eventually(lambda: shipper_of(process.pid) not in (None, last), 30, "a shipper was started")
    return shipper_of(process.pid)


def test_case_21_a_shipper_killed_six_times(tmp_path):
    """Each time while the app writes: its reader gets every line once and in order, and so do log file and report."""
    data_dir, log_file = tmp_path / "data", tmp_path / "app.log"
    process = start_writer(data_dir, log_file)
    expected = [f"line {number} {'.' * 40}" for number in range(LINES)]
    shipper, out = None, []
    for block in range(LINES // BLOCK + 1):
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        end = min(LINES, len(out) + BLOCK)
        if block < KILLS:
            shipper = next_shipper(process, shipper)
            out += [process.stdout.readline() for _ in range(BLOCK // 3)]
            kill(shipper)
        out += [process.stdout.readline() for _ in range(end - len(out))]
    next_shipper(process, shipper)
    rest, errors = process.communicate(b"end\n", timeout=120)
    assert process.returncode == -signal.SIGABRT and rest == b"", errors.decode()
    assert [line.decode().rstrip("\n") for line in out] == expected
    # what a killed shipper had not remembered as written comes twice in the file
    assert list(dict.fromkeys(log_file.read_text().splitlines())) == expected
    crash, = harness.read_tree(data_dir / "crashes").values()
    assert crash.raw_crash["CrashReason"].startswith("SIGABRT")
    assert [line for line in crash.dumps["log"].decode().splitlines() if line.startswith("line ")] == expected


def test_case_21_a_killed_keeper_leaves_the_app_alive_and_untraced(tmp_path):
    """With its shipper, which has nothing to do with the app; what the next start tells is what test_kills_at_random sees."""
    process = subprocess.Popen(
        crashers.command("sh", "-c", "echo $$; read -r go; touch done; read -r go"), stdin=subprocess.PIPE, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=crashers.environment(tmp_path / "data"))
    app = int(process.stdout.readline())
    status = pathlib.Path(f"/proc/{app}/status")
    assert f"TracerPid:\t{process.pid}\n" in status.read_text()
    next_shipper(process, None)
    process.kill()
    process.wait(20)
    assert "TracerPid:\t0\n" in status.read_text()
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    harness.eventually((tmp_path / "done").exists, 20, "the app went on")
    assert "State:\tS" in status.read_text()
    process.stdin.close()
    harness.eventually(lambda: not status.exists(), 20, "the app ended by itself")
