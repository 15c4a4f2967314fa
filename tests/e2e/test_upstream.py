# SPDX-License-Identifier: MIT
"""crashcollectd that hands on to crashcollectd: ids and contents arrive, whatever the other one does meanwhile."""
import json
import signal
import subprocess

import pytest

from answering import Answering
from harness import MINIDUMP, Daemon, eventually, free_port

TOKEN = "upstream-token-1"
ODD = {"ProductName": "Tést", "Big": 123456789012345678901234567890, "Nested": {"a": [1, None, True, 2.50]},
       "Nul": "a\u0000b", "Lone": "\ud800", "Email": "x@example.com"}


def start(daemons, folder, **settings):
    daemon = Daemon(data_dir=folder, env={f"CRASHCOLLECT_{name}": value for name, value in settings.items()})
    daemons.append(daemon)
    return daemon.start()


@pytest.fixture
def daemons():
    started = []
    yield started
    for daemon in started:
        daemon.kill()
        print(daemon.log_text()[-4000:])
        daemon.check_sanitizers()


def start_second(daemons, tmp_path, **settings):
    return start(daemons, tmp_path / "second", SUBMITTER_TOKEN=TOKEN, **settings)


def start_first(daemons, tmp_path, url, **settings):
    settings = {"STORAGE": "upstream", "UPSTREAM_URL": url, "UPSTREAM_TOKEN": TOKEN, "RETRY_FIRST": "20ms",
                "RETRY_MAX": "100ms", "CHECK_PERIOD": "50ms", **settings}
    return start(daemons, tmp_path / "first", **settings)


def queue_size(daemon):
    return daemon.metric("crashcollect_save_queue_size")


def without_hop(raw_crash):
    """What must be the same at both collectors."""
    kept = {name: value for name, value in raw_crash.items() if name not in ("submitted_timestamp", "metadata")}
    kept["dump_checksums"] = raw_crash["metadata"]["dump_checksums"]
    kept["user_agent"] = raw_crash["metadata"]["user_agent"]
    return kept


@pytest.mark.parametrize("gzip", ["off", "on"])
def test_what_arrives_is_what_was_sent(daemons, tmp_path, gzip):
    second = start_second(daemons, tmp_path)
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{second.port}/submit", STORAGE="fs,upstream",
                        UPSTREAM_GZIP=gzip)
    files = {"upload_file_minidump": MINIDUMP * 300, "empty": b"", "upload_file_log": b"--\r\n\x00--" * 50}
    sent = [
        first.submit(files, extra=ODD, fields={}, headers={"User-Agent": "Breakpad/1.0 (Línux)"}).crash_id,
        first.submit({"upload_file_minidump": MINIDUMP}, headers={"User-Agent": "curl/7"}).crash_id,
        first.submit(None, {"ProductName": "NoDump"}, headers={"User-Agent": "x"}, compress=True).crash_id,
    ]
    eventually(lambda: set(sent) <= second.saved_ids(), 20, "at the second collector")
    eventually(lambda: queue_size(first) == 0, 10, "an empty queue")
    before, after = first.crashes(), second.crashes()
    for crash_id in sent:
        after[crash_id].check_whole()
        assert after[crash_id].dumps == before[crash_id].dumps
        assert without_hop(after[crash_id].raw_crash) == without_hop(before[crash_id].raw_crash)
    assert "Email" not in after[sent[0]].raw_crash
    first.stop()
    second.stop()


def test_tls_with_a_ca_of_ones_own(daemons, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    second = start_second(daemons, tmp_path, TLS_CERT=cert, TLS_KEY=key)
    url = f"https://127.0.0.1:{second.port}/submit"
    first = start_first(daemons, tmp_path, url, UPSTREAM_CA_FILE=cert)
    crash_id = first.submit({"upload_file_minidump": MINIDUMP}).crash_id
    eventually(lambda: crash_id in second.saved_ids(), 10, "saved over TLS")
    stranger = Daemon(data_dir=tmp_path / "third", env={
        "CRASHCOLLECT_STORAGE": "upstream", "CRASHCOLLECT_UPSTREAM_URL": url})
    stranger.launch()
    assert stranger.wait() == 1
    assert "name it as the CA file" in stranger.log_text()


def test_the_other_one_is_down_for_a_while(daemons, tmp_path):
    port = free_port()
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{port}/submit")  # starts all the same
    eventually(lambda: first.heartbeat_errors()[0] == 503, 10, "unhealthy")
    sent = [first.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(20)]
    second = start_second(daemons, tmp_path, LISTEN=f"127.0.0.1:{port}")
    eventually(lambda: set(sent) <= second.saved_ids(), 20, "what had waited")
    second.kill()
    sent += [first.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(20)]
    first.kill()
    first.start()
    second.start()
    eventually(lambda: set(sent) <= second.saved_ids(), 20, "what had waited over two kills")
    eventually(lambda: first.heartbeat_errors()[0] == 200, 10, "well again")
    assert set(second.crashes()) == set(sent)


def test_the_other_one_is_frozen(daemons, tmp_path):
    second = start_second(daemons, tmp_path)
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{second.port}/submit", UPSTREAM_TIMEOUT="300ms")
    second.signal(signal.SIGSTOP)
    try:
        sent = [first.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(10)]
        first.wait_log("failed, attempt 1, will be tried again: .*127.0.0.1")
        assert first.heartbeat_errors()[0] == 503
    finally:
        second.signal(signal.SIGCONT)
    eventually(lambda: set(sent) <= second.saved_ids(), 20, "saved in the end")
    eventually(lambda: queue_size(first) == 0, 10, "an empty queue")
    assert set(second.crashes()) == set(sent)  # what was taken before the time-out came again under its own id


def test_refusals_go_into_quarantine(daemons, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": [
        {"name": "no_demo", "when": {"key": "ProductName", "is": "Demo"}, "result": "reject"},
        {"name": "all", "result": "accept"}]}))
    second = start_second(daemons, tmp_path, THROTTLE_RULES=rules, MAX_BODY="100KiB")
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{second.port}/submit")
    refused = first.submit(None, {"ProductName": "Demo"}).crash_id
    large = first.submit({"upload_file_minidump": MINIDUMP * 100}).crash_id
    good = first.submit(None, {"ProductName": "Good"}).crash_id
    eventually(lambda: good in second.saved_ids(), 10, "the good one")
    failed = tmp_path / "first" / "spool" / "failed" / "reason"
    eventually(lambda: {file.name for file in failed.glob("*.txt")} == {f"{refused}.txt", f"{large}.txt"}, 10,
               "two in quarantine")
    assert "Discarded=rule_no_demo" in (failed / f"{refused}.txt").read_text()
    assert "413" in (failed / f"{large}.txt").read_text()
    assert set(second.crashes()) == {good}


