# SPDX-License-Identifier: MIT
"""The ready-made HTTP server, for programs without one."""
import weakref
from ctypes import byref, c_int, c_void_p
from typing import Callable, Optional, Sequence

from . import _abi
from ._load import lib
from ._objects import Closing, Handle, hold, let_go, made
from ._options import filled
from .collector import Collector
from .errors import call
from .health import Health
from .log import Log, log_to_python, write_log
from .storage import Path

STOP_SECONDS = 5.0


class Server(Closing):
    """`with Server(collector, health, listen="127.0.0.1:8000"):` answers POST /submit, and the health endpoints if
    there is a Health. Close it before the two."""

    def __init__(self, collector: Collector, health: Optional[Health] = None, *, listen: Optional[str] = None,
                 listen_fds: Sequence[int] = (), threads: int = 0, connections: int = 0,
                 tls_cert: Optional[Path] = None, tls_key: Optional[Path] = None, header_timeout_ms: int = 0,
                 body_timeout_ms: int = 0, body_min_rate: int = 0, body_grace_ms: int = 0, idle_timeout_ms: int = 0,
                 log: Log = log_to_python) -> None:
        number = hold(log)
        options = filled(
            _abi.ServerOptions, listen=listen, listen_fd_count=len(listen_fds), threads=threads,
            connections=connections, tls_cert=tls_cert, tls_key=tls_key, header_timeout_ms=header_timeout_ms,
            body_timeout_ms=body_timeout_ms, body_min_rate=body_min_rate, body_grace_ms=body_grace_ms,
            idle_timeout_ms=idle_timeout_ms, log=write_log, log_user=number)
        if listen_fds:
            options.listen_fds = (c_int * len(listen_fds))(*listen_fds)
        out = c_void_p()

        def free(pointer: int, seconds: float) -> None:
            stop_server(pointer, seconds)
            let_go(number)
        try:
            with collector._handle as owner:
                if health:
                    with health._handle as pointer:
                        call(lib.ccol_server_start, byref(out), owner, pointer, byref(options))
                else:
                    call(lib.ccol_server_start, byref(out), owner, None, byref(options))
        except BaseException:
            let_go(number)
            raise
        self._adopt(made(out), free, collector._handle, health._handle if health else None)

    def _adopt(self, pointer: int, free: Callable[[int, float], None], *owners: Optional[Handle]) -> None:
        self._handle = Handle("server", pointer, free, *owners)
        weakref.finalize(self, self._handle.abandon).atexit = False

    @property
    def port(self) -> int:
        """The TCP port in use, 0 for a unix socket."""
        with self._handle as pointer:
            return int(lib.ccol_server_port(pointer))

    @property
    def connections(self) -> int:
        """Connections open now."""
        with self._handle as pointer:
            return int(lib.ccol_server_connections(pointer))

    def quiesce(self) -> None:
        """Takes no new connections, and returns at once."""
        with self._handle as pointer:
            lib.ccol_server_quiesce(pointer)

    def close(self, timeout: float = STOP_SECONDS) -> None:
        """Quiesces, waits for requests in flight, and stops."""
        self._handle.close(timeout)


def stop_server(pointer: int, seconds: float) -> None:
    lib.ccol_server_stop(pointer, int(seconds * 1000))
