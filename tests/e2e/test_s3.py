# SPDX-License-Identifier: MIT
"""crashcollectd with an S3 server that checks signatures (Ceph's radosgw): what is stored, what is refused at the start
and with which words, and bad days of the server under load. CCOL_S3_CRASHES tells how many crashes (default 200), CCOL_S3_OUTAGE how many
seconds a server hangs or a bucket is gone (default 3)."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import re
import subprocess
import threading

import pytest

from fake_s3 import FakeS3
from harness import CRASH_ID, Daemon, Reply, eventually, multipart
from radosgw import Radosgw

CRASHES = int(os.environ.get("CCOL_S3_CRASHES", "200"))
CLIENTS = 8
SETTLE_SECONDS = 120
PACE_SECONDS = 0.03  # between two crashes of a client, so that what an outage leaves behind is no heap
OUTAGE_CRASHES = 60
OUTAGE_SECONDS = float(os.environ.get("CCOL_S3_OUTAGE", "3"))
ODD_KEYS = ["plain", "with space", "a+b", "a&b=c", "a#b", "a?b", "100%", "%41", "q\"uo'te", "uml\u00e4ut", "\u4e2d\u6587",
            "a//b", "./a", "a/../b", "..", "a/./b", "(x)!*~", "tab\tkey", "back\\slash", ";:@$,[]{}|^`<>"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    gateway = Radosgw(tmp_path_factory.mktemp("radosgw"))
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory):
    """With TLS, with temporary keys, and overloaded by three requests at once."""
    gateway = Radosgw(tmp_path_factory.mktemp("radosgw_tls"), RGW_TLS="1", RGW_STS="1",
                      RGW_EXTRA="rgw max concurrent requests = 2")
    yield gateway
    gateway.stop()


@pytest.fixture
def bucket(server, request):
    """A bucket of its own for a test, on the server that it uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40] + f"-{random.randrange(1 << 32):08x}"
    server.s3.create_bucket(Bucket=name)
    yield name
    server.empty(name)  # or a long run fills the server, which then takes no more


@pytest.fixture(autouse=True)
def no_secrets(request):
    """Whatever a test does, no daemon may log a secret, at debug level."""
    yield
    factory = request.node.funcargs.get("daemon_factory")
    for daemon in factory.daemons if factory else ():
        text = daemon.log_path.read_text(errors="replace")
        for name, value in daemon.env.items():
            if re.search(r"SECRET|TOKEN", name) and value and not value.startswith("/"):
                assert value not in text, f"{name} is in the log"
        assert "Signature=" not in text and "X-Amz-Security-Token" not in text


class Client(threading.Thread):
    """Posts crashes over one kept connection until it is told to stop, or so many."""

    def __init__(self, daemon, count=None, seed=0, pace=0):
        super().__init__()
        self.daemon_process, self.count, self.rng, self.pace = daemon, count, random.Random(seed), pace
        self.stop_asked = threading.Event()
        self.crashes, self.refused = {}, []  # crash id -> files; answers that are no receipt, and what ended it

    def run(self):
        try:
            self.post()
        except (OSError, http.client.HTTPException) as error:
            self.refused.append(error)

    def post(self):
        connection = http.client.HTTPConnection(self.daemon_process.host, self.daemon_process.port, timeout=60)
        while not self.stop_asked.is_set() and (self.count is None or len(self.crashes) < self.count):
            files = {"upload_file_minidump": self.rng.randbytes(self.rng.choice((0, 1, 3000, 20000, 400000)))}
            if self.rng.random() < 0.3:
                files["memory_report"] = self.rng.randbytes(500)
            content_type, body = multipart({"ProductName": "Test"}, files)
            self.stop_asked.wait(self.pace)
            connection.request("POST", "/submit", body, {"Content-Type": content_type})
            answer = connection.getresponse()
            reply = Reply(answer.status, {}, answer.read())
            match = CRASH_ID.fullmatch(reply.text)
            if not match:
                self.refused.append(reply)
                if len(self.refused) > 20:
                    break
                continue
            self.crashes[match.group(1)] = {name: hashlib.sha256(data).digest() for name, data in files.items()}
        connection.close()


