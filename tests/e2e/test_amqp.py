# SPDX-License-Identifier: MIT
"""Publishing to a real RabbitMQ that confirms, refuses, returns, freezes, dies and blocks: every accepted id arrives."""
import json
import signal
import subprocess
import uuid

import pytest

from harness import MINIDUMP, eventually, free_port
from rabbit import Consumer

RULES = {"rules": [{"name": "put_off", "when": {"key": "ProductName", "is": "Later"}, "result": "defer"},
                   {"name": "no", "when": {"key": "ProductName", "is": "Never"}, "result": "reject"},
                   {"name": "all", "result": "accept"}]}


@pytest.fixture
def start(daemon_factory, tmp_path, rabbit):
    def start_one(queue=None, run=True, **settings):
        rules = tmp_path / "rules.json"
        rules.write_text(json.dumps(RULES))
        more = {"PUBLISH": "amqp", "AMQP_URL": rabbit["AMQP_URL"], "PUBLISH_TIMEOUT": "500ms", "RETRY_FIRST": "20ms",
                "RETRY_MAX": "200ms", "CHECK_PERIOD": "100ms", "THROTTLE_RULES": rules, **settings}
        if queue:
            more["AMQP_QUEUE"] = queue
        begin = daemon_factory if run else daemon_factory.make
        return begin(env={f"CRASHCOLLECT_{name}": value for name, value in more.items()})
    return start_one


def submit(daemon, count, product="Test"):
    return [daemon.submit({"upload_file_minidump": MINIDUMP}, {"ProductName": product}).crash_id for _ in range(count)]


def queue_size(daemon):
    return daemon.metric("crashcollect_save_queue_size")


def wait_unhealthy(daemon, text):
    eventually(lambda: any(text in error for error in daemon.heartbeat_errors()[1]), 20, f"heartbeat with {text!r}")


def test_accepted_ids_arrive_and_no_others(rabbit, queue, start):
    daemon = start(queue)
    wanted = submit(daemon, 20)
    deferred = submit(daemon, 5, "Later")
    assert daemon.submit(None, {"ProductName": "Never"}).text == "Discarded=rule_no"
    wanted += submit(daemon, 20)
    consumer = Consumer(rabbit, queue)
    consumer.wait_for(wanted)
    eventually(lambda: queue_size(daemon) == 0, 10, "an empty queue")
    consumer.take()
    assert consumer.counts == {crash_id: 1 for crash_id in wanted}
    assert {crash_id[-7] for crash_id in wanted} == {"0"} and {crash_id[-7] for crash_id in deferred} == {"1"}
    properties = consumer.properties[wanted[0]]
    assert properties.delivery_mode == 2 and properties.message_id == wanted[0]
    assert daemon.saved_ids() >= set(wanted + deferred)
    assert "guest:guest" not in daemon.log_text()
    assert rabbit.heartbeats() == {30}
    daemon.stop()


@pytest.mark.parametrize("settings, cause", [
    ({"AMQP_QUEUE": "nowhere"}, "no queue nowhere at the AMQP broker: it answered 404 NOT_FOUND"),
    ({"AMQP_EXCHANGE": "nowhere"}, "no exchange nowhere at the AMQP broker: it answered 404 NOT_FOUND"),
    ({"AMQP_URL": "amqp://guest:wrong-password-7@127.0.0.1:%d/", "AMQP_QUEUE": "x"}, "403 ACCESS_REFUSED"),
    ({"AMQP_URL": "amqp://guest:guest@127.0.0.1:%d/nohost", "AMQP_QUEUE": "x"}, "530 NOT_ALLOWED"),
    ({"AMQP_URL": "http://127.0.0.1/", "AMQP_QUEUE": "x"}, "must be amqp[s]://"),
])
def test_what_is_wrong_for_good_stops_the_start(rabbit, start, settings, cause):
    if "%d" in settings.get("AMQP_URL", ""):
        settings = {**settings, "AMQP_URL": settings["AMQP_URL"] % rabbit.port}
    daemon = start(run=False, **settings)
    daemon.launch()
    assert daemon.wait() == 1
    assert cause in daemon.log_text()
    assert "wrong-password-7" not in daemon.log_text()


def test_tls(rabbit, queue, start):
    daemon = start(queue, AMQP_URL=rabbit["AMQPS_URL"], PUBLISH_CA_FILE=rabbit["AMQP_CA_FILE"], PUBLISH_TIMEOUT="5s")
    Consumer(rabbit, queue).wait_for(submit(daemon, 5))
    daemon.stop()
    stranger = start(queue, run=False, AMQP_URL=rabbit["AMQPS_URL"], PUBLISH_TIMEOUT="5s")
    stranger.launch()
    assert stranger.wait() == 1
    assert "name it as the CA file" in stranger.log_text()


