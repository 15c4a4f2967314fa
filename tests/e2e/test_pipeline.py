# SPDX-License-Identifier: MIT
"""The whole way of a crash on real parts: client, crashcollectd, radosgw, its events, RabbitMQ, consumer; and the same
while each of them is killed at random. CCOL_PIPELINE_CRASHES: how many of the latter."""
import collections
import hashlib
import json
import os
import random
import socket
import threading
import time
import uuid

import pytest

from harness import CRASH_ID, MINIDUMP, Daemon, eventually, multipart
from rabbit import Consumer
from radosgw import RAW_CRASH, Radosgw
from test_amqp import RULES
from test_pigeon import Pigeon

CRASHES = int(os.environ.get("CCOL_PIPELINE_CRASHES", "400"))
SEED = int(os.environ.get("CCOL_PIPELINE_SEED", random.SystemRandom().randrange(1 << 32)))
CLIENTS = 16
EXCHANGE = "s3-events"  # radosgw has one per broker
CLIENT_PAUSE = 0.3  # seconds at most


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    server = Radosgw(tmp_path_factory.mktemp("radosgw"))
    yield server
    server.stop()


@pytest.fixture
def bucket(gateway):
    name = f"crashes-{uuid.uuid4().hex[:8]}"
    gateway.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def start(tmp_path, gateway, bucket, rabbit):
    started = []

    def start_one(queue, **settings):
        rules = tmp_path / "rules.json"
        rules.write_text(json.dumps(RULES))
        more = {"PUBLISH": "amqp", "AMQP_URL": rabbit["AMQP_URL"], "AMQP_QUEUE": queue, "PUBLISH_TIMEOUT": "2s",
                "RETRY_FIRST": "50ms", "RETRY_MAX": "500ms", "THROTTLE_RULES": rules, "LOG_LEVEL": "info",
                **settings}
        env = {f"CRASHCOLLECT_{name}": value for name, value in more.items()}
        daemon = Daemon(data_dir=tmp_path / f"daemon{len(started)}",
                        env={**gateway.variables(bucket), **env})
        started.append(daemon)
        return daemon.start()
    yield start_one
    for daemon in started:
        daemon.kill()
        print(daemon.log_text()[-4000:])
        daemon.check_sanitizers()


def notify(gateway, bucket, layout, **topics):
    """Events of raw crashes go to each topic: its name and its attributes."""
    sns = gateway.client("sns")
    rules = []
    for name, attributes in topics.items():
        arn = sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
        rules.append({"Id": name, "TopicArn": arn, "Events": ["s3:ObjectCreated:*"],
                      "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{layout}/raw_crash/"}]}}})
    gateway.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": rules})


def ids_of_events(rabbit, queue, ids):
    """The crash ids in the events of a queue, once all of those are there."""
    found = []

    def take():
        for body, _ in rabbit.messages(queue):
            for record in json.loads(body)["Records"]:
                assert (record["eventSource"], record["eventName"]) == ("ceph:s3", "ObjectCreated:Put")
                match = RAW_CRASH.fullmatch(record["s3"]["object"]["key"])
                found.append(match.group(3) or match.group(5))
        return set(found) >= set(ids)
    eventually(take, 30, "events of all stored crashes")
    return found


