# SPDX-License-Identifier: MIT
"""sqs-consumerd with the handler "http": which requests the application gets, and what becomes of each message. The
application is Python's http.server, on TCP and on a Unix socket."""

import collections
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from metrics import free_port
from sqs_local import SqsLocal
from standin import Reply, StandIn

WAIT_SEC = 60


class Application(StandIn):
    """Answers each body with the next entry of `replies[body]`, a Reply or a function that returns one; without
    one, with 200. `began` has all bodies in order."""

    def __init__(self, address="127.0.0.1", port=0, replies=None):
        self.began = []
        self.replies = collections.defaultdict(list, replies or {})
        super().__init__(address, port)

    def answer(self, request):
        body = request.body.decode()
        self.began.append(body)
        left = self.replies[body]
        reply = left.pop(0) if left else Reply(200, "done")
        return reply() if callable(reply) else reply


class Place:
    """An address at which applications listen, one after the other. `kind`: "TCP" or "unix"."""

    def __init__(self, kind):
        self.folder = tempfile.mkdtemp(prefix="test-http-")
        self.address = os.path.join(self.folder, "socket") if kind == "unix" else "127.0.0.1"
        self.port = 0 if kind == "unix" else free_port()
        self.url = (f"unix:{self.address}:/in/box" if kind == "unix" else
                    f"http://127.0.0.1:{self.port}/in/box")

    def open(self, **replies):
        return Application(self.address, self.port, replies)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def consumer(server, place, queue="test.fifo", **settings):
    return Daemon("sqs-consumerd", server, queue=queue, env={"STATE_DIRECTORY": place.folder},
                  consumer={"handler": "http", "url": place.url, "max_messages": 10,
                            "concurrency": 10, "retry_delay": 1, **settings})


def fill(server, groups, count, queue="test.fifo"):
    for i in range(count):
        for group in groups:
            sqs.send(server, f"{group}.{i}", group=group, queue=queue)


def of_group(bodies, group):
    return [int(body.split(".")[1]) for body in bodies if body.split(".")[0] == group]


def received_times(server, message_id):
    return [r["time"] for r in server.records("received") if r["message_id"] == message_id]


def check_all_deleted(server):
    tap.equal(sorted(r["message_id"] for r in server.records("deleted")),
              sorted(r["message_id"] for r in server.records("sent")))


def on_both(function):
    """Registers a test for each kind of Place."""
    for kind in ("TCP", "unix"):
        def run(kind=kind):
            with Place(kind) as place:
                function(place)

        tap.add(f"{function.__name__.replace('_', ' ')} ({kind})", run)
    return function


@on_both
def messages_are_posted_in_order_and_deleted(place):
    groups = [f"g{i}" for i in range(10)]
    with SqsLocal(queues=[FIFO]) as server, place.open() as application:
        fill(server, groups, 10)
        daemon = consumer(server, place, receivers=4, delete_linger=0.02)
        tap.equal(daemon.wait(), 0, daemon.text)
        for group in groups:
            tap.equal(of_group(application.began, group), list(range(10)), group)
        check_all_deleted(server)
        tap.equal({(r.method, r.path) for r in application.requests}, {("POST", "/in/box")})
        tap.ok("Warning" not in daemon.text and "not handled" not in daemon.text, daemon.text)