def test_a_full_queue_refuses(rabbit, start):
    name = f"full-{uuid.uuid4().hex[:8]}"
    rabbit.declare(name, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    daemon = start(name)
    ids = submit(daemon, 4)
    daemon.wait_log(r"refused the message \(nack\)")
    wait_unhealthy(daemon, "nack")
    Consumer(rabbit, name).wait_for(ids)  # it makes room
    eventually(lambda: queue_size(daemon) == 0, 20, "an empty queue")


def test_a_message_that_reaches_no_queue_does_not_count(rabbit, start):
    name = f"topic-{uuid.uuid4().hex[:8]}"
    rabbit.declare(name, exchange=f"x-{name}", key="other")
    daemon = start(AMQP_EXCHANGE=f"x-{name}", AMQP_ROUTING_KEY="crashes")
    ids = submit(daemon, 3)
    daemon.wait_log("returned the message: NO_ROUTE")
    assert daemon.metric("crashcollect_save_queue_size") == 3
    rabbit.declare(name, exchange=f"x-{name}", key="crashes")
    Consumer(rabbit, name).wait_for(ids)


def test_a_frozen_broker_holds_up_nothing_else(rabbit, queue, start):
    daemon = start(queue)
    ids = submit(daemon, 5)
    Consumer(rabbit, queue).wait_for(ids)
    rabbit.signal("broker", signal.SIGSTOP)
    try:
        frozen = submit(daemon, 20)
        eventually(lambda: daemon.saved_ids() >= set(frozen), 20, "saved meanwhile")
        daemon.wait_log("did not confirm the message")
        wait_unhealthy(daemon, "the AMQP broker")
    finally:
        rabbit.signal("broker", signal.SIGCONT)
    consumer = Consumer(rabbit, queue)
    consumer.wait_for(frozen)
    eventually(lambda: daemon.heartbeat_errors()[0] == 200, 20, "well again")
    daemon.stop()


def test_blocked_by_an_alarm(rabbit, queue, start):
    daemon = start(queue)
    rabbit.control("set_vm_memory_high_watermark", "0")
    try:
        ids = submit(daemon, 5)
        daemon.wait_log("takes no messages: low on memory", 20)
        wait_unhealthy(daemon, "takes no messages")
        assert submit(daemon, 1)
    finally:
        rabbit.control("set_vm_memory_high_watermark", "absolute", "512MB")
    Consumer(rabbit, queue).wait_for(ids)
    eventually(lambda: queue_size(daemon) == 0, 20, "an empty queue")


def test_closed_connections_are_opened_again(rabbit, queue, start):
    daemon = start(queue, CHECK_PERIOD="1h")  # nobody looks after the connections that are kept
    ids = submit(daemon, 5)
    eventually(lambda: queue_size(daemon) == 0, 10, "published")
    rabbit.control("close_all_connections", "test")
    ids += submit(daemon, 5)
    consumer = Consumer(rabbit, queue)
    consumer.wait_for(ids)
    assert not [line for line in daemon.log_lines() if "failed, attempt" in line]


def test_a_killed_broker_and_a_killed_collector(rabbit, queue, start, tmp_path):
    """What waits to be published is in state saved, survives a kill -9 of the collector, and is not saved again."""
    daemon = start(queue)
    ids = submit(daemon, 5)
    eventually(lambda: queue_size(daemon) == 0, 10, "published")
    rabbit.kill("broker")
    ids += submit(daemon, 15)
    eventually(lambda: daemon.saved_ids() >= set(ids), 20, "saved")
    listed = subprocess.run([daemon.command[0], "queue", "list", "--data-dir", str(daemon.data_dir)], text=True,
                            capture_output=True, check=True).stdout
    daemon.kill()
    assert listed.count("saved") == 15, listed
    before = {path: path.stat().st_ino for path in daemon.root.glob("*/raw_crash/*.json")}
    daemon.start()  # the broker is down: no reason not to
    eventually(lambda: daemon.metric("crashcollect_spool_recovered_total") == 15, 10, "recovered")
    rabbit.start(env={"RABBITMQ_KEEP": "1"})
    consumer = Consumer(rabbit, queue)
    consumer.wait_for(ids)
    eventually(lambda: queue_size(daemon) == 0, 20, "an empty queue")
    consumer.take()
    assert set(consumer.counts) == set(ids)
    assert {path: path.stat().st_ino for path in daemon.root.glob("*/raw_crash/*.json")} == before


def test_no_broker_at_start(queue, start):
    port = free_port()
    daemon = start(queue, AMQP_URL=f"amqp://guest:guest@127.0.0.1:{port}/")
    submit(daemon, 1)
    wait_unhealthy(daemon, "cannot connect to the AMQP broker: Connection refused")
