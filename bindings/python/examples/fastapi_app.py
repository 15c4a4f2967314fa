# SPDX-License-Identifier: MIT
"""A FastAPI application that takes crash reports beside its own pages. The settings are crashcollectd's:
CRASHCOLLECT_LISTEN=127.0.0.1:8000 python fastapi_app.py"""
import signal
import socket
import sys

import fastapi
import uvicorn

import crashcollect.asgi

app = fastapi.FastAPI()


@app.get("/", response_class=fastapi.responses.PlainTextResponse)
def page():
    return "the host's own page\n"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with crashcollect.Settings.from_environment() as settings, settings.open_collector() as collector, \
            settings.open_health(collector) as health:
        app.add_middleware(crashcollect.asgi.Submit, collector=collector, health=health)
        host, port = settings["listen"].rsplit(":", 1)
        listener = socket.create_server((host, int(port)))
        print(f"listening on {host}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
