# SPDX-License-Identifier: MIT
"""A Flask application that takes crash reports beside its own pages. The settings are crashcollectd's:
CRASHCOLLECT_LISTEN=127.0.0.1:8000 python flask_app.py"""
import signal
import socket
import sys

import flask
import waitress

import crashcollect.wsgi

app = flask.Flask(__name__)


@app.get("/")
def page():
    return "the host's own page\n"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with crashcollect.Settings.from_environment() as settings, settings.open_collector() as collector, \
            settings.open_health(collector) as health:
        app.wsgi_app = crashcollect.wsgi.Submit(app.wsgi_app, collector, health)
        host, port = settings["listen"].rsplit(":", 1)
        listener = socket.create_server((host, int(port)))
        print(f"listening on {host}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
        waitress.serve(app, sockets=[listener], threads=8, max_request_body_size=1 << 40)


if __name__ == "__main__":
    main()
