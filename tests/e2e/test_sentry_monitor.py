# SPDX-License-Identifier: MIT
"""A watched program's death arrives at Sentry: with its stack, its last lines and its minidump, also when Sentry was away
and everything of ours was killed meanwhile. CCOL_SENTRY_CRASHES: how often the last line must be there;
CCOL_SENTRY_OUTAGE: seconds that Sentry is away, at least, and the usual pauses between tries then."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import uuid

import jsonschema
import pytest

import crashers
from harness import clean_environment, eventually, read_tree
from monitor import memory_cgroup, shipper_of
from sentry_parts import KEY, SCHEMA, SERVICES, Bugsink, SentryCli, at_services, watched

BUILD = pathlib.Path(os.environ["CCOL_BUILD_DIR"])
VICTIM = BUILD / "tests/sentry_victim"
RUN = os.environ["CCOL_WATCHER"]
CRASHES = int(os.environ.get("CCOL_SENTRY_CRASHES", "10"))
LOGS = pathlib.Path(__file__).resolve().parent.parent / "data/log-samples"
OUTAGE = int(os.environ.get("CCOL_SENTRY_OUTAGE", "0"))


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    return crashers.Compiler(tmp_path_factory.mktemp("crashers"))


def environment(folder, dsn, **more):
    return watched(folder, dsn, **{"CRASHCOLLECT_STORAGE": "fs,sentry", **more})


def watch(folder, dsn, *command, env=None, **more):
    return subprocess.run([RUN, "--", *map(str, command)], env=environment(folder, dsn, **(env or {})),
                          capture_output=True, text=True, timeout=120, **more)


def crashes(stub):
    """Events of deaths: not of log lines, and not of runs whose keeper left no word."""
    ours = [one for one in stub.envelopes if one.payloads("event") and one.event["sdk"]["name"] == "crashcollect"]
    return [one for one in ours if one.event["tags"].get("kind") != "log" and
            one.event["tags"].get("reason") != "vanished"]


def test_a_crash_arrives(stub, tmp_path):
    """Frames with functions and lines, images, registers, breadcrumbs, and the minidump as storage fs has it."""
    done = watch(tmp_path / "data", stub.dsn, VICTIM, "crash")
    assert done.returncode == -signal.SIGSEGV, done.stderr
    envelope, = eventually(lambda: crashes(stub))
    event = envelope.event
    if SCHEMA.exists():
        jsonschema.validate(event, json.loads(SCHEMA.read_text()))
    crash, = event["exception"]["values"]
    assert (crash["type"], crash["mechanism"]["meta"]["signal"]["number"]) == ("SIGSEGV", 11)
    functions = [frame.get("function") for frame in crash["stacktrace"]["frames"]]
    assert functions[-5:] == ["work", "work", "work", "work", "poke"] and "main" in functions
    assert crash["stacktrace"]["frames"][-1]["filename"] == "sentry_victim.c"
    images = event["debug_meta"]["images"]
    ours = next(image for image in images if image["code_file"] == str(VICTIM.resolve()))
    assert len(ours["code_id"]) == 40 and len(ours["debug_id"]) == 36
    assert crash["stacktrace"]["frames"][-1]["image_addr"] == ours["image_addr"]
    assert crash["stacktrace"]["registers"]["rip"] == crash["stacktrace"]["frames"][-1]["instruction_addr"]
    crumbs = event["breadcrumbs"]["values"]
    assert [crumb["message"] for crumb in crumbs] == ["step one", "step two", "the last line before"]
    assert [crumb["level"] for crumb in crumbs] == ["info", "warning", "info"]
    kept = read_tree(tmp_path / "data/crashes")[event["tags"]["crash_id"]]
    head, dump = envelope.attachments()["upload_file_minidump.dmp"]
    assert dump == kept.dumps["upload_file_minidump"] and dump.startswith(b"MDMP")
    assert head["attachment_type"] == "event.minidump"
    assert b"the last line before" in envelope.attachments()["log.txt"][1]
    assert (event["release"], event["level"]) == ("victim@1.0", "fatal")


def children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


@pytest.fixture(scope="session")
def dump_reader():
    """The program that Sentry and Socorro read minidumps with."""
    done = subprocess.run([SERVICES / "readers.sh"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return re.search(r"^export READER_RUST=(.*)$", done.stdout, re.M).group(1)


NO_BUILD_ID = {"c": lambda compiler: (compiler.c("-Wl,--build-id=none"), ["segv", "main"]),
               "small_c": lambda compiler: (compiler.c("-Wl,--build-id=none", "-Os", "-static"), ["segv", "main"]),
               "rust": lambda compiler: (compiler.rust("abort", "-C", "link-arg=-Wl,--build-id=none"), ["main"])}


@pytest.mark.parametrize("name", NO_BUILD_ID)
def test_a3_without_a_build_id(stub, compiler, dump_reader, tmp_path, name):
    """The id that Sentry's own program makes of the file's code is in the event and in the minidump."""
    program, arguments = NO_BUILD_ID[name](compiler)
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    assert "Build ID" not in notes
    watch(tmp_path / "data", stub.dsn, program, *arguments)
    envelope, = eventually(lambda: crashes(stub))
    cli = SentryCli()
    images = {image["code_file"]: image for image in envelope.event["debug_meta"]["images"] if image["code_file"][0] == "/"}
    assert "code_id" not in images[str(program)] and len(images) > (1 if name == "c" else 0)
    wanted = {path: cli.debug_id(path) for path in images}
    assert {path: image["debug_id"] for path, image in images.items()} == wanted
    path = tmp_path / "crash.dmp"
    path.write_bytes(envelope.attachments()["upload_file_minidump.dmp"][1])
    done = subprocess.run([dump_reader, "--json", path], capture_output=True, text=True, timeout=60, check=True)
    ids = {module["filename"]: module["debug_id"] for module in json.loads(done.stdout)["modules"]}
    for path, debug_id in wanted.items():
        assert ids[pathlib.Path(path).name] == debug_id.replace("-", "").upper() + "0"


def test_a3_a_replaced_file(stub, tmp_path):
    """Another program lies where the crashed one was by then: its id is not taken for the crashed one's."""
    source, program, other = tmp_path / "app.c", tmp_path / "app", tmp_path / "other"
    source.write_text("#include <stdio.h>\nint main(void) { WORDS; getchar(); return *(volatile int *)16; }\n")
    for path, words in ((program, ""), (other, 'puts("other")')):
        subprocess.run(["gcc", "-Wl,--build-id=none", f"-DWORDS={words}", "-o", path, source], check=True)
    cli = SentryCli()
    wanted, wrong = cli.debug_id(program), cli.debug_id(other)
    assert wanted != wrong
    process = subprocess.Popen([RUN, "--", program], env=environment(tmp_path / "data", stub.dsn),
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: any(os.readlink(f"/proc/{pid}/exe") == str(program) for pid in children(process.pid)), 20)
    os.replace(other, program)
    process.communicate(b"\n", timeout=60)
    envelope, = eventually(lambda: crashes(stub))
    image = next(one for one in envelope.event["debug_meta"]["images"] if one["code_file"] == str(program))
    unknown = [] if os.geteuid() == 0 else [str(uuid.UUID(int=0))]  # root reads the mapped file whatever its path
    assert image["debug_id"] in [wanted, *unknown]


