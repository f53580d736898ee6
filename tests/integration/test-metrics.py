# SPDX-License-Identifier: MIT
"""The daemons' metrics and health by HTTP: what is served, to whom, where, and what bad clients can do."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import metrics
import sqs
import tap
from daemon import FIFO, Daemon
from metrics import fetch, free_port, read
from notify import Notify
from spool import NO_SENDS, Spool
from sqs_local import SqsLocal

READ = "The settings were read again: "
ENDLESS = {"producer": {"messages_to_send": 0, "send_interval": 0.005},
           "consumer": {"exit_after_empty_receives": 0}}


def answers(address):
    try:
        return fetch(address, "/healthz")[0] > 0
    except OSError:
        return False


def rewrite(daemon, address):
    """Changes metrics_listen in a running daemon's file, and reloads. Waits until the address is served: the line about
    the reload comes before that."""
    with open(daemon.config, encoding="utf-8") as file:
        text = file.read()
    text, n = re.subn(r"\bmetrics_listen = [^;]*;", f'metrics_listen = "{address}";', text)
    tap.equal(n, 1)
    with open(daemon.config, "w", encoding="utf-8") as file:
        file.write(text)
    before = daemon.text.count(READ)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_line(READ, before + 1)
    if address:
        tap.wait_until(lambda: answers(address))


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
            rewrite(daemon, address)
            tap.equal(fetch(address, "/healthz")[0], 200)
            for other in {first, second, path} - {address}:
                tap.ok(not metrics.is_open(other), f"{other} beside {address}")
        before = descriptors(daemon)
        for _ in range(20):
            rewrite(daemon, first)
            rewrite(daemon, path)
        # What the work may open meanwhile; one left open at each reload would be more.
        tap.wait_until(lambda: descriptors(daemon) <= before + 4)
        rewrite(daemon, "")
        tap.wait_until(lambda: not metrics.is_open(path), message="closed")
        tap.wait_until(lambda: not os.path.exists(path[len("unix:"):]), message="the socket is removed")
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
        rewrite(daemon, address)
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
        tap.equal(text, "Waiting for the queue (trying again within a minute): HTTP status 503\n")
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


@tap.test
def numbers_of_the_consumer_are_those_of_its_last_line():
    with SqsLocal(queues=[FIFO]) as server, tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        with open(program, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" "read -r status || :; sleep 0.01; exit $status\n")
        os.chmod(program, 0o755)
        for number, status in enumerate((0, 0, 0, 65, 75)):
            sqs.send(server, f"{status} ", group=f"g{number}", MessageDeduplicationId=str(number))
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-consumerd", server, env={"STATE_DIRECTORY": folder}, consumer={
            **ENDLESS["consumer"], "handler": "exec", "command": [program], "concurrency": 5,
            "retry_delay": 1000, "retry_delay_max": 1000, "metrics_listen": address})
        metrics.wait_for(address, "sqs_consumerd_messages_deleted_total", 4)
        values = metrics.wait_for(address, 'sqs_consumerd_messages_released_total{reason="failed"}', 1)
        for name, value in (("messages_received_total", 5), ("messages_deleted_total", 4),
                            ('messages_handled_total{outcome="done"}', 3),
                            ('messages_handled_total{outcome="rejected"}', 1),
                            ('messages_handled_total{outcome="failed"}', 1),
                            ("messages_lost_total", 0), ("messages_in_flight", 0), ("slots_free", 5),
                            ("message_handling_seconds_count", 5), ("message_waiting_seconds_count", 5),
                            ('message_handling_seconds_bucket{le="0.008"}', 0),
                            ("handler_unreached_seconds", 0), ("ledger_messages", 4),
                            ('requests_total{operation="GetQueueAttributes",result="success"}', 1),
                            ("queue_visible_messages", 5)):
            tap.equal(values["sqs_consumerd_" + name], value, name)
        tap.ok("sqs_consumerd_credentials_expiry_timestamp_seconds" not in values, "keys without an end")
        daemon.stop()
        tap.ok(": 5 received, 4 deleted, 1 failed, 1 rejected, 1 released; in flight: 0." in daemon.text, daemon.text)


@tap.test
def numbers_of_the_producer_tell_retries_and_what_waits():
    with SqsLocal(queues=[FIFO], faults=["SendMessage:throttle:times=2"]) as server, Spool() as spool:
        address = f"127.0.0.1:{free_port()}"
        daemon = spool.producer(server, producer={"metrics_listen": address, "spool_max_messages": 50})
        with spool.connect(daemon) as submitter:
            submitter.submit("a", group="g")
            values = metrics.wait_for(address, "sqs_producerd_messages_sent_total", 1)
            for name, value in (('requests_total{operation="SendMessage",result="throttled"}', 2),
                                ('requests_total{operation="SendMessage",result="success"}', 1),
                                ('request_retries_total{operation="SendMessage"}', 2),
                                ("send_seconds_count", 1), ("messages_taken_total", 1),
                                ("messages_rejected_total", 0), ("messages_in_doubt_total", 0),
                                ("spool_messages", 0), ("spool_oldest_message_age_seconds", 0),
                                ("spool_max_messages", 50), ("spool_writable", 1), ("submitters", 1)):
                tap.equal(values["sqs_producerd_" + name], value, name)
            server.set_faults(*NO_SENDS)
            for _ in range(3):
                submitter.submit("bcd", group="g")
            values = metrics.wait_for(address, "sqs_producerd_spool_oldest_message_age_seconds", 0.5)
            tap.equal(values["sqs_producerd_spool_messages"], 3)
            tap.equal(values["sqs_producerd_spool_bytes"], 9)
            metrics.wait_for(address, 'sqs_producerd_requests_total{operation="SendMessage",result="unanswered"}', 1)
            server.set_faults()
            metrics.wait_for(address, "sqs_producerd_messages_sent_total", 4)
            tap.equal(read(address)["sqs_producerd_spool_oldest_message_age_seconds"], 0)
        daemon.stop()


@tap.test
def promtool_finds_nothing_to_complain_about():
    if not shutil.which("promtool"):
        raise tap.Skip("no promtool here")
    with SqsLocal(queues=[FIFO]) as server, Spool() as spool:
        for start in (lambda **settings: spool.producer(server, producer=settings),
                      lambda **settings: Daemon("sqs-consumerd", server,
                                                consumer={**ENDLESS["consumer"], **settings})):
            address = f"127.0.0.1:{free_port()}"
            daemon = start(metrics_listen=address)
            daemon.wait_for_line("Metrics are served")
            found = subprocess.run(["promtool", "check", "metrics"], input=fetch(address)[2], text=True,
                                   capture_output=True, check=False)
            tap.equal((found.returncode, found.stdout, found.stderr), (0, "", ""))
            daemon.stop()


# --- Bad clients ---


def memory_kib(daemon):
    """The memory of a daemon; 0 with the address sanitizer, which keeps freed memory."""
    with open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8") as file:
        if "asan" in file.read():
            return 0
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def open_many(address, n):
    """Begins to open connections, and waits for none."""
    host, port = address.rsplit(":", 1)
    peers = []
    for _ in range(n):
        peer = socket.socket()
        peer.setblocking(False)
        try:
            peer.connect((host, int(port)))
        except BlockingIOError:
            pass
        peers.append(peer)
    return peers


def send_all(peers, data):
    for peer in peers:
        try:
            peer.send(data)
        except OSError:
            pass


@tap.test
def bad_clients_cost_little_and_the_work_goes_on():
    with SqsLocal(queues=[FIFO]) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-producerd", server, producer={
            **ENDLESS["producer"], "metrics_listen": address})
        metrics.wait_for(address, "sqs_producerd_messages_sent_total", 50)
        memory, files = memory_kib(daemon), descriptors(daemon)
        scrape = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
        for what in (b"", b"GET /metr", scrape, b"G" * 65536, scrape + b"X: " + b"y" * 65536,
                     (scrape + b"\r\n") * 1000,
                     scrape.replace(b"GET", b"POST") + b"Content-Length: 1000000\r\n\r\n" + b"z" * 65536):
            peers = open_many(address, 1000 if what == b"" else 40)
            sent = daemon.text.count("SQS Response")
            for _ in range(5):
                send_all(peers, what)
            # While they are there, a hundred messages are sent.
            daemon.wait_for_line("SQS Response", sent + 100)
            # 16 connections, one that is refused just now, and what the work may open meanwhile
            tap.ok(descriptors(daemon) <= files + 16 + 4, f"{descriptors(daemon)} descriptors, {files} before")
            tap.ok(memory_kib(daemon) < memory + 8192, f"{memory_kib(daemon)} KiB, {memory} before")
            for peer in peers:
                peer.close()
        tap.equal(fetch(address, "/healthz")[0], 200)
        daemon.stop()
        sent = [json.loads(record["body"])["data"] for record in server.records("sent")]
        tap.equal(sent, [f"mydata{number}" for number in range(len(sent))])


@tap.test
def clients_that_do_not_move_lose_their_connection():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-producerd", server, producer={**ENDLESS["producer"], "metrics_listen": address})
        daemon.wait_for_line("Metrics are served")
        half = [metrics.connect(address) for _ in range(16)]
        send_all(half, b"GET /metrics HTTP/1.1\r\nHost: local")
        # All connections are taken; after ten seconds their places are free again.
        tap.equal(fetch(address, "/healthz")[0], 200)
        tap.equal([peer.recv(100) for peer in half], [b""] * 16)
        daemon.stop()


@tap.test
def clients_that_send_a_byte_now_and_then_do_not_keep_others_out():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-producerd", server, producer={**ENDLESS["producer"], "metrics_listen": address})
        daemon.wait_for_line("Metrics are served")
        slow = [metrics.connect(address) for _ in range(16)]
        has_ended = threading.Event()

        def drip():
            send_all(slow, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")
            while not has_ended.wait(0.5):
                send_all(slow, b"y")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            for _ in range(3):
                tap.equal(fetch(address, "/healthz")[0], 200)
        finally:
            has_ended.set()
            thread.join()
        daemon.stop()


@tap.test
def request_gets_one_answer_and_the_connection_is_closed():
    with SqsLocal(queues=[FIFO]) as server:
        address = f"127.0.0.1:{free_port()}"
        daemon = Daemon("sqs-producerd", server, producer={**ENDLESS["producer"], "metrics_listen": address})
        daemon.wait_for_line("Metrics are served")
        for request, status in ((b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
                                (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
                                (b"GET /healthz HTTP/1.1\r\n\r\n", b"4"),
                                (b"GET /healthz HTTP/1.1\r\nHost : evil.example\r\n\r\n", b"4"),
                                (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\tx\r\n\r\n", b"4"),
                                (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
                                 b"403"),
                                (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
                                 b"405"),
                                # These may have no answer: the connection's reset, since not all was read, can
                                # overtake it; and libmicrohttpd 0.9 does not answer what is no text.
                                (b"G" * 20000, None), (b"\0\xff\r\n\r\n", None)):
            with metrics.connect(address) as peer:
                peer.sendall(request)
                answer = b""
                try:
                    while data := peer.recv(65536):
                        answer += data
                except ConnectionResetError:
                    pass  # what it sent was not read
                if status or answer:
                    tap.ok(answer.split(b" ")[1].startswith(status or b"4"), str((request[:60], answer[:200])))
                status_lines = re.findall(rb"HTTP/1\.[01] \d{3} ", answer)
                tap.equal(len(status_lines), 1 if status or answer else 0, str((request[:60], answer)))
        daemon.stop()


if __name__ == "__main__":
    tap.main()
