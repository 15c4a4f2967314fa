# SPDX-License-Identifier: MIT
"""What the WSGI and ASGI adapters share: whose request is it?"""
from typing import Mapping, Optional, Union

from .health import Health
from .upload import Reply


def route(health: Optional[Health], submit: str, method: str, path: str,
          headers: Mapping[str, str]) -> Union[Reply, str, None]:
    """An answer, "submit" where an upload follows, or None where the request is the application's."""
    path = "/" + path.lstrip("/") if path.startswith("//") else path
    if path != submit:
        return health.answer(method, path, headers.get("authorization"), headers) if health else None
    if method == "POST":
        return "submit"
    body = b"" if method == "OPTIONS" else b'{"title": "405 Method Not Allowed"}'
    return Reply(200 if method == "OPTIONS" else 405, [
        ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
        ("Allow", "POST" if method == "OPTIONS" else "POST, OPTIONS")], body)
