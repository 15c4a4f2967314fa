# SPDX-License-Identifier: MIT
"""Real servers of tests/services, on free ports and in a folder of their own."""
import os
import pathlib
import re
import signal
import socket
import subprocess

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "services"
START_SECONDS = 300  # with the installation of packages on a fresh machine
PORT_TRIES = 5
EXPORTED = re.compile(r"(\w+)=(\S+)")


def free_ports(count):
    """The first of so many consecutive ports that are free."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        first = 20000 + first % 12000  # outside of the range that outgoing connections take theirs from
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


class Service:
    """tests/services/NAME.sh; `exported` holds what it prints, such as AMQP_URL."""

    def __init__(self, name, folder, ports):
        self.script = str(SCRIPTS / f"{name}.sh")
        self.folder = pathlib.Path(folder)
        self.ports = ports
        self.port = None
        self.exported = {}

    def start(self, env=None):
        """On the port of an earlier start, else on a free one."""
        for last in range(PORT_TRIES if self.port is None else 1)[::-1]:
            port = self.port or free_ports(self.ports)
            result = subprocess.run([self.script, "start", str(port), str(self.folder)], text=True,
                                    capture_output=True, timeout=START_SECONDS, env={**os.environ, **(env or {})})
            if result.returncode == 0:
                break
            assert last, result.stderr
        assert result.returncode == 0, result.stderr
        self.port = port
        self.exported = dict(EXPORTED.findall(result.stdout))
        return self

    def stop(self):
        subprocess.run([self.script, "stop", str(self.folder)], check=True, capture_output=True, timeout=120)

    def pid(self, process):
        return int((self.folder / f"{process}.pid").read_text().split()[0])

    def signal(self, process, number):
        os.kill(self.pid(process), number)

    def kill(self, process):
        self.signal(process, signal.SIGKILL)

    def __getitem__(self, name):
        return self.exported[name]
