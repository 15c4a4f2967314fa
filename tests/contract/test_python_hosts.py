# SPDX-License-Identifier: MIT
"""A Flask and a FastAPI application that embed the collector answer POST /submit as the contract says: the cases of
cases.json that are posts to /submit, with their exact bytes, and what lies in the tree afterwards."""
import base64
import json
import os
import pathlib
import sys

import pytest

from harness import Daemon, eventually
from test_contract import CASES, SAVE_SECONDS, check_answer, check_form, check_stored

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from python_venv import environment

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOSTS = {"flask": "flask_app.py", "fastapi": "fastapi_app.py"}
SUBMIT = b"POST /submit HTTP/1.1\r\n"
POSTS = [case for case in CASES if base64.b64decode(case["request_base64"]).startswith(SUBMIT)]


class Hosts:
    """The applications that run, by name and what they are set up with."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}
        self.accepted = {}
        self.python = environment(os.path.realpath("/usr/bin/python3"), pathlib.Path(__file__).with_name("requirements-hosts.txt"))

    def get(self, name, needs):
        key = (name, *sorted(needs))
        if key not in self.running:
            host = Daemon(self.folder / "-".join(key), binary=self.python, args=[ROOT / "bindings/python/examples" / HOSTS[name]], env={
                "PYTHONPATH": ROOT / "bindings/python", "CRASHCOLLECT_LIBRARY": os.environ["CRASHCOLLECT_LIBRARY"],
                "CRASHCOLLECT_SUBMITTER_TOKEN": "tok123" if "token" in needs else None,
                "CRASHCOLLECT_THROTTLE_RULES": "mozilla" if "mozilla-rules" in needs else "accept-all",
                **{name: os.environ[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS", "PYTHONMALLOC") if name in os.environ}})
            self.running[key] = host.start()
            self.accepted[key] = set()
        return self.running[key], self.accepted[key]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    all_hosts = Hosts(tmp_path_factory.mktemp("hosts"))
    yield all_hosts
    for host in all_hosts.running.values():
        host.kill()
        host.check_sanitizers()


@pytest.mark.parametrize("case", POSTS, ids=[case["name"] for case in POSTS])
@pytest.mark.parametrize("name", HOSTS)
def test_case(name, case, hosts):
    host, accepted = hosts.get(name, case["needs"])
    data = base64.b64decode(case["request_base64"])
    with host.connect() as connection:
        connection.send(data)
        if case.get("half_close"):
            connection.half_close()
        reply = connection.reply()
        for _ in range(data.count(SUBMIT) - 1):
            accepted.add(connection.reply().crash_id)
    crash_id = check_answer(case["expect"], reply)
    stored = bool(crash_id) and crash_id[-7] in "01"
    if "stored" in case["expect"]:
        assert stored == (case["expect"]["stored"] is not None), reply
    if not stored:
        return
    accepted.add(crash_id)
    eventually(lambda: crash_id in host.saved_ids(), SAVE_SECONDS, f"{crash_id} is in the tree")
    crash = host.crashes()[crash_id]
    check_form(crash.raw)
    if case["expect"].get("stored"):
        check_stored(case["expect"]["stored"], crash_id, crash)


@pytest.mark.parametrize("name", HOSTS)
def test_the_rest_of_the_application(name, hosts):
    host, _ = hosts.get(name, [])
    assert host.get("/").text == "the host's own page\n"
    assert json.loads(host.get("/__heartbeat__").text)["errors"] == []
    assert host.get("/metrics").status == 200 and host.get("/elsewhere").status == 404
    assert host.request("PUT", "/submit").status == 405 and host.request("PUT", "/submit").headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_else_is_stored(name, hosts):
    """Runs last: a stopped application has saved all it ever will."""
    for key, host in hosts.running.items():
        if key[0] == name:
            host.stop()
            assert set(host.crashes()) == hosts.accepted[key]
