# SPDX-License-Identifier: MIT
"""Exceptions, one for each row of the library's error table, and how codes become exceptions and the other way."""
import errno
import logging
import threading
from ctypes import byref
from typing import Any, Dict, Optional, Type

from . import _abi
from ._load import lib

logger = logging.getLogger("crashcollect")


class Error(Exception):
    """Anything that went wrong in the library. `retry_after` are the seconds that the cause asked to wait, or 0.

    A storage class that raises one is answered as its type says: a PermanentError puts the report into quarantine, any
    other exception lets the save be tried again."""
    code = -errno.EIO

    def __init__(self, text: str = "", code: Optional[int] = None, retry_after: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.code = type(self).code if code is None else code
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The code's name: CCOL_EFULL, ENOSPC."""
        return str(lib.ccol_error_name(self.code).decode())


class PermanentError(Error):
    """Trying again cannot help."""
    code = _abi.ERROR_CODES["EREJECTED"][0]


class TransientError(Error):
    """Trying again may help."""


class RejectedError(PermanentError):
    """Refused for good."""
    code = _abi.ERROR_CODES["EREJECTED"][0]


class FullError(TransientError):
    """The queue or a memory budget is full."""
    code = _abi.ERROR_CODES["EFULL"][0]


class AbiError(PermanentError):
    """A struct of another version."""
    code = _abi.ERROR_CODES["EABI"][0]


class FormatError(PermanentError, ValueError):
    """Malformed input."""
    code = _abi.ERROR_CODES["EFORMAT"][0]


class RemoteError(TransientError):
    """The far end answered with an error."""
    code = _abi.ERROR_CODES["EREMOTE"][0]


class TooLargeError(PermanentError):
    """Larger than a limit allows."""
    code = _abi.ERROR_CODES["ETOOLARGE"][0]


class ClosedError(TransientError):
    """The object is closed, or about to be."""
    code = _abi.ERROR_CODES["ECLOSED"][0]


class ForkedError(Error):
    """The object was made before a fork: its threads are the parent's."""
    code = -errno.ECHILD


class SystemCallError(TransientError, OSError):
    """A failed system call; `errno` is its number."""

    def __init__(self, text: str = "", code: int = -errno.EIO, retry_after: int = 0) -> None:
        super().__init__(text, code, retry_after)
        self.errno = -code
        self.strerror = text


CLASSES: Dict[int, Type[Error]] = {
    kind.code: kind for kind in (RejectedError, FullError, AbiError, FormatError, RemoteError, TooLargeError, ClosedError)}

_raised = threading.local()  # what a callback raised below a call of this thread, so that it can be told as the cause


def text_of(data: Optional[bytes]) -> str:
    """What C wrote, as text; bytes that are no UTF-8 survive as backslash escapes."""
    return data.decode("utf-8", "backslashreplace") if data else ""


def exception_of(code: int, text: str, retry_after: int = 0) -> Error:
    return CLASSES.get(code, SystemCallError)(text or text_of(lib.ccol_strerror(code)), code, retry_after)


def check(code: int, error: Optional[_abi.Error] = None) -> int:
    """Returns a result that is none of the negative codes, else raises it."""
    cause: Optional[BaseException] = _raised.__dict__.pop("exception", None)
    if cause is not None and not isinstance(cause, Exception):
        raise cause  # KeyboardInterrupt, SystemExit: not ours to swallow
    if code >= 0:
        return code
    text = text_of(error.text) if error is not None else ""
    raised = exception_of(code, text, error.retry_after_s if error is not None else 0)
    if cause is not None and _text(cause) in text:
        raise raised from cause
    raise raised


def call(function: Any, *arguments: Any) -> int:
    """Calls a function that takes a ccol_error last."""
    error = _abi.Error()
    _raised.__dict__.pop("exception", None)
    return check(function(*arguments, byref(error)), error)


def _text(error: BaseException) -> str:
    """One line for a person; a type's name where the text alone says too little."""
    text = " ".join(str(error).split())
    return text if isinstance(error, Error) and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _code(error: BaseException) -> int:
    if isinstance(error, Error):
        return error.code if error.code < 0 else -errno.EIO
    if isinstance(error, OSError) and error.errno:
        return -abs(error.errno)
    if isinstance(error, MemoryError):
        return -errno.ENOMEM
    return -errno.EIO


def fill(error: Any, raised: BaseException) -> int:
    """Tells the library what a callback raised: its code is returned. What looks like a mistake in the program goes to
    the log with its traceback, as the library passes on only one line."""
    if not isinstance(raised, (Error, OSError)):
        logger.error("%s", _text(raised), exc_info=raised)
    _raised.exception = raised
    code = _code(raised)
    if error:
        target = error.contents
        target.code = code
        target.retry_after_s = max(0, min(int(getattr(raised, "retry_after", 0) or 0), 2**31))
        encoded = _text(raised).encode("utf-8", "backslashreplace")[:_abi.Error.text.size - 1]
        target.text = encoded.decode("utf-8", "ignore").encode()
    return code
