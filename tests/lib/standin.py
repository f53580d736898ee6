# SPDX-License-Identifier: MIT
"""A small HTTP server in a thread, the base of the stand-ins for services of AWS. Needs only the standard
library."""

import http.server
import os
import socket
import socketserver
import threading
import time


class Request:
    """A request: method, path (with its query), headers (names in lower case), body (bytes)."""

    def __init__(self, method, path, headers, body=b""):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"{self.method} {self.path}"


class Reply:
    """An answer, sent after `delay` seconds. `cut`: close the connection after so many bytes of the body."""

    def __init__(self, status=200, body=b"", content_type="text/plain", *, delay=0.0, cut=None,
                 headers=()):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.content_type = content_type
        self.delay = delay
        self.cut = cut
        self.headers = headers


class StandIn:
    """Calls `answer(request)` of the subclass for each request, and keeps all requests in `requests`. The
    constructor begins to listen, on an IP address or, if `address` begins with "/", on a Unix socket. The end of
    a `with` block stops it, and closes all connections."""

    def __init__(self, address="127.0.0.1", port=0):
        self.requests = []
        self._stopping = threading.Event()
        self._connections = set()
        self._path = address if address.startswith("/") else None
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def log_message(self, *_):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:  # the client has closed the connection, as after a time-out
                    self.close_connection = True

            def _do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path,
                                  {k.lower(): v for k, v in self.headers.items()}, body)
                owner.requests.append(request)
                reply = owner.answer(request)
                if reply.delay and owner._stopping.wait(reply.delay):
                    self.close_connection = True
                    return
                self.send_response_only(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body if reply.cut is None else reply.body[:reply.cut])
                if reply.cut is not None:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do

        class Server(http.server.ThreadingHTTPServer):
            address_family = (socket.AF_UNIX if owner._path else
                              socket.AF_INET6 if ":" in address else socket.AF_INET)
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128  # on a Unix socket, a connection more than these is refused

            def server_bind(self):
                if not owner._path:
                    super().server_bind()
                    return
                socketserver.TCPServer.server_bind(self)
                self.server_name, self.server_port = "localhost", 0

            def get_request(self):
                connection, peer = super().get_request()
                owner._connections.add(connection)
                return connection, peer

            def shutdown_request(self, request):
                owner._connections.discard(request)
                super().shutdown_request(request)

        self._httpd = Server(self._path or (address, port), Handler)
        if self._path:
            self.port = 0
            self.url = f"unix:{self._path}"
        else:
            self.port = self._httpd.server_address[1]
            host = f"[{address}]" if ":" in address else address
            self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever,
                                        kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def answer(self, request):
        raise NotImplementedError

    def stop(self):
        self._stopping.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the connection is closed already
                pass
        if self._path:
            os.unlink(self._path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def serve_until_killed(server, what):
    """For a stand-in as a program: prints its address, and runs until it is killed."""
    print(f"{what} listening on {server.url}", flush=True)
    while True:
        time.sleep(3600)
