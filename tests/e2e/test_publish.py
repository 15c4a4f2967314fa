# SPDX-License-Identifier: MIT
"""Webhook and Google Pub/Sub. Pub/Sub's stand-in checks the tokens' signatures; where PUBSUB_EMULATOR_HOST is set, Google's
own emulator is used as well."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import uuid

import pytest
import requests

from answering import Answering
from harness import MINIDUMP, eventually

TOPIC = "projects/crash-test/topics/crash-ids"
EMAIL = "collector@crash-test.iam.gserviceaccount.com"
SECRET = "webhook-secret-3"


@pytest.fixture
def start(daemon_factory):
    def start_one(run=True, **settings):
        more = {"RETRY_FIRST": "20ms", "RETRY_MAX": "100ms", "CHECK_PERIOD": "100ms", **settings}
        begin = daemon_factory if run else daemon_factory.make
        return begin(env={f"CRASHCOLLECT_{name}": value for name, value in more.items()})
    return start_one


def submit(daemon, count):
    return [daemon.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(count)]


def wait_published(daemon):
    eventually(lambda: daemon.metric("crashcollect_save_queue_size") == 0, 20, "an empty queue")


def test_webhook_is_signed(start):
    with Answering(lambda seen: (204, {}, b"")) as hook:
        daemon = start(PUBLISH="webhook", WEBHOOK_URL=f"{hook.url}/crashed?x=1", WEBHOOK_SECRET=SECRET)
        ids = submit(daemon, 10)
        wait_published(daemon)
        assert sorted(json.loads(seen.body)["crash_id"] for seen in hook.seen) == sorted(ids)
        for seen in hook.seen:
            assert (seen.method, seen.path) == ("POST", "/crashed?x=1")
            assert seen.headers["content-type"] == "application/json"
            mac = hmac.new(SECRET.encode(), seen.body, hashlib.sha256).hexdigest()
            assert seen.headers["x-crashcollect-signature-256"] == f"sha256={mac}"
        assert SECRET not in daemon.log_text()
        daemon.stop()


def test_webhook_fails_in_every_way(start):
    answers = iter([(500, {}, b"oops"), (404, {}, b""), (301, {"Location": "/"}, b""), 0.01, (429, {}, b""), 3])
    with Answering(lambda seen: next(answers, (200, {}, b"ok"))) as hook:
        daemon = start(PUBLISH="webhook", WEBHOOK_URL=hook.url, PUBLISH_TIMEOUT="300ms")
        ids = submit(daemon, 1)
        wait_published(daemon)
        assert next(answers, None) is None, "all were given"
        assert {json.loads(seen.body)["crash_id"] for seen in hook.seen} == set(ids)
        assert "x-crashcollect-signature-256" not in hook.seen[0].headers
        # without the silent one, if it came over a kept connection: that is tried again at once
        assert daemon.metric("crashcollect_retries_total{count=\"publish_crash_exception.count\"}") >= 5


def test_webhook_says_when_to_come_back(start):
    with Answering(lambda seen: (503, {"Retry-After": "3600"}, b"")) as hook:
        daemon = start(PUBLISH="webhook", WEBHOOK_URL=hook.url, CONCURRENT_CRASHMOVERS="1")
        ids = submit(daemon, 10)
        eventually(lambda: daemon.saved_ids() == set(ids), 10, "saved all the same")
        eventually(lambda: daemon.heartbeat_errors()[0] == 503, 10, "unhealthy")
        assert len(hook.seen) == 1


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """A service account's key file, and the public half."""
    folder = tmp_path_factory.mktemp("account")
    private, public = folder / "private.pem", folder / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    (folder / "key.json").write_text(json.dumps({
        "type": "service_account", "client_email": EMAIL, "private_key_id": "k-1", "private_key": private.read_text()}))
    return folder


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_token(account, header):
    kind, token = header.split(" ")
    assert kind == "Bearer"
    head, claims, signature = token.split(".")
    assert json.loads(decode(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k-1"}
    told = json.loads(decode(claims))
    assert told["iss"] == told["sub"] == EMAIL and told["aud"] == "https://pubsub.googleapis.com/"
    assert abs(told["iat"] - time.time()) < 60 and told["exp"] == told["iat"] + 3600
    (account / "signature").write_bytes(decode(signature))
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", account / "public.pem", "-signature",
                    account / "signature"], input=f"{head}.{claims}".encode(), check=True, capture_output=True)


def google_error(status, name, message):
    return status, {"Content-Type": "application/json"}, json.dumps(
        {"error": {"code": status, "message": message, "status": name}}).encode()


class Topic:
    """What Pub/Sub's REST does for one topic; `down` answers everything as told."""

    def __init__(self):
        self.down = None
        self.messages = []
        self.headers = []

    def answer(self, seen):
        self.headers.append(seen.headers)
        if self.down:
            return self.down
        if seen.method == "GET" and seen.path == f"/v1/{TOPIC}":
            return 200, {}, json.dumps({"name": TOPIC}).encode()
        if seen.method == "POST" and seen.path == f"/v1/{TOPIC}:publish":
            texts = [base64.b64decode(message["data"]).decode() for message in json.loads(seen.body)["messages"]]
            self.messages += texts
            return 200, {}, json.dumps({"messageIds": [str(uuid.uuid4()) for _ in texts]}).encode()
        return google_error(404, "NOT_FOUND", "Resource not found (resource=crash-ids).")


