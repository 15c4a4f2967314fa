# SPDX-License-Identifier: MIT
"""Runs one example in a folder of its own and looks at what it kept.

An example that says `listening on` is posted crashes and told to end; any other ends by itself with status 0. A crash
whose id was answered or printed must be in the folder `crashes` (custom_storage: in `kept`), whole."""
import json
import pathlib
import re
import socket
import subprocess

from harness import CRASH_ID, LISTENING, MINIDUMP, Reply, Server, eventually, multipart, read_tree, request_bytes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.c"))
RUN_SECONDS = 20
PRINTED_ID = re.compile(r"^CrashID=([0-9a-f-]{36})$", re.MULTILINE)
PRINTED_CRASHES = {"minimal": 1, "custom_storage": 1, "own_event_loop": 3}
PRINTED_DUMP = b"MDMP and so on"
ARGUMENTS = {"supervisor": ["data", "sh", "-c", "kill -SEGV $$"]}
SUPERVISED_STARTS = 3


class Example(Server):
    """An example's process; both of its outputs go to the log."""

    def launch(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.env, cwd=self.data_dir, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def listens(self):
        """True when it listens, False when it has ended."""
        eventually(lambda: LISTENING.search(self.log_text()) or not self.running(), RUN_SECONDS,
                   "the example listens or ends")
        match = LISTENING.search(self.log_text())
        if match and self.running():
            self.port = int(match.group(2))
            return True
        return False


def run_example(program, folder, env=None):
    name = pathlib.Path(program).name
    example = Example([program, *ARGUMENTS.get(name, [])], folder, env)
    try:
        example.launch()
        if example.listens():
            posted = post_crashes(example)
            check_answers(example)
            if name == "host_microhttpd":
                assert example.get("/").text == "the host's own page\n"
            eventually(lambda: posted <= {file.stem for file in folder.glob("crashes/*/raw_crash/[!.]*")}, RUN_SECONDS,
                       "all crashes are saved")
            example.stop()
            check_tree(folder, posted, MINIDUMP)
        elif name == "supervisor":
            assert example.wait(RUN_SECONDS) == 2, example.log_text()
            check_supervised(folder)
        else:
            assert example.wait(RUN_SECONDS) == 0, example.log_text()
            printed = set(PRINTED_ID.findall(example.log_text()))
            assert len(printed) == PRINTED_CRASHES[name]
            check_printed(name, folder, printed)
    finally:
        example.kill()
        print(example.log_text()[-4000:])
    example.check_sanitizers()


def post_crashes(example):
    """Posts crashes in the ways that clients do; their ids."""
    dump = {"upload_file_minidump": MINIDUMP}
    plain = example.submit(dump).crash_id
    small = example.submit(dump, compress=True).crash_id
    return {plain, small, submit_when_told(example, dump).crash_id}


def submit_when_told(example, files):
    """Sends the body only after `100 Continue`, as curl does with a large one."""
    content_type, body = multipart({"ProductName": "Test"}, files)
    headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Expect": "100-continue"}
    with socket.create_connection((example.host, example.port), timeout=RUN_SECONDS) as connection:
        connection.sendall(request_bytes("POST", "/submit", headers))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    return Reply(int(answer.split()[1]), {}, answer.split(b"\r\n\r\n", 1)[1])


def check_answers(example):
    for path in ("/__lbheartbeat__", "/__heartbeat__", "/__version__", "/metrics"):
        assert example.get(path).status == 200, path
    assert example.get("/elsewhere").status == 404
    assert "malformed" in example.request("POST", "/submit", b"x", {"Content-Type": "text/plain"}).text.lower()
    with example.connect() as connection:  # one that is cut off is counted and keeps nothing
        connection.send(request_bytes("POST", "/submit", {"Content-Type": "multipart/form-data; boundary=b",
                                                          "Content-Length": "1000"}, b"--b\r\n"))
    assert example.submit({"upload_file_minidump": b""}).status == 200


def check_tree(folder, ids, dump):
    tree = read_tree(folder / "crashes")
    for crash_id in ids:
        tree[crash_id].check_whole()
        assert tree[crash_id].dumps == {"upload_file_minidump": dump}


def check_supervised(folder):
    """Each start of the program crashed and left a report."""
    raw_crashes = [json.loads(file.read_text()) for file in folder.glob("data/crashes/*/raw_crash/[!.]*")]
    assert [raw["ProductName"] for raw in raw_crashes] == ["Supervised"] * SUPERVISED_STARTS
    assert all(raw["CrashReason"].startswith("SIGSEGV") for raw in raw_crashes)


def check_printed(name, folder, ids):
    if name != "custom_storage":
        check_tree(folder, ids, PRINTED_DUMP)
        return
    assert {file.name for file in (folder / "kept").iterdir()} == ids
    for crash_id in ids:
        line, dump = (folder / "kept" / crash_id).read_bytes().split(b"\n", 1)
        assert json.loads(line)["uuid"] == crash_id and dump == PRINTED_DUMP
