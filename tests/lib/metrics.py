# SPDX-License-Identifier: MIT
"""Reads the metrics of a daemon by HTTP. An address is as in the setting metrics_listen. Needs only the standard
library.

    address = f"127.0.0.1:{free_port()}"
    Daemon("sqs-consumerd", server, consumer={"metrics_listen": address})
    wait_for(address, "sqs_consumerd_messages_deleted_total", 7)
"""

import errno
import http.client
import random
import socket

import tap

_held = []  # a UDP socket at each port that was given, so that no other test program is given it


def free_port(family=socket.AF_INET):
    """Returns a TCP port of loopback that nobody uses at the moment. The kernel gives it to nobody who asks for any
    port, so it is still free a while later."""
    while True:
        port = random.randrange(10000, 20000)
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        except OSError as error:
            held.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        _held.append(held)
        return port


def connect(address, timeout=60):
    """Returns a connected socket."""
    if address.startswith("unix:"):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(timeout)
        peer.connect(address[len("unix:"):])
        return peer
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout)


def is_open(address):
    """Whether somebody accepts a connection there."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def fetch(address, path="/metrics", method="GET", headers=None):
    """Sends a request; returns the status, the headers and the body of the answer."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = connect(address)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def read(address):
    """Returns the metrics, a dict by name and labels: {'x_total{result="success"}': 3.0}."""
    status, _, text = fetch(address)
    tap.equal(status, 200)
    return dict((name, float(value)) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")))


def wait_for(address, name, value, seconds=60):
    """Waits until the daemon is there and the metric is at least `value`; returns all metrics."""
    def look():
        try:
            values = read(address)
        except OSError:
            return None
        return values if values.get(name, 0) >= value else None

    return tap.wait_until(look, seconds, f"{name} >= {value}")