def crowd(daemon, total):
    """Posts so many crashes from several clients at once; {crash id: files}."""
    clients = [Client(daemon, total // CLIENTS, seed) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    crashes = {}
    for client in clients:
        assert not client.refused, client.refused[:3]
        crashes.update(client.crashes)
    assert len(crashes) == total // CLIENTS * CLIENTS
    return crashes


def all_saved(daemon):
    """Waits as long as the queue gets shorter: how long that takes hangs on its length and on who else is at work."""
    def size():
        return daemon.metrics()["crashcollect_save_queue_size"]

    left = size()
    while left:
        bound = left
        left = eventually(lambda: (now := size()) < bound and (now,), SETTLE_SECONDS, f"less than {bound} in the queue")[0]


def check_bucket(server, bucket, crashes, layout="v2"):
    """Exactly these crashes, each whole and byte for byte, and nothing else but test objects."""
    wanted = {}
    for crash_id, files in crashes.items():
        date = "20" + crash_id[-6:]
        raw = f"v2/raw_crash/{crash_id[:3]}/{date}/{crash_id}" if layout == "v2" else f"v1/raw_crash/{date}/{crash_id}"
        wanted[raw] = wanted[f"v1/dump_names/{crash_id}"] = None
        for name, digest in files.items():
            wanted[f"v1/{'dump' if name == 'upload_file_minidump' else name}/{crash_id}"] = digest
    found = [key for key in server.keys(bucket) if not key.startswith("test/testfile-")]
    assert sorted(found) == sorted(wanted)

    def check(key):
        data = server.get(bucket, key)
        crash_id = key.rsplit("/", 1)[1]
        if wanted[key]:
            assert hashlib.sha256(data).digest() == wanted[key], key
        elif "/raw_crash/" in key:
            raw = json.loads(data)
            sums = {name: digest.hex() for name, digest in crashes[crash_id].items()}
            assert raw["uuid"] == crash_id and raw["metadata"]["dump_checksums"] == sums, key
        else:
            assert json.loads(data) == sorted(crashes[crash_id]), key

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(check, found))


@pytest.mark.parametrize("layout", ["v2", "v1"])
def test_every_crash_is_stored_whole(server, bucket, daemon_factory, build_dir, layout):
    daemon = daemon_factory(env=server.variables(bucket, CRASHCOLLECT_S3_LAYOUT=layout,
                                                 CRASHCOLLECT_CONCURRENT_CRASHMOVERS=16))
    crashes = crowd(daemon, CRASHES)
    all_saved(daemon)
    check_bucket(server, bucket, crashes, layout)
    daemon.stop()
    if layout == "v2":  # and the storage reads back what it wrote
        done = subprocess.run([f"{build_dir}/tests/s3_objects", bucket, server.url, "--load"], text=True,
                              capture_output=True, timeout=120, env={**daemon.env})
        assert done.returncode == 0, done.stderr
        loaded = {line.split(" ")[0]: line.split(" ")[1:] for line in done.stdout.splitlines()}
        assert loaded.keys() == crashes.keys()
        for crash_id, files in crashes.items():
            assert loaded[crash_id][0] == "Test" and len(loaded[crash_id]) == 1 + len(files)


def test_two_files_of_one_key_are_refused_at_the_door(server, bucket, daemon_factory):
    """Where upload_file_minidump is kept as dump, nothing else may be called so; a folder has room for both."""
    files = {"upload_file_minidump": b"MDMP", "dump": b"another"}
    for storage, taken in (("s3", False), ("fs,s3", False), ("fs", True)):
        reply = daemon_factory(env=server.variables(bucket, CRASHCOLLECT_STORAGE=storage)).submit(files)
        if taken:
            assert reply.crash_id
        else:
            assert (reply.status, reply.text) == (400, "Discarded=malformed_invalid_dump_name")
    assert server.crash_ids(bucket) == []


def refused_start(server, bucket, tmp_path, words, preload=None, **variables):
    daemon = Daemon(data_dir=tmp_path / "refused", env=server.variables(bucket, **variables), preload=preload)
    daemon.launch()
    assert daemon.wait(60) == 1
    daemon.check_sanitizers()
    line = next(line for line in daemon.log_lines() if "Unhandled startup exception" in line)
    for word in words:
        assert word in line, line
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert name not in daemon.env or daemon.env[name] not in daemon.log_text()


CAUSES = {
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong/secret+key"}, ["SignatureDoesNotMatch", "secret key", "mend it"]),
    "unknown key": ({"AWS_ACCESS_KEY_ID": "NOBODYSKEY"}, ["InvalidAccessKeyId", "does not know the access key id"]),
    "no bucket": ({"CRASHCOLLECT_S3_BUCKET": "no-such-bucket"}, ["no-such-bucket", "NoSuchBucket", "mend its name"]),
    "nobody there": ({"CRASHCOLLECT_S3_ENDPOINT_URL": "http://127.0.0.1:1"}, ["127.0.0.1:1", "connect"]),
    "no keys": ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"},
                ["no AWS credentials", "AWS_ACCESS_KEY_ID"]),
    "half a key": ({"AWS_SECRET_ACCESS_KEY": None}, ["AWS_SECRET_ACCESS_KEY is not"]),
    "odd storage class": ({"CRASHCOLLECT_S3_STORAGE_CLASS": "NO_SUCH_CLASS"}, ["400"]),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_start_without_a_usable_bucket_is_refused(server, tmp_path, cause):
    variables, words = CAUSES[cause]
    refused_start(server, "crashes", tmp_path, words, **variables)


def test_another_users_bucket_is_refused(server, tmp_path):
    refused_start(server, "crashes", tmp_path, ["AccessDenied", "s3:PutObject"],
                  AWS_ACCESS_KEY_ID=server.other_key, AWS_SECRET_ACCESS_KEY=server.other_secret)


@pytest.mark.parametrize("shift", [1200, -1200])
def test_a_wrong_clock_is_refused(server, tmp_path, build_dir, shift):
    refused_start(server, "crashes", tmp_path, ["RequestTimeTooSkewed", "clock is wrong"], CCOL_CLOCK_SHIFT=str(shift),
                  preload=f"{build_dir}/tests/clock_preload.so")


def test_odd_keys_are_signed_right(server, bucket, build_dir):
    for endpoint in (server.url, server.url.replace("127.0.0.1", "s3.localhost")):
        done = subprocess.run([f"{build_dir}/tests/s3_objects", bucket, endpoint, *ODD_KEYS], text=True,
                              capture_output=True, timeout=120, env=server.variables(bucket))
        assert done.returncode == 0, done.stderr
    assert sorted(server.keys(bucket)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert server.get(bucket, key) == key.encode()


def test_buckets_may_be_in_the_hosts_name(server, bucket, daemon_factory):
    daemon = daemon_factory(env=server.variables(
        bucket, CRASHCOLLECT_S3_ADDRESSING="virtual",
        CRASHCOLLECT_S3_ENDPOINT_URL=server.url.replace("127.0.0.1", "s3.localhost")))
    crash_id = daemon.submit({"upload_file_minidump": b"MDMP"}).crash_id
    all_saved(daemon)
    assert server.crash_ids(bucket) == [crash_id]


class Outage:
    """Clients that go on posting while `begin` and `end` happen to the server."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.clients = [Client(daemon, seed=seed, pace=PACE_SECONDS) for seed in range(2)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        self.more(OUTAGE_CRASHES // 4)
        return self

    def more(self, count):
        """Waits until so many more crashes were accepted."""
        wanted = self.accepted() + count
        eventually(lambda: self.accepted() >= wanted, 60, f"{count} more crashes")

    def last(self):
        """Lets the outage last, with no fewer crashes than make it one."""
        self.more(OUTAGE_CRASHES)
        threading.Event().wait(OUTAGE_SECONDS)

    def __exit__(self, *_):
        for client in self.clients:
            client.stop_asked.set()
        for client in self.clients:
            client.join()

    def accepted(self):
        for client in self.clients:
            assert not client.refused, client.refused[:3]
        return sum(len(client.crashes) for client in self.clients)

    def crashes(self):
        assert self.accepted()
        return {crash_id: files for client in self.clients for crash_id, files in client.crashes.items()}


def outage_daemon(server, bucket, daemon_factory, **more):
    return daemon_factory(env=server.variables(
        bucket, CRASHCOLLECT_S3_TIMEOUT="1s", CRASHCOLLECT_RETRY_FIRST="100ms", CRASHCOLLECT_RETRY_MAX="500ms",
        CRASHCOLLECT_CHECK_PERIOD="200ms", CRASHCOLLECT_STALL_AFTER="2s", **more))


def heartbeat_is(daemon, status):
    eventually(lambda: daemon.heartbeat_errors()[0] == status, 60, f"a heartbeat of {status}")


def check_after_outage(server, bucket, daemon, outage):
    crashes = outage.crashes()
    all_saved(daemon)
    heartbeat_is(daemon, 200)
    check_bucket(server, bucket, crashes)
    assert daemon.metrics()["crashcollect_saved_crashes_total"] == len(crashes)
    assert not list((daemon.data_dir / "spool").glob("failed/*/raw_crash/*"))


def test_a_bucket_that_is_gone_for_a_while(server, bucket, daemon_factory):
    daemon = outage_daemon(server, bucket, daemon_factory)
    with Outage(daemon) as outage:
        heartbeat_is(daemon, 200)
        outage_began = server.crash_ids(bucket)
        server.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:ListBucket"],
                           "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}))
        heartbeat_is(daemon, 503)
        outage.last()
        server.s3.delete_bucket_policy(Bucket=bucket)
        outage.more(OUTAGE_CRASHES // 4)
    assert len(outage.crashes()) > len(outage_began)
    check_after_outage(server, bucket, daemon, outage)


def test_a_bucket_that_was_deleted_and_made_again(server, bucket, daemon_factory):
    daemon = outage_daemon(server, bucket, daemon_factory)
    for key in server.keys(bucket):
        server.s3.delete_object(Bucket=bucket, Key=key)
    server.s3.delete_bucket(Bucket=bucket)
    heartbeat_is(daemon, 503)
    assert any("NoSuchBucket" in text or "no such bucket" in text for text in daemon.heartbeat_errors()[1])
    with Outage(daemon) as outage:
        outage.last()
        server.s3.create_bucket(Bucket=bucket)
        outage.more(OUTAGE_CRASHES // 4)
    check_after_outage(server, bucket, daemon, outage)


def test_a_server_that_hangs(server, bucket, daemon_factory):
    daemon = outage_daemon(server, bucket, daemon_factory)
    try:
        with Outage(daemon) as outage:
            server.freeze()
            heartbeat_is(daemon, 503)
            outage.last()
            server.thaw()
            outage.more(OUTAGE_CRASHES // 4)
    finally:
        server.thaw()
    check_after_outage(server, bucket, daemon, outage)


def test_a_server_that_is_killed_and_comes_back(server, bucket, daemon_factory):
    daemon = outage_daemon(server, bucket, daemon_factory)
    with Outage(daemon) as outage:
        server.kill_gateway()
        heartbeat_is(daemon, 503)
        outage.more(OUTAGE_CRASHES)
        server.start_gateway()
        outage.more(OUTAGE_CRASHES // 4)
    check_after_outage(server, bucket, daemon, outage)


def temporary_keys(server):
    answer = server.client("sts").assume_role(RoleArn=server.role, RoleSessionName="test")["Credentials"]
    return {"AWS_ACCESS_KEY_ID": answer["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"]}


def secure_bucket(server, name):
    server.s3.create_bucket(Bucket=name)
    return name


def test_tls_and_temporary_keys(secure_server, daemon_factory, tmp_path):
    bucket = secure_bucket(secure_server, "temporary")
    keys = temporary_keys(secure_server)
    for signing in ("auto", "always"):
        daemon = daemon_factory(env=secure_server.variables(bucket, CRASHCOLLECT_S3_PAYLOAD_SIGNING=signing, **keys))
        daemon.submit({"upload_file_minidump": b"MDMP" * 1000}).crash_id
        all_saved(daemon)
    assert len(secure_server.crash_ids(bucket)) == 2
    broken = {**keys, "AWS_SESSION_TOKEN": keys["AWS_SESSION_TOKEN"][:-8] + "AAAAAAA="}
    refused_start(secure_server, bucket, tmp_path, ["403"], **broken)
    refused_start(secure_server, bucket, tmp_path, ["403"], **{**keys, "AWS_SESSION_TOKEN": None})
    refused_start(secure_server, bucket, tmp_path, ["certificate", "CA"], CRASHCOLLECT_S3_CA_FILE=None, **keys)


def test_a_profile_takes_a_role(secure_server, daemon_factory, tmp_path):
    bucket = secure_bucket(secure_server, "by-role")
    profiles = tmp_path / "credentials"
    profiles.write_text(f"[base]\naws_access_key_id = {secure_server.key}\naws_secret_access_key = {secure_server.secret}\n"
                        f"[collector]\nrole_arn = {secure_server.role}\nsource_profile = base\n")
    daemon = daemon_factory(env=secure_server.variables(
        bucket, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_PROFILE="collector",
        AWS_SHARED_CREDENTIALS_FILE=str(profiles), AWS_ENDPOINT_URL_STS=secure_server.url))
    daemon.wait_log(r"credentials from the profile's role, valid until")
    daemon.submit({"upload_file_minidump": b"MDMP"}).crash_id
    all_saved(daemon)
    assert len(secure_server.crash_ids(bucket)) == 1
    assert secure_server.secret not in daemon.log_text()


def test_a_server_that_says_slow_down(secure_server, daemon_factory):
    """Answers 503 SlowDown to most of 32 requests at once: all is stored in the end."""
    bucket = secure_bucket(secure_server, "slow-down")
    daemon = daemon_factory(env=secure_server.variables(
        bucket, CRASHCOLLECT_CONCURRENT_CRASHMOVERS=32, CRASHCOLLECT_RETRY_FIRST="50ms", CRASHCOLLECT_RETRY_MAX="500ms"))
    crashes = crowd(daemon, 80)
    all_saved(daemon)
    check_bucket(secure_server, bucket, crashes)
    assert "503" in daemon.log_text()


def test_a_server_that_breaks_in_every_way(daemon_factory):
    """Half of its answers are none: everything is there in the end, and nothing that was not sent."""
    server, other = FakeS3(misbehaves=0.5), FakeS3(misbehaves=0)
    server.other = other
    try:
        daemon = daemon_factory(env={
            "CRASHCOLLECT_STORAGE": "s3", "CRASHCOLLECT_S3_BUCKET": "b", "CRASHCOLLECT_S3_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": "very-secret", "CRASHCOLLECT_LOG_LEVEL": "debug",
            "CRASHCOLLECT_S3_TIMEOUT": "700ms", "CRASHCOLLECT_CONCURRENT_CRASHMOVERS": "16",
            "CRASHCOLLECT_RETRY_FIRST": "20ms", "CRASHCOLLECT_RETRY_MAX": "100ms"})
        crashes = crowd(daemon, 80)
        all_saved(daemon)
        daemon.stop()
        assert not server.errors and not other.errors
        assert all(server.done.values()), server.done
        objects = {**server.objects, **other.objects}
        for crash_id, files in crashes.items():
            raw = json.loads(objects.pop(f"/b/v2/raw_crash/{crash_id[:3]}/20{crash_id[-6:]}/{crash_id}"))
            assert raw["uuid"] == crash_id
            assert json.loads(objects.pop(f"/b/v1/dump_names/{crash_id}")) == sorted(files)
            for name, digest in files.items():
                data = objects.pop(f"/b/v1/{'dump' if name == 'upload_file_minidump' else name}/{crash_id}")
                assert hashlib.sha256(data).digest() == digest
        assert all(path.startswith("/b/test/testfile-") for path in objects)
    finally:
        server.close()
        other.close()
