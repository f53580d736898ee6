# SPDX-License-Identifier: MIT
"""An HTTP proxy in front of sqs-local that changes or drops replies, as a network or a broken server does.
Needs only the standard library."""

import http.client
import http.server
import socket
import threading

from probes import is_probe


class Proxy:
    """Forwards each request unchanged and hands the reply to `spoil(number, operation, reply)`,
    which may change reply["status"], ["headers"] (a list of pairs) and ["body"] (bytes), set
    ["cut"] to a number of bytes after which the connection is closed, or ["stall"] to one after which
    nothing more comes. Of a request whose body is larger than `stall_bodies_over` bytes, which may be
    changed at any time, only a part is read (None: there is no such bound). Before a request is forwarded,
    spoil(number, operation, None) may return "drop-before" (the connection is closed instead) or a
    dict of "status", "headers" and "body", which is answered instead. `number` counts an operation's
    requests from 1. The start's probes for permissions pass as they are, and do not count."""

    def __init__(self, server, spoil):
        counts = {}
        lock = threading.Lock()
        owner = self
        self.stall_bodies_over = None
        self._ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                operation = self.headers.get("X-Amz-Target", ".").split(".", 1)[1]
                size = int(self.headers.get("Content-Length", 0))
                if owner.stall_bodies_over is not None and size > owner.stall_bodies_over:
                    self.stall()
                    return
                body = self.rfile.read(size)
                reply = {"status": None, "headers": [], "body": b"", "cut": None,
                         "stall": None}
                if is_probe(operation, body):
                    self.forward(body, reply)
                    self.answer(reply)
                    return
                with lock:
                    counts[operation] = number = counts.get(operation, 0) + 1
                instead = spoil(number, operation, None)
                if instead == "drop-before":
                    self.close_connection = True
                    return
                if instead:
                    reply.update(instead)
                    self.answer(reply)
                    return
                self.forward(body, reply)
                spoil(number, operation, reply)
                self.answer(reply)

            def forward(self, body, reply):
                upstream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                upstream.request("POST", self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                reply.update(status=answer.status, body=answer.read(),
                             headers=[(k, v) for k, v in answer.getheaders()
                                      if k.lower() not in ("content-length", "connection")])
                upstream.close()

            def answer(self, reply):
                self.send_response_only(reply["status"])
                for name, value in reply["headers"]:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply["body"])))
                self.end_headers()
                if reply["cut"] is not None:
                    self.wfile.write(reply["body"][:reply["cut"]])
                    self.close_connection = True
                elif reply["stall"] is not None:
                    self.wfile.write(reply["body"][:reply["stall"]])
                    self.stall()
                else:
                    self.wfile.write(reply["body"])

            def stall(self):
                owner._ended.wait()
                self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that hung up: that is what is being tested

            def server_bind(self):
                # A small buffer, so that a body that is not read does not leave the sender.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
                super().server_bind()

        self.httpd = Server(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        self.counts = counts
        self._thread = threading.Thread(target=self.httpd.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.httpd.shutdown()
        self.httpd.server_close()
