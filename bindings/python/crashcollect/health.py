# SPDX-License-Identifier: MIT
"""The health endpoints and /metrics, for any HTTP server."""
import weakref
from ctypes import byref, c_void_p, sizeof
from typing import Any, Callable, List, Mapping, Optional

from . import _abi
from ._load import lib
from ._objects import Closing, Handle, entry, held, hold, inside, let_go, made
from ._options import filled
from .collector import Collector
from .errors import call, fill
from .storage import Path
from .upload import Reply, take_reply

CLOSE_SECONDS = 5.0


@entry(_abi.ProbeFn)
def _probe(number: int, error: Any) -> int:
    try:
        with inside():
            held(number)()
        return 0
    except BaseException as raised:
        return fill(error, raised)


class Health(Closing):
    """Answers /__lbheartbeat__, /__heartbeat__, /__version__, /__broken__ and /metrics. Never waits for a storage."""

    def __init__(self, collector: Collector, *, version_file: Optional[Path] = None,
                 admin_auth: Optional[str] = None) -> None:
        options = filled(_abi.HealthOptions, version_file=version_file, admin_auth=admin_auth)
        out = c_void_p()
        with collector._handle as pointer:
            call(lib.ccol_health_new, byref(out), pointer, byref(options))
        self._adopt(made(out), collector._handle)

    def _adopt(self, pointer: int, *owners: Handle) -> None:
        probes: List[int] = []
        self._probes = probes

        def free(pointer: int, _: float) -> None:
            lib.ccol_health_free(pointer)
            for number in probes:
                let_go(number)
        self._handle = Handle("health", pointer, free, *owners)
        weakref.finalize(self, self._handle.close, 0.0).atexit = False

    def add_probe(self, name: str, probe: Callable[[], None]) -> None:
        """A check of your own, asked with the others on a thread of the library; an exception is an error in
        /__heartbeat__."""
        number = hold(probe)
        try:
            with self._handle as pointer:
                call(lib.ccol_health_add_probe, pointer, name.encode(), _probe, number)
        except BaseException:
            let_go(number)
            raise
        self._probes.append(number)

    def answer(self, method: str, path: str, authorization: Optional[str] = None,
               headers: Optional[Mapping[str, str]] = None) -> Optional[Reply]:
        """The reply, or None where the path is none of the five. What fails is reported with `headers`."""
        rows = [_abi.Header(name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
                for name, value in (headers or {}).items()]
        request = _abi.HealthRequest(size=sizeof(_abi.HealthRequest), method=method.encode("latin-1", "replace"),
                                     path=path.encode("utf-8", "replace").split(b"\0")[0],
                                     authorization=authorization and authorization.encode("latin-1", "replace"),
                                     headers=(_abi.Header * len(rows))(*rows), header_count=len(rows))
        row = _abi.Reply(size=sizeof(_abi.Reply))
        with self._handle as pointer:
            if not lib.ccol_health_answer(pointer, byref(request), byref(row)):
                return None
        return take_reply(row)

    def close(self) -> None:
        self._handle.close(CLOSE_SECONDS)
