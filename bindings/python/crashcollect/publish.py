# SPDX-License-Identifier: MIT
"""Who is told about a saved crash."""
from ctypes import byref
from typing import Any, Optional

from . import _abi
from ._classes import asking, reference
from ._load import lib
from ._objects import Shared, entry, held, inside, made_by
from ._options import filled
from .errors import call, fill, text_of
from .storage import Path


class Publisher:
    """A publisher of your own: override publish, and what else you need. The methods run on threads of the library,
    publish on several at once. One that raises is tried again; with a PermanentError it is given up and counted. It
    never loses a report."""

    name: str = ""  # in logs, metrics and /__heartbeat__; default: the class's name

    def publish(self, crash_id: str) -> None:
        """Required. Tells about one crash that was saved and not deferred."""
        raise NotImplementedError(f"{type(self).__name__} has no method publish")

    def verify(self) -> None:
        """Optional. At the start of a collector; an exception stops it."""

    def check(self) -> None:
        """Optional. For health."""

    def destroy(self) -> None:
        """Optional. Once a collector has let go of it, after every other call has returned."""

    def _new_reference(self) -> int:
        """A C publisher that calls this object's methods; the caller unrefs it."""
        return reference(self, Publisher, lib.ccol_publisher_new, _abi.PublisherOps, _OPTIONAL, publish=_publish)


@entry(_abi.PublishFn)
def _publish(number: int, crash_id: bytes, error: Any) -> int:
    try:
        with inside():
            held(number).publish(crash_id.decode())
        return 0
    except BaseException as raised:
        return fill(error, raised)


_OPTIONAL = {"verify": asking("verify"), "check": asking("check")}


class BuiltInPublisher(Shared, Publisher):
    """A publisher of the library. Its methods may be called from Python too."""

    _ref = lib.ccol_publisher_ref
    _unref = lib.ccol_publisher_unref

    def publish(self, crash_id: str) -> None:
        call(lib.ccol_publisher_publish, self._pointer, crash_id.encode())

    def verify(self) -> None:
        call(lib.ccol_publisher_verify, self._pointer)

    def check(self) -> None:
        call(lib.ccol_publisher_check, self._pointer)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {text_of(lib.ccol_publisher_name(self._pointer))}>"


class WebhookPublisher(BuiltInPublisher):
    """Posts each crash id to a URL, as JSON; with a secret it is signed."""

    def __init__(self, url: str, *, secret: Optional[str] = None, ca_file: Optional[Path] = None,
                 proxy: Optional[str] = None, timeout_ms: int = 0) -> None:
        super().__init__(made_by(lib.ccol_publisher_new_webhook, byref(filled(
            _abi.WebhookOptions, url=url, secret=secret, ca_file=ca_file, proxy=proxy, timeout_ms=timeout_ms))))


class PubsubPublisher(BuiltInPublisher):
    """A topic of Google Cloud Pub/Sub."""

    def __init__(self, topic: str, *, project: Optional[str] = None, key_file: Optional[Path] = None,
                 emulator_host: Optional[str] = None, endpoint_url: Optional[str] = None,
                 ca_file: Optional[Path] = None, proxy: Optional[str] = None, timeout_ms: int = 0) -> None:
        super().__init__(made_by(lib.ccol_publisher_new_pubsub, byref(filled(
            _abi.PubsubOptions, topic=topic, project=project, key_file=key_file, emulator_host=emulator_host,
            endpoint_url=endpoint_url, ca_file=ca_file, proxy=proxy, timeout_ms=timeout_ms))))


class SqsPublisher(BuiltInPublisher):
    """A queue of Amazon SQS. Keys that are not given are looked for as AWS's tools do."""

    def __init__(self, queue: str, *, region: Optional[str] = None, endpoint_url: Optional[str] = None,
                 access_key_id: Optional[str] = None, secret_access_key: Optional[str] = None,
                 ca_file: Optional[Path] = None, proxy: Optional[str] = None, timeout_ms: int = 0) -> None:
        super().__init__(made_by(lib.ccol_publisher_new_sqs, byref(filled(
            _abi.SqsOptions, queue=queue, region=region, endpoint_url=endpoint_url, access_key_id=access_key_id,
            secret_access_key=secret_access_key, ca_file=ca_file, proxy=proxy, timeout_ms=timeout_ms))))


class AmqpPublisher(BuiltInPublisher):
    """A queue or an exchange of an AMQP broker such as RabbitMQ."""

    def __init__(self, url: str, *, queue: Optional[str] = None, exchange: Optional[str] = None,
                 routing_key: Optional[str] = None, ca_file: Optional[Path] = None, timeout_ms: int = 0,
                 heartbeat_s: int = 0) -> None:
        super().__init__(made_by(lib.ccol_publisher_new_amqp, byref(filled(
            _abi.AmqpOptions, url=url, queue=queue, exchange=exchange, routing_key=routing_key, ca_file=ca_file,
            timeout_ms=timeout_ms, heartbeat_s=heartbeat_s))))
