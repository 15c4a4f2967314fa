# SPDX-License-Identifier: MIT
"""A class of a user's own, as C calls it."""
from ctypes import byref
from typing import Any, Dict

from . import _abi
from ._objects import entry, held, hold, inside, let_go, made_by
from ._options import filled
from .errors import fill


def reference(thing: Any, base: type, constructor: Any, table: Any, optional: Dict[str, Any], **required: Any) -> int:
    """A new object of C's that calls the thing's methods; the caller unrefs it. `table` is the struct of its methods,
    which gets the required ones and those of the optional ones that the thing's class has not from the base."""
    kind = type(thing)
    ops = filled(table, name=thing.name or kind.__name__, destroy=_destroy, **required)
    for method, call in optional.items():
        if getattr(kind, method) is not getattr(base, method):
            setattr(ops, method, call)
    number = hold(thing)
    try:
        return made_by(constructor, byref(ops), number)
    except BaseException:
        let_go(number)
        raise


def asking(method: str) -> Any:
    """C's entry to a method without arguments that raises or returns nothing."""
    def ask(number: int, error: Any) -> int:
        try:
            with inside():
                getattr(held(number), method)()
            return 0
        except BaseException as raised:
            return fill(error, raised)
    return entry(_abi.AskFn)(ask)


@entry(_abi.DestroyFn)
def _destroy(number: int) -> None:
    try:
        with inside():
            let_go(number).destroy()
    except BaseException as raised:
        fill(None, raised)
