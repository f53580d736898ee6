# SPDX-License-Identifier: MIT
"""sqs-consumerd when its handler cannot be reached for a while. No message counts as failed, so none gets to the
dead-letter queue unhandled; a message that crashes the handler still gets there."""

import collections
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
from notify import Notify
from sqs_local import SqsLocal
from standin import Reply, StandIn

PATIENCE = 60
AWAY = 4  # seconds: twice the visibility timeout, so that leases are renewed meanwhile


class Application(StandIn):
    """Answers what `answer_to(body)` returns: a status, or a Reply. `began` holds all bodies in order."""

    def __init__(self, answer_to=lambda body: 200, port=0):
        self.began = []
        self.answer_to = answer_to
        super().__init__(port=port)

    def answer(self, request):
        body = request.body.decode()
        self.began.append(body)
        reply = self.answer_to(body)
        return reply if isinstance(reply, Reply) else Reply(reply, "says so")


class Place:
    """A server with a queue and its dead-letter queue, and a folder for a consumer."""

    def __init__(self, name, most=3):
        self.queue = name
        self.dead = "dead" + name[name.find("."):] if "." in name else "dead"
        self.server = SqsLocal(queues=[f"{q},FifoQueue=true" if q.endswith(".fifo") else q
                                       for q in (self.queue, self.dead)])
        self.folder = tempfile.mkdtemp(prefix="test-away-")
        arn = self.attributes(self.dead)["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})
        sqs.call(self.server, "SetQueueAttributes", QueueUrl=self.server.queue_url(self.queue),
                 Attributes={"VisibilityTimeout": "2", "RedrivePolicy": policy})

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
        daemon.signal()
        tap.equal(daemon.wait(), 0, daemon.text)
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


def free_port():
    with Application() as application:
        return application.port


def in_order(place, bodies):
    """On a FIFO queue each group keeps its order."""
    if place.queue.endswith(".fifo"):
        for group in range(5):
            mine = [int(b[1:]) for b in bodies if int(b[1:]) % 5 == group]
            tap.equal(mine, sorted(mine))


def nobody_listens(queue):
    port = free_port()
    with Place(queue) as place, Notify() as notify:
        place.fill(20)
        start = time.monotonic()
        daemon = place.posting(port, env={"NOTIFY_SOCKET": notify.path})
        daemon.wait_for_line("The handler is not reached: http://127.0.0.1:")
        time.sleep(AWAY)
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
        tap.ok([line for line in notify.lines if line.startswith("STATUS=")
                and "the handler is not reached for" in line], "\n".join(notify.lines))


for name in "jobs", "jobs.fifo":
    tap.add(f"nobody listens for a while, and then all messages are handled ({name})",
            nobody_listens, name)


@tap.test
def a_gateway_that_refuses_all_for_a_while_costs_no_message():
    gate = threading.Event()
    refusals = itertools.cycle([502, Reply(503), Reply(503, headers=[("Retry-After", "1")]), 504])
    with Place("jobs") as place, \
            Application(lambda body: 200 if gate.is_set() else next(refusals)) as application:
        place.fill(20)
        daemon = place.posting(application.port)
        daemon.wait_for_line("The handler is not reached: ")
        time.sleep(AWAY)
        tap.ok(len(application.began) < 40, f"{len(application.began)} posts")
        gate.set()
        place.server.wait_for_records("deleted", 20)
        counts = place.end(daemon)
        tap.equal(place.dead_letters(), 0)
        tap.equal(set(counts.values()), {1}, daemon.text)


def crashing(most, others):
    """A message that crashes an application behind a gateway: 502 to it, and for a moment to all."""
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
        tap.wait_until(lambda: place.dead_letters() == 1, PATIENCE, "the dead letter")
        counts = place.end(daemon)
        tap.equal(counts["crash"], most)
        tap.equal([m["Body"] for m in sqs.receive(place.server, place.dead)], ["crash"])
        tap.equal(len(place.server.records("deleted")), others)


tap.add("a message that crashes the application behind a gateway comes to its dead-letter queue",
        crashing, 2, 9)
tap.add("so it does where there is no other message", crashing, 1, 0)


@tap.test
def a_stop_gives_all_back_at_once():
    with Place("jobs") as place:
        place.fill(10)
        daemon = place.posting(free_port(), stop_timeout=30)
        daemon.wait_for_line("The handler is not reached")
        place.server.wait_for_records("received", 10)
        start = time.monotonic()
        place.end(daemon)
        got = []
        while len(got) < 10 and time.monotonic() < start + 20:
            got += [m["Body"] for m in sqs.receive(place.server, "jobs", visibility=60)]
        tap.equal(sorted(got), sorted(f"m{i}" for i in range(10)))
        tap.ok(time.monotonic() - start < 15, "it waited")


@tap.test
def a_stop_does_not_wait_for_a_connection():
    # Its queue of connections is full, so that the kernel drops those of the consumer.
    with Place("jobs.fifo") as place, socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(full.getsockname())
        place.fill(10)
        daemon = place.posting(full.getsockname()[1], stop_timeout=5)
        place.server.wait_for_records("received", 1)
        place.end(daemon)
        tap.ok("The stop takes too long" not in daemon.text, daemon.text)
        for connection in waiting:
            connection.close()


def write_program(place, text='#!/bin/sh\necho "$(cat)" >> "$PLACE/handled"\n'):
    with open(place.path("new"), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(place.path("new"), 0o755)
    os.rename(place.path("new"), place.path("program"))


def the_program_cannot_be_started(queue, spoil, says):
    with Place(queue) as place:
        write_program(place)
        daemon = place.consumer(handler="exec", command=[place.path("program")], concurrency=5)
        sqs.send(place.server, "m0", group="g0", queue=queue)
        tap.wait_until(lambda: place.lines("handled") == ["m0"], PATIENCE, "the first message")
        spoil(place)
        for i in range(1, 20):
            sqs.send(place.server, f"m{i}", group=f"g{i % 5}", queue=queue)
        daemon.wait_for_line("The handler is not reached: cannot run consumer.command")
        tap.ok(says in daemon.text, daemon.text)
        time.sleep(AWAY)
        write_program(place)
        place.server.wait_for_records("deleted", 20)
        counts = place.end(daemon)
        tap.equal(sorted(place.lines("handled")), sorted(f"m{i}" for i in range(20)))
        in_order(place, place.lines("handled"))
        tap.equal(place.dead_letters(), 0)
        tap.equal(set(counts.values()), {1}, daemon.text)


tap.add("the program is away for a while", the_program_cannot_be_started, "jobs.fifo",
        lambda place: os.unlink(place.path("program")), "No such file or directory")
tap.add("the program may not be run for a while", the_program_cannot_be_started, "jobs",
        lambda place: os.chmod(place.path("program"), 0o644), "Permission denied")


@tap.test
def a_program_that_starts_and_fails_is_the_messages_own():
    with Place("jobs", 2) as place:
        write_program(place, "#!/bin/sh\nexit 127\n")
        sqs.send(place.server, "bad", queue="jobs")
        daemon = place.consumer(handler="exec", command=[place.path("program")])
        tap.wait_until(lambda: place.dead_letters() == 1, PATIENCE, "the dead letter")
        tap.equal(place.end(daemon)["bad"], 2)
        tap.ok("is not reached" not in daemon.text, daemon.text)


if __name__ == "__main__":
    tap.main()