@pytest.mark.parametrize("layout", ["v2", "v1"])
def test_every_way_to_the_consumer(gateway, bucket, rabbit, start, build_dir, tmp_path, layout):
    mark = uuid.uuid4().hex[:6]
    watched, eaten = f"watched-{mark}", f"eaten-{mark}"
    straight, posted, consumed = f"straight-{mark}", f"posted-{mark}", f"consumed-{mark}"
    topic = f"amqp{mark}"
    for queue in (straight, posted, consumed):
        rabbit.declare(queue)
    for queue in (watched, eaten):
        rabbit.declare(queue, exchange=EXCHANGE, key=topic)
    listening = Pigeon(build_dir, tmp_path, rabbit, posted, "listen", "127.0.0.1:0").start()
    consuming = Pigeon(build_dir, tmp_path, rabbit, consumed, "consume", eaten).start()
    # radosgw takes no password by plain HTTP, and logs in as guest. With the ack level "broker" its version 16 crashes
    # under several uploads at once: who waits for the ack frees the mutex that the acker still has to unlock.
    notify(gateway, bucket, layout, **{
        topic: {"push-endpoint": f"amqp://127.0.0.1:{rabbit.port}", "amqp-exchange": EXCHANGE,
                "amqp-ack-level": "none"},
        f"http{mark}": {"push-endpoint": listening.url}})

    daemon = start(straight, S3_LAYOUT=layout)
    accepted, deferred = [], []
    for number in range(40):
        product = "Later" if number % 4 == 3 else "Test"
        reply = daemon.submit({"upload_file_minidump": MINIDUMP}, {"ProductName": product})
        (deferred if product == "Later" else accepted).append(reply.crash_id)
    stored = accepted + deferred
    eventually(lambda: set(gateway.crash_ids(bucket)) == set(stored), 30, "all stored")

    seen = ids_of_events(rabbit, watched, stored)  # the store knows nothing of deferring: the digit says it
    assert sorted(seen) == sorted(stored)
    assert sorted(crash_id for crash_id in seen if crash_id[-7] == "0") == sorted(accepted)
    for queue in (straight, posted, consumed):
        consumer = Consumer(rabbit, queue)
        consumer.wait_for(accepted)
        assert consumer.counts == {crash_id: 1 for crash_id in accepted}, queue
    daemon.stop()
    listening.stop()
    consuming.stop()
    for queue in (straight, posted, consumed):
        assert not rabbit.messages(queue)


class Ledger:
    """What clients sent and what they were told."""

    def __init__(self, count):
        self.lock = threading.Lock()
        self.numbers = iter(range(count))
        self.accepted = {}  # number -> id
        self.deferred = set()
        self.tries = collections.Counter()

    def next_number(self):
        with self.lock:
            return next(self.numbers, None)

    def done(self):
        return len(self.accepted)


def post(daemon, number):
    """One attempt; the id or None. A connection that is cut may have been accepted: the client cannot know."""
    product = "Later" if number % 10 == 9 else "Test"
    dump = MINIDUMP * (1 + number % 8)
    content_type, body = multipart({"ProductName": product, "Number": str(number)}, {"upload_file_minidump": dump})
    try:
        reply = daemon.request("POST", "/submit", body, {"Content-Type": content_type}, timeout=20)
    except OSError:
        return None
    except Exception as error:  # http.client's own, for half an answer
        assert type(error).__module__ == "http.client", error
        return None
    match = CRASH_ID.fullmatch(reply.text)
    return match.group(1) if reply.status == 200 and match else None


def run_client(daemon, ledger):
    rng = random.Random(threading.get_ident())
    while (number := ledger.next_number()) is not None:
        while (crash_id := post(daemon, number)) is None:
            ledger.tries[number] += 1
            time.sleep(0.05)
        with ledger.lock:
            ledger.accepted[number] = crash_id
            if number % 10 == 9:
                ledger.deferred.add(crash_id)
        time.sleep(rng.uniform(0, CLIENT_PAUSE))


class Killer(threading.Thread):
    """Kills one part with SIGKILL again and again, at random, and starts it again each time, until all clients are done,
    but once at least."""

    PAUSES = {"collector": (0.2, 3), "gateway": (1, 6), "broker": (2, 10)}

    def __init__(self, part, seed, daemon, gateway, rabbit, is_over):
        super().__init__()
        self.part, self.rng, self.is_over = part, random.Random(f"{seed} {part}"), is_over
        self.daemon_process, self.gateway, self.rabbit = daemon, gateway, rabbit
        self.kills = 0
        self.failure = None

    def kill(self):
        self.kills += 1
        if self.part == "collector":
            self.daemon_process.kill()
            time.sleep(self.rng.uniform(0, 0.3))
            eventually(self.start_collector, 120, "a collector that starts", step=0.2)
        elif self.part == "gateway":
            self.gateway.kill_gateway()
            time.sleep(self.rng.uniform(0, 1))
            self.gateway.start_gateway()
            eventually(self.gateway_answers, 120, "a gateway that answers", step=0.2)
        else:
            self.rabbit.kill("broker")
            time.sleep(self.rng.uniform(0, 1))
            self.rabbit.start(env={"RABBITMQ_KEEP": "1"})

    def start_collector(self):
        """It may not start while the gateway is away; a service manager would try again."""
        try:
            self.daemon_process.start(seconds=60)
            return True
        except AssertionError:
            assert not self.daemon_process.running()
            return False

    def gateway_answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.gateway.url.rsplit(":", 1)[1]))) == 0

    def run(self):
        try:
            while not self.kills or not self.is_over():
                time.sleep(self.rng.uniform(*self.PAUSES[self.part]))
                self.kill()
        except Exception as failure:  # told by the test
            self.failure = failure


