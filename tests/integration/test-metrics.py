# SPDX-License-Identifier: MIT
"""The daemons' metrics and health by HTTP: what is served, to whom, where, and what bad clients can do."""

import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import metrics
import tap
from daemon import FIFO, Daemon
from metrics import fetch, free_port, read
from notify import Notify
from sqs_local import SqsLocal

READ = "The settings were read again: "
ENDLESS = {"producer": {"messages_to_send": 0, "send_interval": 0.005},
           "consumer": {"exit_after_empty_receives": 0}}


def rewrite(daemon, **changes):
    """Changes settings of a running daemon's file, and reloads."""
    with open(daemon.config, encoding="utf-8") as file:
        text = file.read()
    for name, value in changes.items():
        text, n = re.subn(rf'\b{name} = [^;]*;', f'{name} = "{value}";', text)
        tap.equal(n, 1)
    with open(daemon.config, "w", encoding="utf-8") as file:
        file.write(text)
    before = daemon.text.count(READ)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_line(READ, before + 1)


@tap.test
def both_daemons_count_the_messages_of_the_demo():
    with SqsLocal(queues=[FIFO]) as server:
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        producer = Daemon("sqs-producerd", server, producer={
            "messages_to_send": 7, "metrics_listen": addresses[0]})
        producer.wait_for_line("Metrics are served at " + addresses[0])
        tap.equal(producer.wait(), 0, producer.text)
        consumer = Daemon("sqs-consumerd", server, consumer={
            **ENDLESS["consumer"], "metrics_listen": addresses[1]})
        metrics.wait_for(addresses[1], "sqs_consumerd_messages_deleted_total", 7)
        values = read(addresses[1])
        tap.equal(values["sqs_consumerd_messages_received_total"], 7)
        tap.ok(any(name.startswith("sqs_consumerd_build_info{version=") for name in values), values)
        consumer.stop()


@tap.test
def get_and_head_of_two_paths_are_served_and_nothing_else():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-consumerd", server, consumer={**ENDLESS["consumer"], "metrics_listen": address})
        daemon.wait_for_line("Metrics are served")
        status, headers, body = fetch(address, "/metrics")
        tap.equal(status, 200)
        tap.equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        tap.ok(body.startswith("# HELP sqs_consumerd_"), body[:100])
        status, headers, body = fetch(address, "/metrics", method="HEAD")
        tap.equal((status, body), (200, ""))
        tap.ok(int(headers["Content-Length"]) > 100, headers)
        tap.equal(fetch(address, "/healthz")[::2], (200, "ok\n"))
        tap.equal(fetch(address, "/metrics?x=1")[0], 200)
        for path in ("/", "/metrics/", "/healthz2", "//metrics", "/METRICS"):
            tap.equal(fetch(address, path)[0], 404, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"):
            status, headers, _ = fetch(address, "/metrics", method=method)
            tap.equal((status, headers.get("Allow")), (405, "GET, HEAD"), method)
        # A browser that was led here by a name of an attacker (DNS rebinding).
        port = address.rsplit(":", 1)[1]
        for host, expected in (("attacker.example", 403), (f"attacker.example:{port}", 403),
                               ("localhost", 200), (f"localhost:{port}", 200), ("[::1]:1", 200),
                               (address, 200)):
            tap.equal(fetch(address, "/metrics", headers={"Host": host})[0], expected, host)
        daemon.stop()


@tap.test
def reload_opens_moves_and_closes_it():
    with SqsLocal(queues=[FIFO]) as server:
        daemon = Daemon("sqs-consumerd", server, consumer={**ENDLESS["consumer"], "metrics_listen": ""})
        daemon.wait_for_line("Number of messages received")
        first, second = f"127.0.0.1:{free_port()}", f"[::1]:{free_port(socket.AF_INET6)}"
        path = "unix:" + os.path.join(daemon.folder, "metrics")
        for address in (first, second, path):
            rewrite(daemon, metrics_listen=address)
            tap.equal(fetch(address, "/healthz")[0], 200)
            for other in {first, second, path} - {address}:
                tap.ok(not metrics.is_open(other), f"{other} beside {address}")
        descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        for _ in range(20):
            rewrite(daemon, metrics_listen=first)
            rewrite(daemon, metrics_listen=path)
        tap.equal(len(os.listdir(f"/proc/{daemon.process.pid}/fd")), descriptors)
        rewrite(daemon, metrics_listen="")
        tap.ok(not metrics.is_open(path), "closed")
        tap.ok(not os.path.exists(path[len("unix:"):]), "the socket is removed")
        daemon.stop()


@tap.test
def address_in_use_is_a_warning_and_messages_flow():
    taken = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{taken.getsockname()[1]}"
    with SqsLocal(queues=[FIFO]) as server, Notify() as notify:
        daemon = Daemon("sqs-producerd", server, env={"NOTIFY_SOCKET": notify.path}, producer={
            **ENDLESS["producer"], "metrics_listen": address})
        daemon.wait_for_line(f"producer.metrics_listen: cannot listen at {address}: Address already in use. "
                             "Messages go on without metrics; trying again each minute.")
        daemon.wait_for_line("SQS Response", 5)
        tap.wait_until(lambda: notify.lines and f"; no metrics at {address}: Address already in use"
                       in notify.lines[-1])
        taken.close()
        # A reload tries at once.
        rewrite(daemon, metrics_listen=address)
        tap.equal(fetch(address, "/healthz")[0], 200)
        tap.wait_until(lambda: notify.lines[-1].startswith("STATUS=Sent") and "no metrics" not in notify.lines[-1])
        daemon.stop()


@tap.test
def health_tells_what_the_daemon_waits_for():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-producerd", server, producer={**ENDLESS["producer"], "metrics_listen": address})
        daemon.wait_for_line("SQS Response")
        tap.equal(fetch(address, "/healthz")[::2], (200, "ok\n"))
        server.set_faults("SendMessage:error-503")
        tap.wait_until(lambda: fetch(address, "/healthz")[0] == 503)
        text = fetch(address, "/healthz")[2]
        tap.equal(text, "Waiting for the queue: HTTP status 503\n")
        server.set_faults()
        tap.wait_until(lambda: fetch(address, "/healthz")[0] == 200)
        daemon.stop()


@tap.test
def health_tells_that_the_handler_is_not_reached():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 1})
        tap.equal(producer.wait(), 0)
        daemon = Daemon("sqs-consumerd", server, consumer={
            **ENDLESS["consumer"], "handler": "http", "url": f"http://127.0.0.1:{free_port()}/",
            "metrics_listen": address}, env={"STATE_DIRECTORY": producer.folder})
        daemon.wait_for_line("Metrics are served")
        tap.wait_until(lambda: fetch(address, "/healthz")[0] == 503)
        text = fetch(address, "/healthz")[2]
        tap.ok(re.match(r"the handler has not been reached for \d+ s: .*connect", text), text)
        daemon.stop()


if __name__ == "__main__":
    tap.main()