@on_both
def headers_are_those_of_aws_sqsd(place):
    with SqsLocal(queues=["jobs"]) as server, place.open() as application:
        answer = sqs.send(server, "{}", queue="jobs", MessageAttributes={
            "title": {"DataType": "String", "StringValue": "Grüß Gott"},
            "amount": {"DataType": "Number.eur", "StringValue": "12.5"},
            "lines": {"DataType": "String", "StringValue": "one\r\nX-Injected: two"},
            "raw": {"DataType": "Binary", "BinaryValue": "AAEC"}})
        before = time.time()
        daemon = consumer(server, place, queue="jobs")
        tap.equal(daemon.wait(), 0, daemon.text)
        received = server.records("received")[0]
        headers = application.requests[0].headers
        tap.equal(headers["x-aws-sqsd-msgid"], answer["MessageId"])
        tap.equal(headers["x-aws-sqsd-queue"], "jobs")
        tap.equal(headers["x-aws-sqsd-receive-count"], "1")
        tap.equal(headers["x-aws-sqsd-path"], "/in/box")
        tap.equal(headers["content-type"], "application/json")
        tap.equal(headers["content-length"], "2")
        tap.ok(headers["user-agent"].startswith("aws-sqsd/"), headers["user-agent"])
        tap.ok(headers["x-aws-sqsd-sender-id"], "no sender")
        for name in ("first-received-at", "sent-at"):
            value = headers[f"x-aws-sqsd-{name}"]
            tap.ok(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value), value)
        seconds = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before - 60))
        tap.ok(headers["x-aws-sqsd-first-received-at"] > seconds, str(received))
        # http.server reads headers as Latin-1.
        tap.equal(headers["x-aws-sqsd-attr-title"].encode("latin-1").decode(), "Grüß Gott")
        tap.equal(headers["x-aws-sqsd-attr-amount"], "12.5")
        tap.equal([n for n in headers if n in ("x-aws-sqsd-attr-lines", "x-aws-sqsd-attr-raw",
                                               "x-injected", "expect")], [])
        daemon.wait_for_line('without 1 of its attributes')


@on_both
def failed_message_delays_only_its_own_group(place):
    with SqsLocal(queues=[FIFO]) as server, \
            place.open(**{"a.1": [Reply(500, "not now"), Reply(404)]}) as application:
        fill(server, ["a", "b"], 4)
        daemon = consumer(server, place, exit_after_empty_receives=8)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(of_group(application.began, "a"), [0, 1, 1, 1, 2, 3])
        tap.equal(of_group(application.began, "b"), [0, 1, 2, 3])
        check_all_deleted(server)
        failing = [r["message_id"] for r in server.records("sent") if r["group"] == "a"][1]
        times = received_times(server, failing)
        # The first retry comes after 1 s, the second after 2 s.
        tap.equal(len(times), 3)
        tap.ok(times[1] - times[0] >= 0.9 and times[2] - times[1] >= 1.9, str(times))
        line = daemon.wait_for_line("status 500: not now")
        tap.ok(failing in line, line)
        tap.ok(failing in daemon.wait_for_line("status 404"), daemon.text)


@on_both
def retry_after_header_sets_the_retry_delay(place):
    def later():
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
        return Reply(429, headers=[("Retry-After", date)])

    with SqsLocal(queues=["plain"]) as server, place.open(**{
            "x.0": [Reply(429, headers=[("Retry-After", "3")])],
            "x.1": [Reply(429, headers=[("Retry-After", "0")])],
            "x.2": [later]}) as application:
        fill(server, ["x"], 3, queue="plain")
        daemon = consumer(server, place, queue="plain", retry_delay=1,
                          exit_after_empty_receives=8)
        tap.equal(daemon.wait(), 0, daemon.text)
        check_all_deleted(server)
        tap.equal(sorted(application.began), ["x.0", "x.0", "x.1", "x.1", "x.2", "x.2"])
        ids = [r["message_id"] for r in server.records("sent")]
        apart = [received_times(server, i)[1] - received_times(server, i)[0] for i in ids]
        tap.ok(apart[0] >= 2.9, str(apart))
        tap.ok(apart[1] >= 0.9, str(apart))  # never sooner than retry_delay
        tap.ok(apart[2] >= 1.9, str(apart))  # the date has whole seconds: between 2 s and 3 s


