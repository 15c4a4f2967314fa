# SPDX-License-Identifier: MIT
"""Collect crash reports: libcrashcollect from Python. README.md has a storage class in 15 lines."""
from . import _abi
from ._abi import Ack, Capture, Level, Program, Verdict
from ._load import LibraryError, lib as _lib
from .collector import Collector, Receipt, Stats
from .errors import (AbiError, ClosedError, Error, ForkedError, FormatError, FullError, PermanentError, RejectedError,
                     RemoteError, SystemCallError, TooLargeError, TransientError)
from .health import Health
from .incident import Incident, Reporter
from .monitor import Death, Monitor, Watched
from .publish import AmqpPublisher, Publisher, PubsubPublisher, SqsPublisher, WebhookPublisher
from .report import Files, Report
from .server import Server
from .settings import Setting, Settings
from .spool import Spool, Spooled
from .storage import FsStorage, NullStorage, S3Storage, SentryStorage, Storage, TeeStorage, UpstreamStorage
from .throttle import Decision, Explained, Throttle
from .upload import Reply, Upload

__version__ = ".".join(str(part) for part in _abi.VERSION)
library_version: str = _lib.ccol_version_text().decode()

__all__ = [
    "AbiError", "Ack", "AmqpPublisher", "Capture", "ClosedError", "Collector", "Death", "Decision", "Error",
    "Explained", "Files", "ForkedError", "FormatError", "FsStorage", "FullError", "Health", "Incident", "Level",
    "LibraryError", "Monitor", "NullStorage", "PermanentError", "Program", "Publisher", "PubsubPublisher", "Receipt",
    "RejectedError", "RemoteError", "Reply", "Report", "Reporter", "S3Storage", "SentryStorage", "Server", "Setting",
    "Settings", "Spool", "Spooled", "SqsPublisher", "Stats", "Storage", "SystemCallError", "TeeStorage", "Throttle",
    "TooLargeError", "TransientError", "Upload", "UpstreamStorage", "Verdict", "Watched", "WebhookPublisher",
    "library_version",
]
