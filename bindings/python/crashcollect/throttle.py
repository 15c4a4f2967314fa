# SPDX-License-Identifier: MIT
"""What is done with a report: rules as data, and rules in Python."""
import json
from ctypes import byref, c_void_p, sizeof
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Union

from . import _abi
from ._abi import Verdict
from ._load import lib
from ._objects import entry, held, hold, inside, let_go, made
from .errors import call, check, fill, text_of
from .report import Report, pointer_of

Rules = Union[str, bytes, Mapping[str, Any]]
Decide = Callable[[Report], Verdict]


class Decision(NamedTuple):
    verdict: Verdict
    rule: str  # "NO_MATCH", with REJECT, when no rule matched


class Explained(NamedTuple):
    """One rule that was looked at. `result` is "" when it did not match."""
    rule: str
    matched: bool
    result: str


def _encoded(rules: Rules) -> bytes:
    if isinstance(rules, bytes):
        return rules
    return (rules if isinstance(rules, str) else json.dumps(rules)).encode()


class Throttle:
    """An ordered set of rules, immutable: to change the rules, give the collector another one."""

    def __init__(self, rules: Rules) -> None:
        """Rules as JSON text, or as the object that it stands for; crashcollectd(8) has the format."""
        data = _encoded(rules)
        out = c_void_p()
        call(lib.ccol_throttle_new, byref(out), data, len(data))
        self._pointer = made(out)

    @classmethod
    def _adopt(cls, out: c_void_p) -> "Throttle":
        throttle = cls.__new__(cls)
        throttle._pointer = made(out)
        return throttle

    @classmethod
    def named(cls, name_or_path: str) -> "Throttle":
        """A built-in set ("accept-all", "mozilla"), or a file of rules."""
        out = c_void_p()
        call(lib.ccol_throttle_new_named, byref(out), name_or_path.encode())
        return cls._adopt(out)

    @classmethod
    def callback(cls, rule: str, decide: Decide, then: "Optional[Throttle]" = None) -> "Throttle":
        """One rule in Python, asked before those of `then`. It may be called by several threads. Verdict.CONTINUE lets
        the rules after it decide, and so does an exception, which is logged."""
        out = c_void_p()
        number = hold(decide)
        try:
            call(lib.ccol_throttle_new_callback, byref(out), rule.encode(), _decide, number, _destroy,
                 then._pointer if then else None)
        except BaseException:
            let_go(number)
            raise
        return cls._adopt(out)

    def __del__(self, _unref: Any = lib.ccol_throttle_unref) -> None:
        if getattr(self, "_pointer", None):
            _unref(self._pointer)

    def __len__(self) -> int:
        return int(lib.ccol_throttle_rule_count(self._pointer))

    def seed(self, seed: int) -> None:
        """Makes percentages repeatable, for tests; 0 goes back to random ones."""
        lib.ccol_throttle_seed(self._pointer, seed)

    def decide(self, report: Report) -> Decision:
        decision = _abi.Decision(size=sizeof(_abi.Decision))
        lib.ccol_throttle_decide(self._pointer, pointer_of(report), byref(decision))
        return Decision(Verdict(decision.verdict), text_of(decision.rule))

    def explain(self, report: Report) -> List[Explained]:
        """Every rule that was looked at, in order."""
        rows: List[Explained] = []
        decision = _abi.Decision(size=sizeof(_abi.Decision))
        number = hold(rows)
        try:
            lib.ccol_throttle_explain(self._pointer, pointer_of(report), byref(decision), _explain, number)
        finally:
            let_go(number)
        return rows

    @staticmethod
    def mistakes(rules: Rules) -> List[str]:
        """Every mistake in rules; none: they are fine."""
        data = _encoded(rules)
        found: List[str] = []
        number = hold(found)
        try:
            check(lib.ccol_throttle_check(data, len(data), tell, number))
        finally:
            let_go(number)
        return found


@entry(_abi.ThrottleFn)
def _decide(number: int, report: int) -> int:
    try:
        with inside():
            return int(held(number)(Report._borrow(report)))
    except BaseException as raised:
        fill(None, raised)
        return int(Verdict.CONTINUE)


@entry(_abi.DestroyFn)
def _destroy(number: int) -> None:
    let_go(number)


@entry(_abi.TextFn)
def tell(number: int, text: bytes) -> None:
    """Appends to the list with that number."""
    held(number).append(text_of(text))


@entry(_abi.ExplainFn)
def _explain(number: int, rule: bytes, matched: bool, result: bytes) -> None:
    held(number).append(Explained(text_of(rule), matched, text_of(result)))
