# SPDX-License-Identifier: MIT
"""Publishing to SQS: a stand-in that speaks its JSON protocol (it checks no signatures; sigv4's own tests do), and
answers that it does not give."""
import json
import uuid

import pytest
import requests

from answering import Answering
from harness import MINIDUMP, eventually
from service import Service

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "sqs-secret-5"}


@pytest.fixture(scope="module")
def sqs(tmp_path_factory):
    service = Service("sqs", tmp_path_factory.mktemp("sqs"), 1)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def start(daemon_factory):
    def start_one(run=True, environment=None, **settings):
        more = {"PUBLISH": "sqs", "RETRY_FIRST": "20ms", "RETRY_MAX": "100ms", "CHECK_PERIOD": "100ms", **settings}
        env = {f"CRASHCOLLECT_{name}": value for name, value in more.items()}
        begin = daemon_factory if run else daemon_factory.make
        return begin(env={**env, **(KEYS if environment is None else environment)})
    return start_one


def call(sqs, action, **body):
    headers = {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0",
               "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request"}
    reply = requests.post(sqs["SQS_ENDPOINT"], json.dumps(body), headers=headers, timeout=10)
    reply.raise_for_status()
    return reply.json()


def receive_all(sqs, url, wanted):
    received = []

    def take():
        reply = call(sqs, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        received.extend(message["Body"] for message in reply.get("Messages", []))
        return set(received) >= set(wanted)
    eventually(take, 20, f"{len(wanted)} messages")
    return received


def submit(daemon, count):
    return [daemon.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(count)]


def wait_published(daemon):
    eventually(lambda: daemon.metric("crashcollect_save_queue_size") == 0, 20, "an empty queue")


@pytest.mark.parametrize("by", ["name", "url"])
def test_messages_arrive(sqs, start, by):
    name = f"q-{uuid.uuid4().hex[:8]}"
    url = call(sqs, "CreateQueue", QueueName=name)["QueueUrl"]
    daemon = start(SQS_QUEUE=name if by == "name" else url, SQS_ENDPOINT_URL=sqs["SQS_ENDPOINT"])
    ids = submit(daemon, 20)
    wait_published(daemon)
    assert sorted(receive_all(sqs, url, ids + ["test"])) == sorted(ids + ["test"])
    assert daemon.heartbeat_errors() == (200, [])
    daemon.stop()


def test_antennas_variables(sqs, start):
    name = f"q-{uuid.uuid4().hex[:8]}"
    url = call(sqs, "CreateQueue", QueueName=name)["QueueUrl"]
    daemon = start(run=False, environment={
        "CRASHPUBLISH_CLASS": "antenna.ext.sqs.crashpublish.SQSCrashPublish", "CRASHPUBLISH_QUEUE_NAME": name,
        "CRASHPUBLISH_ENDPOINT_URL": sqs["SQS_ENDPOINT"], "CRASHPUBLISH_ACCESS_KEY": "AKIDTEST",
        "CRASHPUBLISH_SECRET_ACCESS_KEY": "sqs-secret-5", "CRASHPUBLISH_REGION": "us-east-1"})
    del daemon.env["CRASHCOLLECT_PUBLISH"]
    daemon.start()
    ids = submit(daemon, 1)
    receive_all(sqs, url, ids)
    assert "sqs-secret-5" not in daemon.log_text()


def test_a_missing_queue_stops_the_start(sqs, start):
    daemon = start(run=False, SQS_QUEUE="no-such-queue", SQS_ENDPOINT_URL=sqs["SQS_ENDPOINT"])
    daemon.launch()
    assert daemon.wait() == 1
    assert "there is no such queue in this region" in daemon.log_text()


def test_what_amazon_answers(start):
    """Wrong keys, throttling, an outage: told with its cause, and nothing is lost."""
    down = [None]
    sent = []

    def answer(seen):
        target = seen.headers["x-amz-target"]
        authorization = seen.headers["authorization"]
        assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDTEST/") and "/eu-west-1/sqs/" in authorization
        assert "content-type;host;x-amz-date;x-amz-target" in authorization
        if down[0]:
            status, kind, message = down[0]
            return status, {}, json.dumps({"__type": f"com.amazon.coral.service#{kind}", "message": message}).encode()
        if target == "AmazonSQS.SendMessage":
            sent.append(json.loads(seen.body)["MessageBody"])
            return 200, {}, b'{"MessageId": "1"}'
        return 200, {}, b'{"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/crashids"}'
    with Answering(answer) as stand_in:
        daemon = start(SQS_QUEUE="crashids", SQS_REGION="eu-west-1", SQS_ENDPOINT_URL=stand_in.url)
        for status, kind, message, cure in [
                (403, "InvalidClientTokenId", "The security token is invalid.", "are these keys still valid"),
                (403, "AccessDeniedException", "not allowed", "the keys need sqs:GetQueueUrl and sqs:SendMessage"),
                (403, "SignatureDoesNotMatch", "differs", "is the secret key right, and the clock"),
                (400, "RequestThrottled", "slow down", "slow down"), (503, "ServiceUnavailable", "later", "later")]:
            down[0] = status, kind, message
            if not submit(daemon, 1):
                pytest.fail("a client noticed")
            daemon.wait_log(f"SQS answered {status} .*{cure}")
        down[0] = None
        wait_published(daemon)
        assert sorted(sent) == sorted(["test", *daemon.saved_ids()]) and len(sent) == 6
        assert "sqs-secret-5" not in daemon.log_text()