def test_a4_the_last_line_is_there(stub, tmp_path):
    for _ in range(CRASHES):
        watch(tmp_path / "data", stub.dsn, VICTIM, "crash", env={"CRASHCOLLECT_CRASH_LOOP": "0"})
    eventually(lambda: len(crashes(stub)) == CRASHES)
    assert [one.event["breadcrumbs"]["values"][-1]["message"] for one in crashes(stub)] == \
        ["the last line before"] * CRASHES


def test_a5_other_ends(stub, tmp_path):
    """A SIGKILL is an event of its own, a normal end none."""
    assert watch(tmp_path / "data", stub.dsn, VICTIM, "exit").returncode == 0
    assert watch(tmp_path / "data", stub.dsn, VICTIM, "kill").returncode == -signal.SIGKILL
    envelope, = eventually(lambda: crashes(stub))
    assert envelope.event["exception"]["values"][0]["type"] == "SIGKILL"
    assert all(head.get("attachment_type") != "event.minidump" for head, _ in envelope.attachments().values())


def dump_is_plain(envelope):
    """The minidump is there as a file: as event.minidump its own exception would stand in place of ours."""
    head, dump = envelope.attachments()["upload_file_minidump.dmp"]
    return dump.startswith(b"MDMP") and "attachment_type" not in head


