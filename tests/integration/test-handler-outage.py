# SPDX-License-Identifier: MIT
"""sqs-consumerd while its handler cannot be reached. No message counts as failed, so none gets to the dead-letter
queue unhandled; only a message that crashes the handler gets there."""

import collections
import contextlib
import itertools
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import Daemon
from metrics import free_port
from notify import Notify
from sqs_local import SqsLocal
from standin import Reply, StandIn

WAIT_SEC = 60
VISIBILITY = 20
OUTAGE_SEC = 22  # longer than the visibility timeout, so that leases must be renewed


class Application(StandIn):
    """Answers each body with what `answer_to(body)` returns, a status or a Reply. `began` has all bodies in
    order."""

    def __init__(self, answer_to=lambda body: 200, port=0):
        self.began = []
        self.answer_to = answer_to
        super().__init__(port=port)

    def answer(self, request):
        body = request.body.decode()
        self.began.append(body)
        reply = self.answer_to(body)
        return reply if isinstance(reply, Reply) else Reply(reply, "answer")


class Place:
    """A server with a queue and its dead-letter queue, and the state directory of a consumer."""

    def __init__(self, name, most=3):
        self.queue = name
        self.dead = "dead" + name[name.find("."):] if "." in name else "dead"
        self.server = SqsLocal(queues=[f"{q},FifoQueue=true" if q.endswith(".fifo") else q
                                       for q in (self.queue, self.dead)])
        self.folder = tempfile.mkdtemp(prefix="test-outage-")
        arn = self.attributes(self.dead)["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})
        sqs.call(self.server, "SetQueueAttributes", QueueUrl=self.server.queue_url(self.queue),
                 Attributes={"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": policy})

    def attributes(self, queue):
        return sqs.call(self.server, "GetQueueAttributes", QueueUrl=self.server.queue_url(queue),
                        AttributeNames=["All"])["Attributes"]

    def dead_letters(self):
        return int(self.attributes(self.dead)["ApproximateNumberOfMessages"])

    def fill(self, count, groups=5):
        for i in range(count):
            sqs.send(self.server, f"m{i}", group=f"g{i % groups}", queue=self.queue)

    def consumer(self, env=None, **settings):
        return Daemon("sqs-consumerd", self.server, queue=self.queue,
                      env={"STATE_DIRECTORY": self.folder, "PLACE": self.folder, **(env or {})},
                      consumer={"max_messages": 10, "concurrency": 10, "retry_delay": 1,
                                "receivers": 2, "exit_after_empty_receives": 0, **settings})

    def posting(self, port, **settings):
        return self.consumer(handler="http", url=f"http://127.0.0.1:{port}/", **settings)

    def end(self, daemon):
        """Stops the daemon; returns how often each message was received, by its body."""
        daemon.stop()
        bodies = {r["message_id"]: r["body"] for r in self.server.records("sent")}
        return collections.Counter(bodies[r["message_id"]]
                                   for r in self.server.records("received", self.queue))

    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.stop(check=kind is None)
        shutil.rmtree(self.folder)


def in_order(place, bodies):
    """Fails if a group of a FIFO queue is out of order."""
    if place.queue.endswith(".fifo"):
        for group in range(5):
            mine = [int(b[1:]) for b in bodies if int(b[1:]) % 5 == group]
            tap.equal(mine, sorted(mine))


# Each of these begins an outage and waits in `yield`, so that several outages take their time together. Then the
# outage ends, and each message must be handled, received once.


@contextlib.contextmanager
def nobody_listens(queue):
    port = free_port()
    with Place(queue) as place, Notify() as notify:
        place.fill(20)
        start = time.monotonic()
        daemon = place.posting(port, env={"NOTIFY_SOCKET": notify.path})
        daemon.wait_for_line("The handler is not reached: http://127.0.0.1:")
        yield
        tap.wait_until(lambda: [line for line in notify.lines if line.startswith("STATUS=")
                                and "the handler has not been reached for" in line], WAIT_SEC, "the status")
        asked = len(place.server.records("received"))
        with Application(port=port) as application:
            place.server.wait_for_records("deleted", 20)
            daemon.wait_for_line("The handler is reached again, after ")
            counts = place.end(daemon)
            in_order(place, application.began)
        tap.equal(sorted(application.began), sorted(f"m{i}" for i in range(20)))
        tap.equal(place.dead_letters(), 0)
        tap.equal(set(counts.values()), {1}, daemon.text)
        tap.ok(asked <= 20, f"{asked} received in an outage")
        minutes = 1 + int((time.monotonic() - start) / 60)
        told = [line for line in daemon.lines if "is not reached" in line]
        tap.ok(len(told) <= minutes, daemon.text)


@contextlib.contextmanager
def gateway_refuses_all_requests():
    gate = threading.Event()
    refusals = itertools.cycle([502, Reply(503), Reply(503, headers=[("Retry-After", "1")]), 504])
    with Place("jobs") as place, \
            Application(lambda body: 200 if gate.is_set() else next(refusals)) as application:
        place.fill(20)
        daemon = place.posting(application.port)
        daemon.wait_for_line("The handler is not reached: ")
        yield
        tap.ok(len(application.began) < 40, f"{len(application.began)} posts")
        gate.set()
        place.server.wait_for_records("deleted", 20, 2 * WAIT_SEC)
        counts = place.end(daemon)
        tap.equal(place.dead_letters(), 0)
        tap.equal(set(counts.values()), {1}, daemon.text)


def write_program(place, text='#!/bin/sh\necho "$(cat)" >> "$PLACE/handled"\n'):
    with open(place.path("new"), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(place.path("new"), 0o755)
    os.rename(place.path("new"), place.path("program"))


@contextlib.contextmanager
def program_cannot_be_started(queue, spoil, says):
    with Place(queue) as place:
        write_program(place)
        daemon = place.consumer(handler="exec", command=[place.path("program")], concurrency=5)
        sqs.send(place.server, "m0", group="g0", queue=queue)
        tap.wait_until(lambda: place.lines("handled") == ["m0"], WAIT_SEC, "the first message")
        spoil(place)
        for i in range(1, 20):
            sqs.send(place.server, f"m{i}", group=f"g{i % 5}", queue=queue)
        daemon.wait_for_line("The handler is not reached: cannot run consumer.command")
        tap.ok(says in daemon.text, daemon.text)
        yield
        write_program(place)
        place.server.wait_for_records("deleted", 20)
        counts = place.end(daemon)
        tap.equal(sorted(place.lines("handled")), sorted(f"m{i}" for i in range(20)))
        in_order(place, place.lines("handled"))
        tap.equal(place.dead_letters(), 0)
        tap.equal(set(counts.values()), {1}, daemon.text)


def program_is_missing():
    return program_cannot_be_started("jobs.fifo", lambda place: os.unlink(place.path("program")),
                                     "No such file or directory")


def program_is_not_executable():
    return program_cannot_be_started("jobs", lambda place: os.chmod(place.path("program"), 0o644),
                                     "Permission denied")


@tap.test
def messages_are_handled_once_after_nobody_listened_for_a_while():
    with nobody_listens("jobs"), nobody_listens("jobs.fifo"), gateway_refuses_all_requests():
        time.sleep(OUTAGE_SEC)


@tap.test
def messages_are_handled_once_after_the_program_could_not_be_started_for_a_while():
    with program_is_missing(), program_is_not_executable():
        time.sleep(OUTAGE_SEC)


def crashes_the_application(most, others):
    """A message crashes an application behind a gateway. The gateway answers 502 to it, and for a moment to all."""
    crashed = [0.0]

    def answer(body):
        if body == "crash":
            crashed[0] = time.monotonic()
        return 502 if time.monotonic() < crashed[0] + 0.3 else 200

    with Place("jobs", most) as place, Application(answer) as application:
        sqs.send(place.server, "crash", queue="jobs")
        place.fill(others)
        daemon = place.posting(application.port)
        place.server.wait_for_records("deleted", others)
        tap.wait_until(lambda: place.dead_letters() == 1, WAIT_SEC, "the dead letter")
        counts = place.end(daemon)
        tap.equal(counts["crash"], most)
        tap.equal([m["Body"] for m in sqs.receive(place.server, place.dead)], ["crash"])
        tap.equal(len(place.server.records("deleted")), others)


tap.add("message that crashes the application behind a gateway gets to the dead-letter queue",
        crashes_the_application, 2, 9)
tap.add("message that crashes the application gets to the dead-letter queue without any other message",
        crashes_the_application, 1, 0)


@tap.test
def stop_during_an_outage_releases_all_messages_at_once():
    with Place("jobs") as place:
        place.fill(10)
        daemon = place.posting(free_port(), stop_timeout=600, visibility_timeout=600)
        daemon.wait_for_line("The handler is not reached")
        place.server.wait_for_records("received", 10)
        place.end(daemon)
        got = []
        while len(got) < 10:
            more = sqs.receive(place.server, "jobs", visibility=600)
            tap.ok(more, f"not visible after the stop: all but {got}")
            got += [m["Body"] for m in more]
        tap.equal(sorted(got), sorted(f"m{i}" for i in range(10)))


@tap.test
def a_stop_does_not_wait_for_a_connection():
    # Its queue of connections is full, so that the kernel drops those of the consumer.
    with Place("jobs.fifo", most=5) as place, socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        place.fill(10)
        # Before the connection fails, after 5 s, a stop that waits for it says that it takes too long. So does each
        # stop on a machine that is too slow at that moment.
        for _ in range(5):
            received = len(place.server.records("received"))
            daemon = place.posting(full.getsockname()[1], stop_timeout=6)
            place.server.wait_for_records("received", received + 1)
            daemon.signal()
            daemon.wait()
            if "The stop takes too long" not in daemon.text:
                break
        tap.equal(daemon.process.returncode, 0, daemon.text)


@tap.test
def program_that_starts_and_fails_counts_as_a_failed_message():
    with Place("jobs", 2) as place:
        write_program(place, "#!/bin/sh\nexit 127\n")
        sqs.send(place.server, "bad", queue="jobs")
        daemon = place.consumer(handler="exec", command=[place.path("program")])
        tap.wait_until(lambda: place.dead_letters() == 1, WAIT_SEC, "the dead letter")
        tap.equal(place.end(daemon)["bad"], 2)
        tap.ok("is not reached" not in daemon.text, daemon.text)


if __name__ == "__main__":
    tap.main()