@on_both
def messages_wait_until_an_application_listens_again(place):
    groups = [f"g{i}" for i in range(5)]
    start = time.monotonic()
    with SqsLocal(queues=[FIFO]) as server:
        with place.open() as first:
            fill(server, groups, 2)
            daemon = consumer(server, place, retry_delay_max=1, exit_after_empty_receives=0)
            server.wait_for_records("deleted", 10)
        fill(server, [group + "x" for group in groups], 3)
        daemon.wait_for_line("The handler is not reached: ")
        with place.open() as second:
            server.wait_for_records("deleted", 25)
            daemon.wait_for_line("The handler is reached again")
            daemon.stop()
        tap.equal(len(first.began), 10)
        for group in groups:
            tap.equal(of_group(second.began, group + "x"), [0, 1, 2])
        check_all_deleted(server)
        told = [line for line in daemon.lines if "is not reached" in line]
        minutes = 1 + int((time.monotonic() - start) / 60)
        tap.ok(1 <= len(told) <= minutes, daemon.text)


@on_both
def stop_waits_for_a_post_in_flight(place):
    stopping = threading.Event()

    def at_the_stop():
        stopping.wait(WAIT_SEC)
        return Reply(200)

    with SqsLocal(queues=[FIFO]) as server, place.open(**{"a.0": [at_the_stop]}) as application:
        fill(server, ["a"], 3)
        daemon = consumer(server, place, exit_after_empty_receives=0)
        tap.wait_until(lambda: application.began, WAIT_SEC)
        daemon.signal()
        daemon.wait_for_line("Releasing 2 messages")
        stopping.set()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(application.began, ["a.0"])
        tap.equal(len(server.records("deleted")), 1)
        tap.equal(sorted(m["Body"] for m in sqs.receive(server)), ["a.1", "a.2"])


@on_both
def message_of_a_post_longer_than_a_stop_is_released(place):
    with SqsLocal(queues=[FIFO]) as server, \
            place.open(**{"a.0": [Reply(200, delay=WAIT_SEC)]}) as application:
        fill(server, ["a"], 1)
        daemon = consumer(server, place, stop_timeout=12, exit_after_empty_receives=0)
        tap.wait_until(lambda: application.began, WAIT_SEC)
        daemon.stop(1)
        tap.equal(server.records("deleted"), [])
        tap.equal([m["Body"] for m in sqs.receive(server)], ["a.0"])


@on_both
def post_without_a_reply_ends_at_the_timeout_and_is_retried(place):
    with SqsLocal(queues=[FIFO]) as server, \
            place.open(**{"a.0": [Reply(200, delay=WAIT_SEC)]}) as application:
        fill(server, ["a"], 2)
        daemon = consumer(server, place, timeout=6, exit_after_empty_receives=2)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(application.began, ["a.0", "a.0", "a.1"])
        check_all_deleted(server)
        daemon.wait_for_line("timed out waiting for the reply")


@on_both
def messages_of_a_killed_daemon_are_handled_by_the_next(place):
    with SqsLocal(queues=[FIFO]) as server, \
            place.open(**{"a.0": [Reply(200, delay=WAIT_SEC)]}) as application:
        fill(server, ["a"], 2)
        daemon = consumer(server, place)
        tap.wait_until(lambda: application.began, WAIT_SEC)
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        sqs.end_leases(server)
        # The server may give them to the last receive of the killed daemon: then they come after half a minute.
        daemon = consumer(server, place, exit_after_empty_receives=0)
        server.wait_for_records("deleted", 2)
        daemon.stop()
        tap.equal(application.began, ["a.0", "a.0", "a.1"])
        check_all_deleted(server)


@tap.test
def start_without_a_url_fails():
    with SqsLocal(queues=[FIFO]) as server:
        daemon = Daemon("sqs-consumerd", server, consumer={"handler": "http"})
        tap.equal(daemon.wait(), 78, daemon.text)
        tap.ok("consumer.url" in daemon.text, daemon.text)


if __name__ == "__main__":
    tap.main()
