# SPDX-License-Identifier: MIT
"""Where the library's log lines go."""
import logging
from typing import Callable

from . import _abi
from ._abi import Level
from ._objects import entry, held, hold
from .errors import fill, text_of

Log = Callable[[Level, str, str, str], None]
_LEVELS = {3: logging.ERROR, 4: logging.WARNING, 6: logging.INFO, 7: logging.DEBUG}


def log_to_python(level: Level, part: str, crash_id: str, text: str) -> None:
    """The default: the logger "crashcollect." + part."""
    logging.getLogger(f"crashcollect.{part}").log(_LEVELS[level], "%s", f"{crash_id}: {text}" if crash_id else text)


@entry(_abi.LogFn)
def write_log(number: int, level: int, part: bytes, crash_id: bytes, text: bytes) -> None:
    """What is written after the object that it belongs to has gone is dropped."""
    write = held(number)
    try:
        if write:
            write(Level(level), text_of(part), text_of(crash_id), text_of(text))
    except BaseException as raised:
        fill(None, raised)


TO_PYTHON = hold(log_to_python)  # for what may outlive its Python object
