# SPDX-License-Identifier: MIT
"""Finds libcrashcollect, checks that it is the one this package was made for, and declares its functions."""
import ctypes
import os
import pathlib

from . import _abi

VARIABLE = "CRASHCOLLECT_LIBRARY"


class LibraryError(ImportError):
    """The library is not there, or is not the one for this package; the text tells what to do."""


def _find() -> str:
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return chosen
    bundled = pathlib.Path(__file__).with_name(_abi.SONAME)
    return str(bundled) if bundled.exists() else _abi.SONAME


def _open(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        cure = (f"{VARIABLE} names it: correct or unset that" if os.environ.get(VARIABLE) else
                f"install the package libcrashcollect0, or name the file in {VARIABLE}")
        raise LibraryError(f"cannot load libcrashcollect ({error}); {cure}") from error


def _check_version(library: ctypes.CDLL, name: str) -> None:
    wanted = ".".join(str(part) for part in _abi.VERSION)
    try:
        library.ccol_version_number.restype = ctypes.c_uint
        number = library.ccol_version_number()
    except AttributeError:
        raise LibraryError(f"{name} is not libcrashcollect: it has no ccol_version_number") from None
    major, minor, patch = number // 1_000_000, number // 1000 % 1000, number % 1000
    if (major, minor) != _abi.VERSION[:2]:
        raise LibraryError(f"{name} is libcrashcollect {major}.{minor}.{patch}, but this package is made for "
                           f"{wanted}; install the two in the same version")


def load() -> ctypes.CDLL:
    """The library with every function declared. Raises LibraryError."""
    name = _find()
    library = _open(name)
    _check_version(library, name)
    for function, result, arguments in _abi.FUNCTIONS:
        try:
            entry = getattr(library, function)
        except AttributeError:
            raise LibraryError(f"{name} has no function {function}: it is older than this package; install the two in "
                               "the same version") from None
        entry.restype = result
        entry.argtypes = arguments
    return library


lib = load()