def test_a_wrong_token_loses_nothing(daemons, tmp_path):
    second = start_second(daemons, tmp_path)
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{second.port}/submit", UPSTREAM_TOKEN="wrong-token-9")
    crash_id = first.submit({"upload_file_minidump": MINIDUMP}).crash_id
    first.wait_log("answered 401 Discarded=unauthorized_uuid: give this collector its submitter token")
    assert queue_size(first) == 1
    assert "wrong-token-9" not in first.log_text()
    first.kill()
    first.env["CRASHCOLLECT_UPSTREAM_TOKEN"] = TOKEN
    first.start()
    eventually(lambda: crash_id in second.saved_ids(), 10, "saved once the token is right")


def test_without_a_token_the_other_one_gives_the_id(daemons, tmp_path):
    second = start(daemons, tmp_path / "second")
    first = start_first(daemons, tmp_path, f"http://127.0.0.1:{second.port}/submit", UPSTREAM_TOKEN="")
    crash_id = first.submit({"upload_file_minidump": MINIDUMP}).crash_id
    eventually(lambda: second.saved_ids(), 10, "saved")
    assert crash_id not in second.saved_ids()
    eventually(lambda: queue_size(first) == 0, 10, "an empty queue")


def test_retry_after_is_kept(daemons, tmp_path):
    """It asks for an hour: nothing comes before, though it answers health checks as if nothing were wrong."""
    with Answering(lambda seen: (503, {"Retry-After": "3600"}, b"") if seen.method == "POST" else
                   (405, {"Allow": "POST, OPTIONS"}, b"")) as busy:
        first = start_first(daemons, tmp_path, f"{busy.url}/submit", STORAGE="fs,upstream", CONCURRENT_CRASHMOVERS="1")
        sent = [first.submit({"upload_file_minidump": MINIDUMP}).crash_id for _ in range(20)]
        eventually(lambda: set(sent) <= first.saved_ids(), 10, "the folder goes on")
        checks = len(busy.seen)
        eventually(lambda: len(busy.seen) >= checks + 5, 10, "health checks")
        assert len(busy.posts()) == 1
        assert busy.posts()[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert queue_size(first) == 20


@pytest.mark.parametrize("answer, logged", [
    ((404, {}, b""), "answered 404: there is no collector at this URL, it should end in /submit"),
    ((301, {"Location": "http://127.0.0.1:1/"}, b""), "answered 301"),
    ((403, {}, b"go away"), "answered 403 go away"),
])
def test_wrong_url_is_told_at_start(daemons, tmp_path, answer, logged):
    with Answering(lambda seen: answer) as wrong:
        daemon = Daemon(data_dir=tmp_path / "first", env={
            "CRASHCOLLECT_STORAGE": "upstream", "CRASHCOLLECT_UPSTREAM_URL": f"{wrong.url}/submit"})
        daemon.launch()
        assert daemon.wait() == 1
        assert logged in daemon.log_text()


def test_answers_that_are_no_collectors(daemons, tmp_path):
    answers = iter([(200, {}, b"<html>hello</html>"), (200, {}, b"CrashID=bp-"), (500, {}, b"oops"), 0.01,
                    (302, {"Location": "/"}, b""), (429, {"Retry-After": "0"}, b"")])
    crash_id = []

    def answer(seen):
        if seen.method != "POST":
            return 405, {}, b""
        return next(answers, (200, {}, b"CrashID=xy-" + crash_id[0].encode() + b"\r\n"))
    with Answering(answer) as other:
        first = start_first(daemons, tmp_path, f"{other.url}/submit")
        crash_id.append(first.submit({"upload_file_minidump": MINIDUMP}).crash_id)
        eventually(lambda: queue_size(first) == 0, 20, "saved after all")
        assert next(answers, None) is None, "all were given"
        assert all(crash_id[0].encode() in seen.body for seen in other.posts())
        assert first.metric("crashcollect_saved_crashes_total") == 1