def pubsub_settings(stand_in, account, **more):
    return {"PUBLISH": "pubsub", "PUBSUB_TOPIC": "crash-ids", "PUBSUB_PROJECT": "crash-test",
            "PUBSUB_ENDPOINT_URL": stand_in.url, "PUBSUB_KEY_FILE": account / "key.json", **more}


def test_pubsub_with_a_service_account(start, account):
    topic = Topic()
    with Answering(topic.answer) as stand_in:
        daemon = start(**pubsub_settings(stand_in, account))
        ids = submit(daemon, 10)
        wait_published(daemon)
        assert topic.messages[0] == "test"  # as Antenna does
        assert sorted(topic.messages[1:]) == sorted(ids)
        check_token(account, topic.headers[-1]["authorization"])
        assert len({headers["authorization"] for headers in topic.headers}) == 1, "a token serves for an hour"
        topic.down = google_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        time.sleep(1.1)  # so that another token differs from the first
        more = submit(daemon, 2)
        daemon.wait_log("Pub/Sub answered 401 Request had invalid authentication credentials")
        topic.down = google_error(503, "UNAVAILABLE", "try again")
        eventually(lambda: any("503 try again" in error for error in daemon.heartbeat_errors()[1]), 10, "unhealthy")
        topic.down = google_error(403, "PERMISSION_DENIED", "no")
        daemon.wait_log("Pub/Sub answered 403 no: the service account needs the role Pub/Sub Publisher")
        topic.down = None
        wait_published(daemon)
        assert sorted(topic.messages[1:]) == sorted(ids + more)
        check_token(account, topic.headers[-1]["authorization"])
        assert topic.headers[-1]["authorization"] != topic.headers[0]["authorization"]
        assert "PRIVATE" not in daemon.log_text() and "eyJ" not in daemon.log_text()
        daemon.stop()


@pytest.mark.parametrize("settings, cause", [
    ({"PUBSUB_TOPIC": "other"}, "Pub/Sub answered 404 Resource not found (resource=crash-ids).: there is no such topic"),
    ({"PUBSUB_TOPIC": "projects/a/b"}, "the topic must be projects/PROJECT/topics/TOPIC"),
    ({"PUBSUB_KEY_FILE": __file__}, "is no key of a service account"),
])
def test_pubsub_mistakes_stop_the_start(start, account, settings, cause):
    with Answering(Topic().answer) as stand_in:
        daemon = start(run=False, **pubsub_settings(stand_in, account, **settings))
        daemon.launch()
        assert daemon.wait() == 1
        assert cause in daemon.log_text()


def test_pubsub_is_down_at_start(start, account):
    topic = Topic()
    topic.down = google_error(503, "UNAVAILABLE", "try again")
    with Answering(topic.answer) as stand_in:
        daemon = start(**pubsub_settings(stand_in, account))
        ids = submit(daemon, 3)
        topic.down = None
        wait_published(daemon)
        assert sorted(topic.messages) == sorted(ids)


def test_pubsub_emulator(start):
    """The library's side of an emulator, and Google's own where there is one."""
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        pytest.skip("PUBSUB_EMULATOR_HOST is not set: Google's emulator is not asked")
    url = f"http://{host}/v1/projects/crash-test"
    name = f"t-{uuid.uuid4().hex[:8]}"
    requests.put(f"{url}/topics/{name}", json={}, timeout=10).raise_for_status()
    requests.put(f"{url}/subscriptions/{name}", json={"topic": f"projects/crash-test/topics/{name}"},
                 timeout=10).raise_for_status()
    daemon = start(PUBLISH="pubsub", PUBSUB_TOPIC=f"projects/crash-test/topics/{name}", PUBSUB_EMULATOR=host)
    ids = submit(daemon, 10)
    wait_published(daemon)
    pulled = set()

    def pull():
        reply = requests.post(f"{url}/subscriptions/{name}:pull", json={"maxMessages": 100}, timeout=10).json()
        for received in reply.get("receivedMessages", []):
            pulled.add(base64.b64decode(received["message"]["data"]).decode())
        return pulled >= set(ids)
    eventually(pull, 20, "all pulled back")
    absent = start(run=False, PUBLISH="pubsub", PUBSUB_TOPIC="projects/crash-test/topics/none", PUBSUB_EMULATOR=host)
    absent.launch()
    assert absent.wait() == 1 and "404" in absent.log_text()


def test_an_emulator_needs_no_key(start):
    topic = Topic()
    with Answering(topic.answer) as stand_in:
        daemon = start(PUBLISH="pubsub", PUBSUB_TOPIC=TOPIC, PUBSUB_EMULATOR=f"127.0.0.1:{stand_in.port}")
        ids = submit(daemon, 3)
        wait_published(daemon)
        assert sorted(topic.messages) == sorted(["test", *ids])
        assert all("authorization" not in headers for headers in topic.headers)
