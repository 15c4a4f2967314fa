# SPDX-License-Identifier: MIT
"""Uploads of 200 MiB arrive in a process that may take 48 MiB more memory than it has (case a15): the kernel's limit on
private memory holds for it, so that nothing has to be measured. What is large waits in the spool's folder."""
import hashlib
import json
import os
import resource
import zlib

import pytest

from harness import eventually, multipart
from sentry_parts import KEY

MIB = 1 << 20
SIZE, MORE = 200 * MIB, 48 * MIB
PIECE = os.urandom(MIB // 16) + bytes(MIB - MIB // 16)  # so that compressing it takes no time
DUMP_NAME = "upload_file_minidump"
SETTINGS = {"CRASHCOLLECT_MAX_BODY": "300MiB", "CRASHCOLLECT_MAX_INFLATED": "300MiB", "CRASHCOLLECT_SENTRY_INTAKE": "1",
            "CRASHCOLLECT_SENTRY_INTAKE_KEYS": KEY}


def dump():
    """200 MiB in pieces, of which no two are alike."""
    for number in range(SIZE // MIB):
        yield b"MDMP" + number.to_bytes(4, "big") + PIECE[8:]


def sha256(pieces):
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()


def form():
    content_type, body = multipart({"ProductName": "Large"}, {DUMP_NAME: b"@@"})
    head, tail = body.split(b"@@")
    return "/submit", {"Content-Type": content_type}, [head], [tail]


def envelope(kind):
    event = b'{"level":"fatal"}'
    head = json.dumps({"type": "attachment", "length": SIZE, "filename": "a", **kind}).encode()
    before = b'{"event_id":"%s"}\n{"type":"event","length":%d}\n%s\n%s\n' % (b"0" * 32, len(event), event, head)
    return "/api/1/envelope/", {"X-Sentry-Auth": f"Sentry sentry_key={KEY}"}, [before], [b"\n"]


def raw():
    headers = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}", "Content-Type": "application/x-dmp"}
    return "/api/1/minidump/", headers, [], []


def compressed(pieces):
    deflate = zlib.compressobj(1)
    for piece in pieces:
        yield deflate.compress(piece)
    yield deflate.flush()


def send(daemon, sent, packed=False):
    path, headers, before, after = sent
    body = (piece for part in (before, dump(), after) for piece in part)
    if packed:
        headers = {**headers, "Content-Encoding": "deflate"}
        body = compressed(body)
    return daemon.request("POST", path, body, headers, timeout=120)


def narrow(daemon, limit=None):
    """As if the machine had only so much more memory, once what every upload needs is there. Returns the limit."""
    assert daemon.submit({DUMP_NAME: b"MDMP"}).crash_id
    if limit is None:
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            limit = MORE + next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.prlimit(daemon.process.pid, resource.RLIMIT_DATA, (limit, limit))
    return limit


def stored(daemon, folder):
    """The SHA-256 of the one large file of that name in the tree."""
    found = [file for file in daemon.data_dir.glob(f"crashes/*/{folder}/*") if file.stat().st_size >= SIZE]
    assert len(found) == 1
    with open(found[0], "rb") as file:
        return sha256(iter(lambda: file.read(MIB), b""))


@pytest.mark.parametrize("sent, packed", [(form(), False), (raw(), False),
                                          (envelope({"attachment_type": "event.minidump"}), False),
                                          (envelope({"attachment_type": "event.minidump"}), True)],
                         ids=["submit", "minidump", "envelope", "envelope_deflate"])
def test_a15_large_dump(daemon_factory, sent, packed):
    daemon = daemon_factory(env=SETTINGS)
    narrow(daemon)
    reply = send(daemon, sent, packed)
    assert reply.status == 200, reply
    daemon.stop(60)
    assert stored(daemon, DUMP_NAME) == sha256(dump())
    assert not daemon.log_text().count('"Severity": 3')


def test_a15_large_attachment(daemon_factory):
    """What is no minidump is kept within its envelope."""
    daemon = daemon_factory(env=SETTINGS)
    narrow(daemon)
    sent = envelope({})
    assert send(daemon, sent).status == 200
    daemon.stop(60)
    assert stored(daemon, "sentry_envelope") == sha256(piece for part in (sent[2], dump(), sent[3]) for piece in part)


def test_a15_large_dump_after_a_kill(daemon_factory, build_dir, tmp_path):
    """What was accepted is saved by the next process, which has no more memory than that either."""
    command = tmp_path / "command"
    command.write_text("full 0")
    daemon = daemon_factory(data_dir=tmp_path / "data", preload=os.path.join(build_dir, "tests", "fault_preload.so"),
                            env={**SETTINGS, "FAULT_FOLDER": tmp_path / "data/crashes/20", "FAULT_COMMAND": command,
                                 "CRASHCOLLECT_RETRY_FIRST": "50ms", "CRASHCOLLECT_RETRY_MAX": "200ms"})
    limit = narrow(daemon)
    assert send(daemon, form()).status == 200
    daemon.wait_log("will be tried again")
    daemon.kill()
    daemon.start()
    narrow(daemon, limit)  # it is read back for each attempt, so for the one that succeeds, too
    command.write_text("none 0")
    eventually(lambda: len(list(daemon.data_dir.glob("crashes/*/raw_crash/*.json"))) == 3, 30, "all are saved")
    daemon.stop(60)
    assert stored(daemon, DUMP_NAME) == sha256(dump())


def test_a15_the_limit_holds(daemon_factory):
    """Where such an upload may lie in memory, that process has not enough of it; and says so, and goes on."""
    daemon = daemon_factory(env={**SETTINGS, "CRASHCOLLECT_MEMORY_BUDGET": "16GiB"})
    narrow(daemon)
    assert send(daemon, form()).status == 503
    assert daemon.submit({DUMP_NAME: b"MDMP"}).crash_id
