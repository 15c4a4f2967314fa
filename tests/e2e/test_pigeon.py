# SPDX-License-Identifier: MIT
"""examples/pigeon: S3 events in, crash ids in RabbitMQ out; by stdin, posted, and from a queue."""
import json
import os
import pathlib
import re
import signal
import subprocess
import uuid

import pytest
import requests

from harness import SANITIZER, clean_environment, eventually
from rabbit import Consumer

DAY = "20261125"


def new_id(digit="0"):
    text = str(uuid.uuid4())
    return f"{text[:29]}{digit}{DAY[2:]}"


def v2(crash_id):
    return f"v2/raw_crash/{crash_id[:3]}/{DAY}/{crash_id}"


def v1(crash_id):
    return f"v1/raw_crash/{DAY}/{crash_id}"


def event(*keys, source="aws:s3", name="ObjectCreated:Put"):
    return json.dumps({"Records": [{"eventVersion": "2.2", "eventSource": source, "eventName": name,
                                    "s3": {"bucket": {"name": "crashes"}, "object": {"key": key, "size": 9}}}
                                   for key in keys]})


class Pigeon:
    def __init__(self, build_dir, folder, rabbit, queues, *words, **more):
        self.log_path = folder / f"pigeon-{uuid.uuid4().hex[:6]}.stderr"
        self.command = [os.path.join(build_dir, "examples", "pigeon"), *words]
        self.env = clean_environment({"PIGEON_URL": rabbit["AMQP_URL"], "PIGEON_QUEUE": queues, **more})
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stderr=log)
        return self

    def log(self):
        return self.log_path.read_text()

    def wait_log(self, text, seconds=20):
        eventually(lambda: text in self.log(), seconds, f"{text!r} in {self.log_path}")

    @property
    def url(self):
        self.wait_log("listening on")
        return "http://" + self.log().split("listening on ")[1].split()[0] + "/"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log()
        assert not SANITIZER.search(self.log()), self.log()


def run(build_dir, rabbit, queues, text, **more):
    """The stdin form: (exit status, stderr)."""
    done = subprocess.run([os.path.join(build_dir, "examples", "pigeon")], input=text.encode(), stderr=subprocess.PIPE,
                          env=clean_environment({"PIGEON_URL": rabbit["AMQP_URL"], "PIGEON_QUEUE": queues, **more}),
                          timeout=60)
    told = done.stderr.decode()
    assert not SANITIZER.search(told), told
    return done.returncode, told


