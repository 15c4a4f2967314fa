# SPDX-License-Identifier: MIT
"""Collect crash reports: libcrashcollect from Python. README.md has a storage class in 15 lines."""
from . import _abi
from ._abi import Ack, Level, Verdict
from ._load import LibraryError, lib as _lib
from .collector import Collector, Receipt, Stats
from .errors import (AbiError, ClosedError, Error, ForkedError, FormatError, FullError, PermanentError, RejectedError,
                     RemoteError, SystemCallError, TooLargeError, TransientError)
from .health import Health
from .publish import Publisher
from .report import Files, Report
from .server import Server
from .settings import Setting, Settings
from .spool import Spool, Spooled
from .storage import FsStorage, NullStorage, Storage, TeeStorage
from .throttle import Decision, Explained, Throttle
from .upload import Reply, Upload

__version__ = ".".join(str(part) for part in _abi.VERSION)
library_version: str = _lib.ccol_version_text().decode()

__all__ = [
    "AbiError", "Ack", "ClosedError", "Collector", "Decision", "Error", "Explained", "Files", "ForkedError",
    "FormatError", "FsStorage", "FullError", "Health", "Level", "LibraryError", "NullStorage", "PermanentError",
    "Publisher", "Receipt", "RejectedError", "RemoteError", "Reply", "Report", "Server", "Setting", "Settings",
    "Spool", "Spooled", "Stats", "Storage", "SystemCallError", "TeeStorage", "Throttle", "TooLargeError",
    "TransientError", "Upload", "Verdict", "library_version",
]
