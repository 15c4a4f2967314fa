# SPDX-License-Identifier: MIT
"""Fixtures of the tests that run crashcollectd, and the daemons' logs beside a failure."""
import os
import uuid

import pytest

from harness import Daemon

LOG_TAIL = 60  # lines of each daemon's log printed with a failed test


def pytest_addoption(parser):
    parser.addoption("--daemon", help="the crashcollectd to test (default: $CRASHCOLLECTD)")
    parser.addoption("--build", help="the build tree, for test programs (default: $CCOL_BUILD_DIR)")


def pytest_configure(config):
    for option, variable in (("--daemon", "CRASHCOLLECTD"), ("--build", "CCOL_BUILD_DIR")):
        if config.getoption(option):
            os.environ[variable] = os.path.abspath(config.getoption(option))


class DaemonFactory:
    """daemon_factory(**arguments of Daemon) starts a daemon in a folder of its own, make() leaves the start to the test;
    all are ended after the test."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []

    def make(self, **arguments):
        arguments.setdefault("data_dir", self.folder / f"data{len(self.daemons)}")
        daemon = Daemon(**arguments)
        self.daemons.append(daemon)
        return daemon

    def __call__(self, **arguments):
        daemon = self.make(**arguments)
        daemon.start()
        return daemon

    def logs(self):
        for number, daemon in enumerate(self.daemons):
            lines = daemon.log_text().splitlines()[-LOG_TAIL:]
            yield f"log of daemon {number} ({daemon.data_dir})", "\n".join(lines)

    def close(self):
        for daemon in self.daemons:
            daemon.kill()
        for daemon in self.daemons:
            daemon.check_sanitizers()


@pytest.fixture
def stub():
    """A scripted Sentry."""
    from sentry_parts import Stub  # only who uses it needs what it needs
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def daemon_factory(tmp_path):
    factory = DaemonFactory(tmp_path)
    yield factory
    factory.close()


@pytest.fixture
def daemon(daemon_factory):
    """One daemon with the default settings."""
    return daemon_factory()


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    """A RabbitMQ of the module's own."""
    from rabbit import Rabbit  # what it needs is there only for the tests that publish
    broker = Rabbit(tmp_path_factory.mktemp("rabbit"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def queue(rabbit):
    """The name of a new queue there."""
    name = f"ids-{uuid.uuid4().hex[:8]}"
    rabbit.declare(name)
    return name


@pytest.fixture(scope="session")
def build_dir():
    """The build tree, where the tests' own programs lie."""
    folder = os.environ.get("CCOL_BUILD_DIR")
    if not folder:
        pytest.fail("CCOL_BUILD_DIR is not set: run the tests through ctest, or give --build")
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        factory = getattr(item, "funcargs", {}).get("daemon_factory")
        for title, text in factory.logs() if factory else ():
            report.sections.append((title, text))