def test_manual_page_and_help_tell_every_variable(build_dir):
    folder = pathlib.Path(__file__).parents[2] / "examples/pigeon"
    read = set(re.findall(r'getenv\("(\w+)"\)', "".join(file.read_text() for file in folder.glob("*.c"))))
    told = subprocess.run([os.path.join(build_dir, "examples", "pigeon"), "--help"], capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  (\w+)  ", told.stdout, re.M)) == read
    assert set(re.findall(r"^\.It Ev (\w+)$", (folder / "pigeon.1").read_text(), re.M)) == read


def test_only_raw_crashes_that_were_accepted(build_dir, rabbit, queue):
    good = [new_id() for _ in range(6)]
    deferred, other = new_id("1"), new_id()
    lines = [
        event(v2(good[0])), event(v1(good[1])),
        event(v2(good[2]), source="ceph:s3"), event(v1(good[3]), name="ObjectCreated:CompleteMultipartUpload"),
        event(v2(deferred), v2(good[4]), f"v1/dump/{other}", f"v1/dump_names/{other}"),
        event(v2(good[0])),  # S3 may tell twice
        event(v1(other), name="ObjectRemoved:Delete"), event(v1(other), source="minio:s3"),
        event(f"v2/raw_crash/zzz/{DAY}/{other}", f"x/{v1(other)}", f"v1/raw_crash/{other}", v1(other) + "x",
              v1(new_id("2"))),
        "", event(v1(good[5]).replace("-", "%2D").replace("/", "%2F")),
    ]
    status, told = run(build_dir, rabbit, queue, "\n".join(lines) + "\n")
    assert status == 0, told
    consumer = Consumer(rabbit, queue)
    consumer.take()
    assert consumer.counts == {**{crash_id: 1 for crash_id in good}, good[0]: 2}
    assert consumer.properties[good[1]].delivery_mode == 2
    assert "accepted 1, deferred 1, ignored 2, throttled 0" in told


def test_shares(build_dir, rabbit, queue):
    """600 ids at 50 %: outside of 200 to 400 once in 10^15 runs."""
    none = f"none-{queue}"
    half = f"half-{queue}"
    rabbit.declare(none)
    rabbit.declare(half)
    ids = [new_id() for _ in range(600)]
    status, told = run(build_dir, rabbit, f"{queue},0:{none}, 50:{half}", event(*map(v1, ids)) + "\n")
    assert status == 0, told
    taken = {name: Consumer(rabbit, name) for name in (queue, none, half)}
    for consumer in taken.values():
        consumer.take()
    assert set(taken[queue].counts) == set(ids)
    assert not taken[none].counts
    assert 200 < len(taken[half].counts) < 400


@pytest.mark.parametrize("queues, text, cause", [
    ("nowhere", "", "no queue nowhere"),
    ("101:x", "", "is no queue: give NAME or PERCENT:NAME"),
    (None, "this is no event\n", "this is no S3 event"),
    (None, "[" * 100000 + "\n", "this is no S3 event"),
])
def test_mistakes_are_told(build_dir, rabbit, queue, queues, text, cause):
    status, told = run(build_dir, rabbit, queues or queue, text)
    assert status == 1 and cause in told


def test_posted_events(build_dir, tmp_path, rabbit, queue):
    pigeon = Pigeon(build_dir, tmp_path, rabbit, queue, "listen", "127.0.0.1:0", PIGEON_ATTEMPTS="1").start()
    ids = [new_id() for _ in range(20)]
    for crash_id in ids[:-1]:
        assert requests.post(pigeon.url, event(v2(crash_id), source="ceph:s3"), timeout=20).status_code == 200
    assert requests.post(pigeon.url, "{}", timeout=20).status_code == 400
    assert requests.post(pigeon.url, b"x" * 2_000_000, timeout=20).status_code == 413
    assert requests.get(pigeon.url, timeout=20).status_code == 405
    rabbit.delete(queue)
    reply = requests.post(pigeon.url, event(v2(ids[-1])), timeout=20)
    assert reply.status_code == 503 and reply.headers["retry-after"]
    rabbit.declare(queue)
    assert requests.post(pigeon.url, event(v2(ids[-1])), timeout=20).status_code == 200
    consumer = Consumer(rabbit, queue)
    consumer.take()
    assert consumer.counts == {ids[-1]: 1}, "the others went with the queue"
    pigeon.stop()


def test_events_from_a_queue(build_dir, tmp_path, rabbit, queue):
    source = f"events-{queue}"
    rabbit.declare(source)
    connection = rabbit.connect()
    channel = connection.channel()
    ids = [new_id() for _ in range(40)]

    def put(text):
        channel.basic_publish("", source, text)
    put("no event at all")
    for crash_id in ids[:20]:
        put(event(v1(crash_id), source="ceph:s3"))
    pigeon = Pigeon(build_dir, tmp_path, rabbit, queue, "consume", source, PIGEON_ATTEMPTS="1").start()
    consumer = Consumer(rabbit, queue)
    consumer.wait_for(ids[:20])
    rabbit.control("close_all_connections", "test")  # both of pigeon's
    connection = rabbit.connect()
    channel = connection.channel()
    rabbit.delete(queue)
    for crash_id in ids[20:]:
        put(event(v1(crash_id), source="ceph:s3"))
    pigeon.wait_log("failed: ")
    rabbit.declare(queue)
    consumer.wait_for(ids[20:])
    connection.close()
    eventually(lambda: not rabbit.messages(source), 20, "all events acknowledged")
    pigeon.stop()