def test_a5_out_of_memory(stub, compiler, tmp_path):
    """The kernel kills the program for its cgroup's limit: told from a SIGKILL, with the limit and the use."""
    limit = 32 << 20
    with memory_cgroup(limit) as cgroup:
        assert cgroup or not os.environ.get("CI"), "no memory cgroup can be made"
        if not cgroup:
            pytest.skip("no memory cgroup can be made here")
        enter = f'echo $$ > {cgroup}/cgroup.procs && exec "$@"'
        done = watch(tmp_path / "data", stub.dsn, "sh", "-c", enter, "sh", compiler.c(), "oom")
        eventually(lambda: (cgroup / "cgroup.procs").read_text() == "", 20, "the cgroup is empty")
    assert done.returncode == -signal.SIGKILL, done.stderr
    envelope, = eventually(lambda: crashes(stub))
    event = envelope.event
    if SCHEMA.exists():
        jsonschema.validate(event, json.loads(SCHEMA.read_text()))
    assert (event["exception"]["values"][0]["type"], event["level"]) == ("OOM", "fatal")
    assert event["extra"]["OOMLimitBytes"] == str(limit)
    assert abs(int(event["extra"]["OOMUsageBytes"]) - limit) < limit // 10  # the dying one may go a little beyond
    assert dump_is_plain(envelope)


def test_a6_a_panic_that_aborts(stub, compiler, tmp_path):
    """Panic and signal are one event, with both."""
    done = watch(tmp_path / "data", stub.dsn, compiler.rust("abort"), "main")
    assert done.returncode == -signal.SIGABRT, done.stderr
    envelope, = eventually(lambda: crashes(stub))
    aborted, panic = envelope.event["exception"]["values"]
    assert (aborted["type"], aborted["mechanism"]["meta"]["signal"]["number"]) == ("SIGABRT", signal.SIGABRT)
    assert (panic["type"], panic["value"]) == ("panic", "main has panicked")
    assert panic["mechanism"]["type"] == "panic" and not panic["mechanism"]["handled"]
    where = panic["stacktrace"]["frames"][-1]
    assert (where["filename"], where["lineno"]) == ("crasher.rs", 48)
    assert any("crasher::main" in frame.get("function", "") for frame in aborted["stacktrace"]["frames"])
    assert dump_is_plain(envelope)
    assert watch(tmp_path / "data", stub.dsn, VICTIM, "exit").returncode == 0  # whatever was left is shipped by now
    assert len(crashes(stub)) == 1


def test_a6_an_uncaught_exception(stub, tmp_path):
    code = "def inner():\n    raise ValueError('bad thing')\n\ndef outer():\n    inner()\n\nouter()\n"
    (tmp_path / "app.py").write_text(code)
    assert watch(tmp_path / "data", stub.dsn, "/usr/bin/python3", tmp_path / "app.py").returncode == 1
    envelope, = eventually(lambda: crashes(stub))
    spoken, = envelope.event["exception"]["values"]
    assert (spoken["type"], spoken["value"]) == ("ValueError", "bad thing")
    assert [(frame["function"], frame["lineno"]) for frame in spoken["stacktrace"]["frames"]] == \
        [("<module>", 7), ("outer", 5), ("inner", 2)]
    assert not envelope.event["exception"]["values"][0]["mechanism"]["handled"]


SDK_PYTHON = """
import sentry_sdk, sys
sentry_sdk.init(dsn=sys.argv[1], default_integrations=False, shutdown_timeout=1)
for line in sys.stdin:
    sentry_sdk.capture_message("python " + line.strip())
    sentry_sdk.flush(1)
    print(flush=True)
"""
SDK_NODE = """
const sentry = require("@sentry/node");
sentry.init({dsn: process.argv[1], defaultIntegrations: false});
sentry.captureMessage("node dies");
sentry.flush(1000);
"""


