# SPDX-License-Identifier: MIT
"""An HTTP proxy before sqs-local that changes or drops replies, as a network or a faulty server does. Needs only
the standard library."""

import http.client
import http.server
import socket
import threading

from probes import is_probe


class Proxy:
    """Calls `spoil(number, operation, reply)` twice for each request; `number` counts the requests of the operation
    from 1.

    Before the request is forwarded, `reply` is None. The function may return "drop-before", which closes the
    connection, or a dict with "status", "headers" and "body", which is the answer.

    Then the request is forwarded, and `reply` is a dict. The function may change "status", "headers" (a list of
    pairs) and "body" (bytes), set "cut" to a number of bytes after which the connection is closed, or "stall" to a
    number of bytes after which no more are sent.

    A request with a body over `stall_bodies_over` bytes is read only in part; None: there is no bound. Probes for
    permissions are forwarded unchanged, and do not count."""

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
            request_queue_size = 128  # the kernel drops the SYN of a connection more, which costs its client a second

            def handle_error(self, *_):
                pass  # a client that closes its connection is a part of the tests

            def server_bind(self):
                # A small buffer, so that a body that is not read blocks its sender.
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
