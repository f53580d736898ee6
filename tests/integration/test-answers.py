# SPDX-License-Identifier: MIT
"""Both daemons when a portal or a proxy answers in place of SQS, when replies or requests are too large for a slow
connection, and when an attribute of the queue changes."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from proxy import Proxy
from spool import Refused, Spool
from sqs_local import SqsLocal

NOT_FROM_SQS = "this reply is not from SQS"
REQUEST_ID = ("x-amzn-RequestId", "id")


class Portal(Proxy):
    """Answers the named operations itself, until let_through() is called; forwards all others."""

    def __init__(self, server, operations, *, status=200, body=b"{}", headers=()):
        self._is_open = threading.Event()

        def spoil(number, operation, reply):
            if reply or self._is_open.is_set() or operation not in operations:
                return None
            return {"status": status, "body": body, "headers": headers}

        super().__init__(server, spoil)

    def let_through(self):
        self._is_open.set()


def check_recovers(daemon):
    tap.equal(daemon.wait(120), 0, daemon.text)
    daemon.wait_for_line("The queue answers again")


def ignores_empty_reply(wait_sec, headers, *words):
    """A portal answers receives at once: the consumer must not conclude that the queue is empty."""
    with SqsLocal(queues=[FIFO]) as server:
        for i in range(3):
            sqs.send(server, f"message {i}", group="g")
        with Portal(server, ["ReceiveMessage"], headers=headers) as portal:
            consumer = Daemon("sqs-consumerd", server, endpoint=portal.url,
                              consumer={"exit_after_empty_receives": 1, "wait_time": wait_sec})
            line = consumer.wait_for_line("ReceiveMessage failed")
            for word in words:
                tap.ok(word in line, line)
            time.sleep(3)
            asked = portal.counts["ReceiveMessage"]
            tap.ok(asked <= 20, f"{asked} receives in 3 s")
            tap.ok("Number of messages received" not in consumer.text, consumer.text)
            tap.ok("answers again" not in consumer.text, consumer.text)
            portal.let_through()
            check_recovers(consumer)
        tap.equal(len(server.records("deleted")), 3)


tap.add("an empty reply before the end of the poll is not taken for an empty queue",
        ignores_empty_reply, 12, [REQUEST_ID], "without messages", "wait 12 s",
        "check aws.endpoint_url")
tap.add("an empty reply without a request id is not taken for an empty queue",
        ignores_empty_reply, 2, [], "no x-amzn-RequestId", NOT_FROM_SQS)


@tap.test
def empty_object_as_queue_attributes_is_no_answer():
    with SqsLocal(queues=[FIFO]) as server:
        with Portal(server, ["GetQueueAttributes", "ReceiveMessage"]) as portal:
            consumer = Daemon("sqs-consumerd", server, endpoint=portal.url)
            line = consumer.wait_for_line("GetQueueAttributes failed")
            tap.ok(NOT_FROM_SQS in line, line)
            portal.let_through()
            check_recovers(consumer)


@tap.test
def delete_answered_by_a_portal_is_retried():
    with SqsLocal(queues=[FIFO]) as server:
        sqs.send(server, "message", group="g")
        with Portal(server, ["DeleteMessage"]) as portal:
            consumer = Daemon("sqs-consumerd", server, endpoint=portal.url)
            line = consumer.wait_for_line("DeleteMessage failed")
            tap.ok(NOT_FROM_SQS in line, line)
            portal.let_through()
            check_recovers(consumer)
        tap.equal([r["message_id"] for r in server.records("deleted")][:1],
                  [r["message_id"] for r in server.records("sent")])


def page_gets_advice_about_portals(status, headers=()):
    with SqsLocal(queues=[FIFO]) as server:
        with Portal(server, ["SendMessage"], status=status, body=b"<html>sign in</html>",
                    headers=[("Content-Type", "text/html"), *headers]) as portal:
            producer = Daemon("sqs-producerd", server, endpoint=portal.url)
            line = producer.wait_for_line("SendMessage failed")
            tap.ok(f"HTTP status {status}" in line and NOT_FROM_SQS in line, line)
            portal.let_through()
            check_recovers(producer)
        tap.equal(len(server.records("sent")), 5)


tap.add("a page with status 200 gets the advice of a redirect", page_gets_advice_about_portals, 200)
tap.add("status 511 gets the advice of a redirect", page_gets_advice_about_portals, 511)


@tap.test
def messages_of_an_emulator_without_request_ids_are_handled():
    def spoil(number, operation, reply):
        if reply:
            reply["headers"] = [(k, v) for k, v in reply["headers"]
                                if k.lower() != "x-amzn-requestid"]

    with SqsLocal(queues=[FIFO]) as server, Proxy(server, spoil) as proxy:
        for i in range(3):
            sqs.send(server, f"message {i}", group="g")
        consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url)
        consumer.wait_for_line("Message deleted", 3)
        tap.equal(len(server.records("deleted")), 3)
        consumer.stop()


class ReceiveCounter(Proxy):
    """Counts the receives under way, `most` of them at once, and those that were empty."""

    def __init__(self, server):
        self.under_way = self.most = self.empty = 0
        self._lock = threading.Lock()
        super().__init__(server, self._count)

    def _count(self, _, operation, reply):
        if operation == "ReceiveMessage":
            with self._lock:
                self.under_way += -1 if reply else 1
                self.most = max(self.most, self.under_way)
                self.empty += bool(reply) and b"ReceiptHandle" not in reply["body"]


@tap.test
def idle_queue_is_polled_by_one_receive_at_a_time():
    receivers = 4
    with SqsLocal(queues=["plain"]) as server, ReceiveCounter(server) as proxy:
        for i in range(40):
            sqs.send(server, f"message {i}", queue="plain")
        consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url, queue="plain",
                          consumer={"receivers": receivers, "concurrency": 100, "max_messages": 10, "wait_time": 1,
                                    "exit_after_empty_receives": 0})
        consumer.wait_for_line("Message deleted", 40)
        tap.wait_until(lambda: proxy.most > 1, message="more than one receive at a time")
        # Each empty receive halves the number of those that may be under way, and the others end by themselves.
        tap.wait_until(lambda: proxy.empty >= 2 * receivers, 120, "the end of the receives under way")
        proxy.most, before = 0, proxy.empty
        tap.wait_until(lambda: proxy.empty >= before + 4, 120, "four more receives")
        tap.equal(proxy.most, 1, "receives at once")
        consumer.stop()


@tap.test
def deletes_ready_at_the_same_moment_share_requests_without_a_linger():
    with SqsLocal(queues=["plain"]) as server, Proxy(server, lambda *_: None) as proxy:
        for i in range(40):
            sqs.send(server, f"message {i}", queue="plain")
        # Without their lines, messages are ready as soon as they are received: ten at once.
        consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url, queue="plain", log={"level": "notice"},
                          consumer={"concurrency": 20, "max_messages": 10})
        tap.equal(consumer.wait(), 0, consumer.text)
        tap.equal(len(server.records("deleted")), 40)
        deletes = proxy.counts.get("DeleteMessage", 0) + proxy.counts["DeleteMessageBatch"]
        tap.ok(deletes <= 12, f"{proxy.counts}")


LARGE = "x" * 100_000


def asks_for_fewer_after_timeouts(queue):
    """Only a part of a reply over 300 kB gets through. The consumer asks for fewer messages until replies get
    through; before that, no line says that the queue answers again."""

    def spoil(number, operation, reply):
        if reply and len(reply["body"]) > 300_000:
            reply["stall"] = 100_000

    name = queue.split(",", maxsplit=1)[0]
    with SqsLocal(queues=[queue + ",VisibilityTimeout=6"]) as server:
        for i in range(10):
            sqs.send(server, LARGE + str(i), group=f"g{i}", queue=name)
        with Proxy(server, spoil) as proxy:
            consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url, queue=name,
                              aws={"request_timeout": 5},
                              consumer={"max_messages": 10, "concurrency": 10, "wait_time": 1,
                                        "exit_after_empty_receives": 0})
            line = consumer.wait_for_line("ReceiveMessage failed")
            for words in ("timed out receiving the reply", "100000 of ", "bytes had come",
                          "may have sent messages that did not arrive", "raise aws.request_timeout",
                          "consumer.max_messages"):
                tap.ok(words in line, f"no {words!r} in {line}")
            consumer.wait_for_line("Message deleted", 10, seconds=150)
            answers = [i for i, l in enumerate(consumer.lines) if "answers again" in l]
            bringing = [i for i, l in enumerate(consumer.lines)
                        if "messages received" in l and not l.endswith(" 0")]
            tap.ok(answers and abs(answers[0] - bringing[0]) <= 1, consumer.text[:3000])
            consumer.signal()
            tap.equal(consumer.wait(), 0)
        tap.equal(len({r["message_id"] for r in server.records("deleted")}), 10)


tap.add("replies that time out make the consumer ask a standard queue for fewer messages",
        asks_for_fewer_after_timeouts, "plain")
tap.add("replies that time out make the consumer ask a FIFO queue for fewer messages",
        asks_for_fewer_after_timeouts, FIFO)


@tap.test
def requests_that_time_out_are_sent_in_smaller_batches():
    with SqsLocal(queues=["plain"]) as server, Proxy(server, lambda *_: None) as proxy:
        proxy.stall_bodies_over = 1_000  # a batch of ten does not get through, a batch of two does
        producer = Daemon("sqs-producerd", server, endpoint=proxy.url, queue="plain",
                          aws={"request_timeout": 3}, log={"level": "notice"},
                          producer={"messages_to_send": 100, "send_interval": 0, "batch_size": 10,
                                    "max_connections": 4})
        line = producer.wait_for_line("SendMessageBatch failed")
        for words in ("timed out", "raise aws.request_timeout", "producer.batch_size"):
            tap.ok(words in line, f"no {words!r} in {line}")
        tap.equal(producer.wait(120), 0, producer.text)
        tap.ok(any("The queue answers again" in l for l in producer.lines), producer.text)
        # A reply that takes longer than the timeout makes a standard queue have the message twice.
        tap.equal(len({r["body"] for r in server.records("sent")}), 100)


def set_attribute(server, name, value, queue="test.fifo"):
    sqs.call(server, "SetQueueAttributes", QueueUrl=server.queue_url(queue),
             Attributes={name: str(value)})


@tap.test
def raised_maximum_message_size_is_read_before_a_submission_is_refused():
    with SqsLocal([FIFO + ",MaximumMessageSize=1024"]) as server, Spool() as spool:
        producer = spool.producer(server)
        producer.wait_for_line("Running...")
        with spool.connect(producer) as submitter:
            submitter.submit("small")
            server.wait_for_records("sent", 1)
            time.sleep(2.5)  # so old that the daemon asks the queue again
            try:
                submitter.submit("x" * 2000)
                raise AssertionError("a message that is too large was accepted")
            except Refused as refused:
                tap.ok("at most 1024" in str(refused) and not refused.temporary, str(refused))
            set_attribute(server, "MaximumMessageSize", 4096)
            time.sleep(2.5)
            submitter.submit("x" * 2000)
            server.wait_for_records("sent", 2)
            producer.wait_for_line("has changed from 1024 to 4096 bytes")


@tap.test
def lowered_maximum_message_size_is_read_after_a_rejection_by_sqs():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        producer.wait_for_line("Running...")
        with spool.connect(producer) as submitter:
            time.sleep(2.5)
            set_attribute(server, "MaximumMessageSize", 1024)
            submitter.submit("x" * 2000)  # the daemon accepts it, and SQS rejects it
            producer.wait_for_line("to 1024 bytes")
            try:
                submitter.submit("y" * 2000)
                raise AssertionError("a message that is too large was accepted")
            except Refused as refused:
                tap.ok("at most 1024" in str(refused), str(refused))


if __name__ == "__main__":
    tap.main()