class Sdks:
    """The same by Sentry's own SDKs: processes that have an error and end, as the watched programs do, and one that
    lives on."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.node = at_services('NAME=sdk; need_npm @sentry/node 11.12.0; echo "$NPM_HOME"')
        self.python = [at_services('NAME=sdk; need_venv sentry-sdk 2.44.0; echo "$VENV/bin/python"'), "-c", SDK_PYTHON, dsn]
        self.living = subprocess.Popen(self.python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sent = collections.Counter()
        self.live("before")

    def live(self, when):
        self.sent["python lives"] += 1
        self.living.stdin.write(f"lives {when}\n")
        self.living.stdin.flush()
        assert self.living.stdout.readline() == "\n"

    def crash(self):
        self.sent.update(["python dies", "node dies"])
        subprocess.run(self.python, input="dies\n", timeout=60, check=True, capture_output=True, text=True)
        subprocess.run(["node", "-e", SDK_NODE, self.dsn], cwd=self.node, timeout=60, check=True, capture_output=True)

    def end(self):
        """How many were sent and arrived, by kind."""
        self.living.communicate(timeout=60)
        return self.sent

    @staticmethod
    def arrived(stub):
        messages = [event.get("message") or (event.get("logentry") or {}).get("message") or "" for event in stub.events()]
        return collections.Counter(" ".join(message.split()[:2]) for message in messages if message)


def pids_of(folder):
    """Processes that have something open below that folder."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:
            continue  # it is gone, or closed something meanwhile
        if any(link.startswith(f"{folder}/") for link in links):
            found.add(int(process.name))
    return found


def kill_all_of(run):
    """Keeper and shipper, whatever they are at."""
    while pids := pids_of(run):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


RUN_CRASHES = 3


