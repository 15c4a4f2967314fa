# SPDX-License-Identifier: MIT
"""`app.add_middleware(crashcollect.asgi.Submit, collector=collector)`: /submit beside an application's own pages."""
import asyncio
from typing import Any, Awaitable, Callable, Dict, Optional

from ._http import route
from .collector import Collector
from .health import Health
from .upload import Reply, Upload

Receive = Callable[[], Awaitable[Dict[str, Any]]]
Send = Callable[[Dict[str, Any]], Awaitable[None]]


class Submit:
    """Answers /submit, and the health endpoints if there is a Health; all else goes on to the application."""

    def __init__(self, app: Callable[..., Awaitable[None]], collector: Collector, health: Optional[Health] = None,
                 path: str = "/submit") -> None:
        self.app = app
        self.collector = collector
        self.health = health
        self.path = path

    async def __call__(self, scope: Dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = route(self.health, self.path, scope["method"], scope["path"], headers)
        if reply is None:
            return await self.app(scope, receive, send)
        if reply == "submit":
            reply = await self._submit(headers, receive)
        if not isinstance(reply, Reply):
            return None  # the client has gone
        await send({"type": "http.response.start", "status": reply.status,
                    "headers": [(name.lower().encode(), value.encode()) for name, value in reply.headers]})
        await send({"type": "http.response.body", "body": reply.body})
        return None

    async def _submit(self, headers: Dict[str, str], receive: Receive) -> Optional[Reply]:
        with Upload(self.collector, headers) as upload:
            more = not upload.decided
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                more = upload.feed(message.get("body", b"")) and message.get("more_body", False)
            reply: Reply = await asyncio.wrap_future(upload.finish_async())
            return reply
