# SPDX-License-Identifier: MIT
"""`app.wsgi_app = crashcollect.wsgi.Submit(app.wsgi_app, collector)`: /submit beside an application's own pages."""
import http
from typing import Any, Callable, Dict, Iterable, Optional

from ._http import route
from .collector import Collector
from .health import Health
from .upload import Reply, Upload

PIECE = 1 << 16


def _headers(environ: Dict[str, Any]) -> Dict[str, str]:
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items()
               if name.startswith("HTTP_")}
    for variable, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")):
        if environ.get(variable):
            headers[name] = environ[variable]
    return headers


class Submit:
    """Answers /submit, and the health endpoints if there is a Health; all else goes on to the application."""

    def __init__(self, application: Callable[..., Iterable[bytes]], collector: Collector,
                 health: Optional[Health] = None, path: str = "/submit") -> None:
        self.application = application
        self.collector = collector
        self.health = health
        self.path = path

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = _headers(environ)
        reply = route(self.health, self.path, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers)
        if reply is None:
            return self.application(environ, start_response)
        if reply == "submit":
            reply = self._submit(environ, headers)
        assert isinstance(reply, Reply)
        start_response(f"{reply.status} {http.HTTPStatus(reply.status).phrase}", reply.headers)
        return [reply.body]

    def _submit(self, environ: Dict[str, Any], headers: Dict[str, str]) -> Reply:
        # without a length a body ends where the server says it does: when it was chunked
        left = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else -1
        with Upload(self.collector, headers) as upload:
            while left and (left > 0 or environ.get("wsgi.input_terminated")):
                piece = environ["wsgi.input"].read(PIECE if left < 0 else min(PIECE, left))
                if not piece or not upload.feed(piece):
                    break
                left -= len(piece) if left > 0 else 0
            return upload.finish()