def crash_and_be_killed(data, env, shipped):
    """A run with three crashes, so many of which are in its spool when everything of it is killed; the others have but
    a snapshot."""
    before = set(data.glob("monitor/*"))
    script = "while read -r go; do $0 crash; done"
    process = subprocess.Popen([RUN, "--", "sh", "-c", script, VICTIM], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run, = eventually(lambda: set(data.glob("monitor/2*")) - before, 30)

    def shipped_of_it():
        kept = sum(run.name in path.read_text() for path in data.glob("crashes/*/raw_crash/*.json"))
        return kept if not list(run.glob("*.snapshot")) else None

    for number in range(RUN_CRASHES):
        if number == shipped:
            os.kill(eventually(lambda: shipper_of(process.pid), 30), signal.SIGSTOP)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        if number < shipped:
            eventually(lambda: shipped_of_it() == number + 1, 30, "it is in the spool and at fs")
        else:
            eventually(lambda: len(list(run.glob("*.snapshot"))) == number + 1 - shipped, 30, "its snapshot is there")
    kill_all_of(run)
    process.communicate()


def crash_ids(data):
    """Event ids of all crashes of which storage fs knows, in the order in which they happened."""
    found = []
    for crash_id, crash in read_tree(data / "crashes").items():
        if not crash.raw_crash["CrashReason"].startswith("vanished"):
            found.append((json.loads(crash.dumps["stacktrace_json"])["crashed_at"], crash_id.replace("-", "")))
    return [crash_id for _, crash_id in sorted(found)]


def is_empty(data):
    return not list((data / "monitor").iterdir())


SAMPLES = {  # of the real ones in tests/data/log-samples: levels of the lines that are events; the unit tests have all lines
    "slog-full": "ef", "slog-compact": "ef", "slog-term": "ef", "env_logger": "e", "tracing": "e", "tracing-json": "e",
    "spdlog": "ef", "go-logrus": "ef", "go-slog": "eee", "node-bunyan": "ef", "node-pino": "ef", "node-winston": "ee",
}


def lines_at_sentry(stub, tmp_path, path):
    """Levels and texts of the events of a program that says what the file holds."""
    watch(tmp_path / "data", stub.dsn, "sh", "-c", f"cat {path} >&2", errors="replace",
          env={"CRASHCOLLECT_LOG_RING": "8MiB"})
    eventually(lambda: not any(path.is_dir() for path in (tmp_path / "data/monitor").iterdir()), what="all is shipped")
    return sorted((one.event["level"], one.event["exception"]["values"][0]["value"]) for one in stub.envelopes)


@pytest.mark.parametrize("name", SAMPLES)
def test_a7_lines_of_loggers(stub, tmp_path, name):
    words = {"e": "error", "f": "fatal"}
    found = lines_at_sentry(stub, tmp_path, LOGS / f"{name}.txt")
    assert [level for level, _ in found] == sorted(words[letter] for letter in SAMPLES[name]), found


def test_a7_odd_lines(stub, tmp_path):
    """Colours, bytes that are no text, the end of a line as Windows has it, a megabyte, no end at all; and prose."""
    odd = tmp_path / "odd"
    odd.write_bytes(b"no error found, error free\n"
                    b"\x1b[31mERROR\x1b[0m\x1b(B colours\n"
                    b"ERROR bytes \xff\xfe and \x00 between\n"
                    b"ERROR windows\r\n"
                    b"ERROR long " + b"x" * (1 << 20) + b"\n"
                    b"an ERROR\n"
                    b"CRITICAL no end")
    found = lines_at_sentry(stub, tmp_path, odd)
    assert ("fatal", "no end") in found
    texts = " ".join(text for _, text in found)
    assert "colours" in texts and "windows" in texts and "between" in texts
    assert "\x1b" not in texts and "\r" not in texts and "found" not in texts and "\ufffd\ufffd" in texts
    assert sum("x" * 1000 in text for _, text in found) == 1 and all(len(text) < 1 << 16 for _, text in found)


def test_a8_away_and_killed(stub, tmp_path):
    """Sentry is away for a time in which keepers and shippers are killed -9 in four runs; a fifth lives through it. Then
    it is back: each crash is there once, those of the killed runs in order, freshly dated, and nothing is left of the
    runs. Sentry's own SDKs at the same receiver lose what they lose."""
    data, other, sdks = tmp_path / "data", tmp_path / "other", Sdks(stub.dsn)
    pauses = {"CRASHCOLLECT_RETRY_FIRST": "1s", "CRASHCOLLECT_RETRY_MAX": "60s"} if OUTAGE else {}
    stub.wait(1)
    stub.down()
    up_again = time.monotonic() + OUTAGE
    lives = subprocess.Popen([RUN, "--", "sh", "-c", "$0 crash; read -r go; $0 crash", VICTIM], stdin=subprocess.PIPE,
                             env=environment(other, stub.dsn, **pauses), stderr=subprocess.DEVNULL)
    for shipped in (RUN_CRASHES, 0, 1, 2):
        crash_and_be_killed(data, environment(data, stub.dsn, **pauses), shipped)
        sdks.crash()
        sdks.live("meanwhile")
    eventually(lambda: time.monotonic() >= up_again, OUTAGE + 1)
    up_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    stub.up()
    sdks.live("after")
    lives.communicate(b"go\n", timeout=60)
    assert watch(data, stub.dsn, VICTIM, "exit", env=pauses).returncode == 0
    eventually(lambda: is_empty(data) and is_empty(other), 150, "nothing is left of the runs")
    arrived = [one.header["event_id"] for one in crashes(stub)]
    killed, lived = crash_ids(data), crash_ids(other)
    sent, there = sdks.end(), Sdks.arrived(stub)
    print(f"crashes of killed runs: {4 * RUN_CRASHES}, arrived: {len([one for one in arrived if one in killed])}; of the "
          f"one that lived: 2, arrived: {len([one for one in arrived if one in lived])}; "
          + "; ".join(f"{kind} (SDK): {count}, arrived: {there[kind]}" for kind, count in sorted(sent.items())))
    assert len(killed) == 4 * RUN_CRASHES and len(lived) == 2
    assert [one for one in arrived if one in killed] == killed
    assert sorted(arrived) == sorted(killed + lived)
    assert all(one.header["sent_at"] >= up_at for one in crashes(stub))
    assert (there["python lives"], there["python dies"], there["node dies"]) == (2, 0, 0)


def test_a11_a_flood_of_lines(stub, tmp_path):
    """10,000 equal error lines a second: a bounded number of events, which with what they count are all the lines, and
    the program is not kept waiting."""
    done = watch(tmp_path / "data", stub.dsn, VICTIM, "lines", "2", env={"CRASHCOLLECT_LOG_RING": "8MiB"})
    count, worst, took = done.stdout.split()
    assert done.returncode == 0 and int(count) == 20000
    events = [one.event for one in eventually(lambda: len(stub.envelopes) >= 6 and stub.envelopes)]
    held_back = [int(event["extra"].get("LogSuppressed", 0)) for event in events]
    print(f"{count} lines in {took} s, longest write {float(worst) * 1000:.1f} ms, events held back: {held_back}")
    assert {event["exception"]["values"][0]["value"] for event in events} == {"cannot reach the database"}
    assert len(events) <= 10 and len({event["event_id"] for event in events}) == len(events)
    assert len(events) + sum(held_back) == int(count)


def holders(folder, text):
    """Files below the folder that have the text."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("trouble", ["none", "unwatched"])
def test_a13_the_program_does_not_get_our_keys(stub, tmp_path, trouble):
    """Neither watched nor, where it cannot be watched, unwatched. Whatever else is in its environment it gets."""
    (tmp_path / "file").write_text("")
    place = tmp_path / ("data" if trouble == "none" else "file")
    env = {"CRASHCOLLECT_S3_SECRET_ACCESS_KEY": "s3-secret-4711", "SENTRY_DSN": "of-the-program", "HIDDEN": "its-own",
           "CRASHCOLLECT_STORAGE": "sentry"}
    done = watch(place, stub.dsn, "env", env=env)
    assert done.returncode == 0 and ("run unwatched" in done.stderr) == (trouble == "unwatched")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert (found["SENTRY_DSN"], found["HIDDEN"]) == ("of-the-program", "its-own")
    assert found["CRASHCOLLECT_SENTRY_RELEASE"] == "victim@1.0"
    assert "CRASHCOLLECT_SENTRY_DSN" not in found and "CRASHCOLLECT_S3_SECRET_ACCESS_KEY" not in found
    assert KEY not in done.stdout + done.stderr and "s3-secret-4711" not in done.stdout + done.stderr


@pytest.mark.parametrize("up", [True, False])
def test_a13_the_key_is_nowhere(stub, tmp_path, up):
    """No log, report, dump, ring, snapshot, spool or event of a run has the key, be Sentry there or away."""
    if not up:
        stub.down()
    secret = "correct-horse-battery-4711"
    env = {"CRASHCOLLECT_LOG_LEVEL": "debug", "CRASHCOLLECT_LOG_FILE": tmp_path / "lines.log", "MY_SECRET": secret,
           "CRASHCOLLECT_DRAIN_TIMEOUT": "1s"}
    done = watch(tmp_path / "data", stub.dsn, VICTIM, "crash", env=env)
    assert done.returncode == -signal.SIGSEGV and KEY not in done.stdout + done.stderr
    kept, = eventually(lambda: read_tree(tmp_path / "data/crashes")).values()
    assert kept.dumps["upload_file_minidump"].startswith(b"MDMP")
    assert holders(tmp_path, "the last line before"), "it would be found"
    assert holders(tmp_path, KEY) == [] and holders(tmp_path, secret) == []
    if not up:
        stub.up()
        assert watch(tmp_path / "data", stub.dsn, VICTIM, "exit").returncode == 0
        assert holders(tmp_path, KEY) == []
    envelope, = eventually(lambda: crashes(stub))
    for header, payload in envelope.items:
        assert KEY.encode() not in json.dumps(header).encode() + payload, header
        assert secret.encode() not in payload, header


def test_a13_annotations_of_a_user(stub, tmp_path):
    """What a program notes of its user is in no event, log or other file of the run, but for the report at storage fs;
    the rest is there."""
    log = tmp_path / "own.log"
    with log.open("w") as out:
        env = environment(tmp_path / "data", stub.dsn, CRASHCOLLECT_LOG_LEVEL="debug", CRASHCOLLECT_DISCARD_FIELDS="",
                          CRASHCOLLECT_SENTRY_MINIDUMP="attach", CRASHCOLLECT_LOG_FILE=tmp_path / "lines.log")
        subprocess.run([RUN, "--", VICTIM, "notes"], env=env, stderr=out, timeout=60)
    envelope, = eventually(lambda: crashes(stub))
    eventually(lambda: is_empty(tmp_path / "data"))
    assert envelope.event["extra"]["Custom"] == "for everybody"
    kept, = read_tree(tmp_path / "data/crashes").values()
    for name in ("Email", "URL", "ApiToken"):
        value = kept.raw_crash[name]
        assert not [header for header, payload in envelope.items if value.encode() in json.dumps(header).encode() + payload]
        assert holders(tmp_path, value) == [path for path in holders(tmp_path, value) if "/crashes/" in path]


@pytest.mark.parametrize("program", ["crashcollectd", "crashcollect-run"])
def test_a13_banners(tmp_path, program):
    """Whatever a program says of its settings, also of wrong ones, tells no secret."""
    path = os.environ["CRASHCOLLECTD"] if program == "crashcollectd" else RUN
    secrets = {"CRASHCOLLECT_SENTRY_DSN": f"https://{KEY}@sentry.invalid/42", "CRASHCOLLECT_S3_SECRET_ACCESS_KEY": "s3-4711",
               "CRASHCOLLECT_AMQP_URL": "amqp://user:amqp-4711@broker.invalid/", "CRASHCOLLECT_WEBHOOK_SECRET": "hook-4711",
               "CRASHCOLLECT_UPSTREAM_TOKEN": "token-4711"}
    wrong = {**secrets, "CRASHCOLLECT_SENTRY_DSN": f"https://{KEY}@/42", "CRASHCOLLECT_RETRY_FIRST": "never"}
    said = ""
    for variables in (secrets, wrong):
        for option in ("--check-config", "--help", "--version"):
            env = clean_environment({"CRASHCOLLECT_DATA_DIR": tmp_path / "data", "CRASHCOLLECT_STORAGE": "fs,sentry",
                                     "CRASHCOLLECT_LOG_LEVEL": "debug", **variables})
            done = subprocess.run([path, option], env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)
            said += done.stdout + done.stderr
    assert "CRASHCOLLECT_SENTRY_DSN" in said and "CRASHCOLLECT_RETRY_FIRST=never" in said
    assert not [secret for secret in (KEY, "4711") if secret in said], said


def socket_calls(trace):
    return re.findall(r"^(?:\d+ +)?(?:socket|connect)\(.*$", trace.read_text(), re.M) if trace.exists() else []


@pytest.mark.parametrize("mode", ["ptrace", "preload"])
def test_a12_no_dsn_no_socket(stub, tmp_path, mode):
    """A watched run without a DSN opens no socket of the network: keeper, shipper and program in mode preload; in mode
    ptrace the keeper (its program has one tracer). With a DSN the shipper does, so it would be seen."""
    assert shutil.which("strace"), "needs strace (Debian: strace)"
    for dsn in ("", stub.dsn):
        trace = tmp_path / f"trace-{bool(dsn)}"
        env = environment(tmp_path / f"data-{bool(dsn)}", dsn, CRASHCOLLECT_MODE=mode, ASAN_OPTIONS="detect_leaks=0",
                          CRASHCOLLECT_STORAGE="fs,sentry" if dsn else "fs",
                          CRASHCOLLECT_PRELOAD_LIBRARY=BUILD / "lib/libcrashcollect-preload.so")
        follow = ["-f"] if mode == "preload" else []
        subprocess.run(["strace", *follow, "-o", trace, "-e", "trace=socket,connect", RUN, "--", VICTIM, "crash"], env=env,
                       capture_output=True, timeout=60)
        crash, = eventually(lambda: read_tree(tmp_path / f"data-{bool(dsn)}/crashes")).values()
        assert crash.raw_crash["CaptureMode"] == mode and crash.raw_crash["CrashReason"].startswith("SIGSEGV")
        asked = [call for call in socket_calls(trace) if "AF_INET" in call]
        assert trace.exists() and bool(asked) == bool(dsn and mode == "preload"), asked


def test_a16_a_page_of_bugsink(tmp_path):
    """The issue with its stack trace in a browser: its text is read, and a picture is taken of it."""
    browser = shutil.which("chromium")
    assert browser, "needs chromium (Debian: chromium)"
    service = Bugsink(tmp_path / "bugsink")
    try:
        env = {"CRASHCOLLECT_SENTRY_MINIDUMP": "attach", "CRASHCOLLECT_STORAGE": "sentry"}
        assert watch(tmp_path / "data", service.dsn, VICTIM, "crash", env=env).returncode == -signal.SIGSEGV
        issue = eventually(service.issues, 30)[0]
        path = f"/issues/issue/{issue}/event/last/"
        page = service.page(path)
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
        assert "SIGSEGV" in text and "SEGV_MAPERR at 0x10" in text and "sentry_victim.c" in text
        assert all(function in text for function in ("main", "work", "poke"))
        saved = tmp_path / "page.html"
        saved.write_text(page.replace("<head>", f'<head><base href="{service.url}/">', 1))
        picture = pathlib.Path(os.environ.get("CCOL_SCREENSHOTS", tmp_path)) / "bugsink.png"
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               "--window-size=1400,1800", f"--screenshot={picture}", "--virtual-time-budget=5000",
                               f"--user-data-dir={tmp_path / 'profile'}", saved.as_uri()], capture_output=True,
                              text=True, timeout=120)
        assert picture.exists() and picture.read_bytes().startswith(b"\x89PNG"), done.stderr
        assert picture.stat().st_size > 20000
    finally:
        service.stop()