def stored_crashes(gateway, bucket):
    """{number: [id]} of what is stored, each crash looked at in full."""
    numbers = collections.defaultdict(list)
    keys = set(gateway.keys(bucket, "v"))
    for key in keys:
        match = RAW_CRASH.fullmatch(key)
        if not match:
            continue
        raw = json.loads(gateway.get(bucket, key))
        crash_id = match.group(3)
        assert raw["uuid"] == crash_id
        assert f"v1/dump_names/{crash_id}" in keys
        dump = gateway.get(bucket, f"v1/dump/{crash_id}")
        assert hashlib.sha256(dump).hexdigest() == raw["metadata"]["dump_checksums"]["upload_file_minidump"]
        assert len(dump) == len(MINIDUMP) * (1 + int(raw["Number"]) % 8)
        numbers[int(raw["Number"])].append(crash_id)
    return numbers


@pytest.mark.slow
def test_everything_is_killed(gateway, bucket, rabbit, start):
    print(f"CCOL_PIPELINE_SEED={SEED}")
    queue = f"killed-{uuid.uuid4().hex[:6]}"
    rabbit.declare(queue)
    daemon = start(queue, CONCURRENT_CRASHMOVERS="8")
    daemon.env["CRASHCOLLECT_LISTEN"] = f"127.0.0.1:{daemon.port}"
    ledger = Ledger(CRASHES)
    threads = [threading.Thread(target=run_client, args=(daemon, ledger)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    killers = [Killer(part, SEED, daemon, gateway, rabbit, lambda: not any(thread.is_alive() for thread in threads))
               for part in Killer.PAUSES]
    for thread in killers:
        thread.start()
    for thread in threads + killers:
        thread.join()
    assert not [killer.failure for killer in killers if killer.failure]
    eventually(lambda: daemon.metric("crashcollect_save_queue_size") == 0, 120, "an empty queue")
    assert ledger.done() == CRASHES

    numbers = stored_crashes(gateway, bucket)
    told = set(ledger.accepted.values())
    stored = [crash_id for ids in numbers.values() for crash_id in ids]
    assert told <= set(stored), f"lost: {len(told - set(stored))}"
    assert len(stored) == len(set(stored))
    consumer = Consumer(rabbit, queue)
    consumer.take()
    wanted = told - ledger.deferred
    assert wanted <= set(consumer.counts), f"not published: {len(wanted - set(consumer.counts))}"
    assert all(crash_id[-7] == "0" for crash_id in consumer.counts), "a deferred one was published"
    assert set(consumer.counts) <= set(stored), "published and not stored"

    # Twice stored, under two ids: its answer was lost with the collector, and the client sent it again.
    again = {number: ids for number, ids in numbers.items() if len(ids) > 1}
    assert all(ledger.tries[number] for number in again)
    # Published twice: the collector, or the broker, was killed between the broker's taking it and the mark in the spool.
    twice = sum(count - 1 for count in consumer.counts.values())
    kills = {killer.part: killer.kills for killer in killers}
    print(f"{CRASHES} crashes, killed {kills}: {len(stored)} stored, {len(again)} of them sent twice by "
          f"their clients, {len(consumer.counts)} published, {twice} of them twice; {sum(ledger.tries.values())} retries")
