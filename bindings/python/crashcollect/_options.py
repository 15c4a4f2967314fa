# SPDX-License-Identifier: MIT
"""Fills structs of options from Python's values."""
import ctypes
import os
from typing import Any


def _c_value(value: Any) -> Any:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("an option cannot hold a NUL character")
        return value.encode()
    if isinstance(value, os.PathLike):
        return os.fsencode(value)
    if isinstance(value, (list, tuple)):  # of texts, NULL-terminated
        return (ctypes.c_char_p * (len(value) + 1))(*map(_c_value, value), None)
    return value


def filled(kind: Any, **values: Any) -> Any:
    """A struct with its size set; None and 0 stay its defaults."""
    row = kind(size=ctypes.sizeof(kind))
    for name, value in values.items():
        if value is not None:
            setattr(row, name, _c_value(value))
    return row
