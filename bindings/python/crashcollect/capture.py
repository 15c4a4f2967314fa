# SPDX-License-Identifier: MIT
"""For a program that may run under crashcollect-run: what it knows of itself goes into its crash report. All of it does
nothing where nobody watches. Loads libcrashcollect-capture, and nothing else of this package."""
import ctypes
import os
import pathlib
from typing import Optional

from . import _abi
from ._abi import Level
from ._load import LibraryError
from .errors import call, check


def _load() -> ctypes.CDLL:
    chosen = os.environ.get("CRASHCOLLECT_LIBRARY")
    name = str(pathlib.Path(chosen).with_name(_abi.CAPTURE_SONAME)) if chosen else _abi.CAPTURE_SONAME
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise LibraryError(f"cannot load libcrashcollect-capture ({error}); install the package libcrashcollect0") from error
    for function, result, arguments in _abi.CAPTURE_FUNCTIONS:
        entry = getattr(library, function)
        entry.restype = result
        entry.argtypes = arguments
    return library


_lib = _load()


def _bytes(text: str) -> bytes:
    return text.replace("\0", " ").encode("utf-8", "backslashreplace")


def install() -> None:
    """Call it early. Where the monitor does not trace the program, it installs handlers for the signals of crashes."""
    call(_lib.ccol_capture_install)


def is_watched() -> bool:
    return bool(_lib.ccol_capture_is_watched())


def annotate(name: str, value: Optional[str]) -> None:
    """Sets one annotation of a later report; None takes it away."""
    check(_lib.ccol_capture_annotate(_bytes(name), None if value is None else _bytes(value)))


def breadcrumb(text: str, category: Optional[str] = None, level: Level = Level.INFO) -> None:
    """One step on the way to a crash."""
    _lib.ccol_capture_breadcrumb(int(level), None if category is None else _bytes(category), _bytes(text))


def log(text: str, level: Level = Level.INFO) -> None:
    """A line for the report's log, at the moment it is logged."""
    data = _bytes(text)
    _lib.ccol_capture_log(int(level), data, len(data))


def message(text: str) -> None:
    """Why the program is about to abort; the last call counts."""
    _lib.ccol_capture_message(_bytes(text))
