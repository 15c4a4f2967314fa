# SPDX-License-Identifier: MIT
"""examples/cluster/run.sh as it is: two nodes behind nginx, one is killed under load; each accepted crash is there once."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest
import requests

from harness import CRASH_ID, MINIDUMP, SANITIZER, clean_environment, eventually, read_tree
from service import free_ports

RUN = pathlib.Path(__file__).resolve().parents[2] / "examples" / "cluster" / "run.sh"
CLIENTS = 8
EACH = 60


@pytest.fixture
def cluster(tmp_path):
    first = free_ports(3)
    env = clean_environment({"LISTEN": f"127.0.0.1:{first}", "NODE_PORTS": f"{first + 1} {first + 2}",
                             "CRASHCOLLECTD": os.environ["CRASHCOLLECTD"], "CRASHCOLLECT_THREADS": "1"})
    folder = tmp_path / "cluster"
    process = subprocess.Popen([RUN, folder], env=env, stdout=subprocess.DEVNULL)
    process.url = f"http://127.0.0.1:{first}"
    process.ports = (first + 1, first + 2)
    process.folder = folder
    process.environment = env

    def answers():
        assert process.poll() is None
        try:  # the nodes first: nginx leaves one that it did not reach out for a while
            return all(requests.get(f"http://127.0.0.1:{port}/__lbheartbeat__", timeout=5).status_code == 200
                       for port in (*process.ports, first))
        except requests.ConnectionError:
            return False
    eventually(answers, 30, "nginx and both nodes")
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    for log in folder.glob("*.log"):
        text = log.read_text(errors="replace")
        print(log.name, text[-1500:])
        assert not SANITIZER.search(text), text


def node_pid(cluster, port):
    return int((cluster.folder / f"node-{port}.pid").read_text())


def metric(port, name):
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))


def post_until_accepted(session, url, number):
    """The id of a crash that is posted, as clients do, until it is taken."""
    for _ in range(100):
        try:
            reply = session.post(f"{url}/submit", data={"ProductName": "Test", "Number": str(number)},
                                 files={"upload_file_minidump": MINIDUMP}, timeout=30)
        except requests.ConnectionError:
            continue
        match = CRASH_ID.fullmatch(reply.text)
        if reply.status_code == 200 and match:
            return match.group(1)
        time.sleep(0.05)
    raise AssertionError("never accepted")


def test_a_killed_node_loses_nothing(cluster):
    accepted = {}
    failures = []
    killed = threading.Event()

    def client(index):
        with requests.Session() as session:
            for number in range(index * EACH, (index + 1) * EACH):
                if number % EACH == EACH // 2:
                    killed.wait(30)  # half before, half after
                try:
                    accepted[number] = post_until_accepted(session, cluster.url, number)
                except AssertionError as error:
                    failures.append(error)
                    return
    threads = [threading.Thread(target=client, args=(index,)) for index in range(CLIENTS)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(accepted) >= CLIENTS * EACH // 4, 60, "some load")
    first, second = cluster.ports
    spread = [metric(port, "crashcollect_incoming_crashes_total") for port in cluster.ports]
    os.kill(node_pid(cluster, first), signal.SIGKILL)
    killed.set()
    for thread in threads:
        thread.join()
    assert not failures and len(accepted) == CLIENTS * EACH
    assert min(spread) > 0, f"one node took them all: {spread}"

    # A collector on the dead node's folder saves what it had accepted.
    env = {**cluster.environment, "CRASHCOLLECT_LISTEN": f"127.0.0.1:{first}",
           "CRASHCOLLECT_FS_ROOT": str(cluster.folder / "crashes"),
           "CRASHCOLLECT_DATA_DIR": str(cluster.folder / f"node-{first}")}
    with open(cluster.folder / "again.log", "wb") as log:
        again = subprocess.Popen([os.environ["CRASHCOLLECTD"]], env=env, stderr=log)
    try:
        wanted = set(accepted.values())
        eventually(lambda: wanted <= {crash_id for crash_id, crash in read_tree(cluster.folder / "crashes").items()
                                      if crash.raw is not None}, 30, "all accepted crashes saved")
        eventually(lambda: "listening on" in (cluster.folder / "again.log").read_text(), 30, "it serves, too")
    finally:
        again.send_signal(signal.SIGTERM)
        assert again.wait(30) == 0
    numbers = {}
    for crash_id, crash in read_tree(cluster.folder / "crashes").items():
        if crash.raw is not None:
            crash.check_whole()
            numbers.setdefault(crash.raw_crash["Number"], []).append(crash_id)
    twice = {number: ids for number, ids in numbers.items() if len(ids) > 1}
    # The answer to a crash that the killed node had accepted may be lost on the way: its client posts it again.
    assert len(twice) <= CLIENTS, twice
    assert all(accepted[int(number)] in ids for number, ids in numbers.items())


def test_the_end_drains(cluster):
    with requests.Session() as session:
        ids = {post_until_accepted(session, cluster.url, number) for number in range(40)}
    cluster.send_signal(signal.SIGTERM)
    assert cluster.wait(60) == 0
    assert set(read_tree(cluster.folder / "crashes")) == ids
    for port in cluster.ports:
        assert not pathlib.Path(f"/proc/{node_pid(cluster, port)}").exists()
