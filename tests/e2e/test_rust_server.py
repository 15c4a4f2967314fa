# SPDX-License-Identifier: MIT
"""A Rust server with a part in C and an asynchronous logger crashes in the C part: the collector upstream gets the
minidump, the frames of both languages and the last log lines."""
import signal
import socket
import subprocess

import crashers
import harness


def test_a_rust_server_crashes_in_its_c_part(daemon_factory, tmp_path):
    daemon = daemon_factory()
    data_dir = tmp_path / "data"
    server = crashers.Compiler(tmp_path).server()
    env = crashers.environment(data_dir, {
        "CRASHCOLLECT_STORAGE": "upstream", "CRASHCOLLECT_UPSTREAM_URL": f"http://127.0.0.1:{daemon.port}/submit",
        "CRASHCOLLECT_PRODUCT": "ImageServer", "CRASHCOLLECT_PRODUCT_VERSION": "1.4.2",
        "CRASHCOLLECT_RELEASE_CHANNEL": "beta", "CRASHCOLLECT_BUILD_ID": "20261125"})
    process = subprocess.Popen(crashers.command(server), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    port = int(process.stdout.readline())
    assert get(port, "/resize/7").endswith(b"7\n")
    assert get(port, "/resize/0") == b""
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGSEGV, err
    crash, = harness.eventually(daemon.crashes, 20, "the crash is upstream").values()
    crash.check_whole()
    report = crashers.Report(crash)
    assert report.word == "SIGSEGV" and report.raw["CrashThreadName"] == "request"
    assert report.dumps["upload_file_minidump"].startswith(b"MDMP")
    report.check_calls("fill_pixels", "resize_image", "handle")
    files = {frame.get("file", "").rsplit("/", 1)[-1] for frame in report.crashed["frames"]}
    assert {"c_part.c", "rust_server.rs"} <= files, files
    lines = report.log.splitlines()
    assert lines[-2:] == ["INFO handling /resize/0", "INFO resizing to 0"], lines
    assert [crumb["message"] for crumb in report.json["breadcrumbs"]][-1].endswith("resizing to 0")
    assert (report.raw["ProductName"], report.raw["Version"]) == ("ImageServer", "1.4.2")
    assert (report.raw["ReleaseChannel"], report.raw["BuildID"]) == ("beta", "20261125")
    assert {thread["name"] for thread in report.json["threads"]} >= {"rust_server", "async-log", "request"}


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while True:
            try:
                data = connection.recv(4096)
            except ConnectionResetError:
                return answer
            if not data:
                return answer
            answer += data
