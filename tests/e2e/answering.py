# SPDX-License-Identifier: MIT
"""An HTTP server that answers as it is told and keeps what it was sent: for what no real far end does on demand."""
import collections
import http.server
import threading
import time

Seen = collections.namedtuple("Seen", "method path headers body")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Answering:
    """answer(seen) -> (status, headers, body), or a number of seconds to say nothing for."""

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                outer.seen.append(seen)
                answer = outer.answer(seen)
                if isinstance(answer, (int, float)):
                    time.sleep(answer)
                    self.close_connection = True
                    return
                status, more, text = answer
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, *_):
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def posts(self):
        return [seen for seen in list(self.seen) if seen.method == "POST"]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
