# SPDX-License-Identifier: MIT
"""sqs-consumerd with many messages in flight: order, leases, partial failures, lost replies. The handler is
slow-consumer.c: the body of each message tells it what to do."""

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import stopped
from proxy import Proxy
from reloading import Recorder
from slow_consumer import (GROUPS, Hold, consumer, deleted_ids, deleted_in_order, events, fifo, fill,
                           in_order, late, of_group, sent_ids)
from sqs_local import SqsLocal


def groups_in_order(linger, receivers):
    with SqsLocal(queues=[fifo()], latency_ms=5) as server, Hold() as hold:
        fill(server, GROUPS, 1, hold.word)
        fill(server, GROUPS, 14, "sleep=3", first=1)
        daemon = consumer(server, concurrency=50, receivers=receivers, delete_linger=linger)
        tap.wait_until(lambda: len(events(daemon, "begin")) == len(GROUPS), 60, "all groups at the same time")
        hold.release()
        tap.equal(daemon.wait(), 0, daemon.text)
        in_order(events(daemon, "begin"), GROUPS, 15)
        in_order(events(daemon, "end"), GROUPS, 15)
        deleted_in_order(server, GROUPS)
        running = {}
        for line in daemon.lines:
            word, _, name = line.partition(" ")
            if word == "begin":
                tap.ok(not running.get(name.split(".")[0]), f"two messages of a group at once: {name}")
                running[name.split(".")[0]] = True
            elif word == "end":
                running[name.split(".")[0]] = False


for linger in (0, 0.02):
    for receivers in (1, 8):
        tap.add(f"20 groups keep their order with concurrency 50, linger {linger}, {receivers} receivers",
                groups_in_order, linger, receivers)


@tap.test
def standard_queue_messages_are_handled_at_the_same_time():
    with SqsLocal(queues=["plain"]) as server, Hold() as hold:
        fill(server, GROUPS, 5, hold.word, queue="plain")
        daemon = consumer(server, queue="plain", concurrency=100, receivers=10, delete_linger=0.02)
        tap.wait_until(lambda: len(events(daemon, "begin")) == 100, 60, "the handling of all messages at once")
        hold.release()
        server.wait_for_records("deleted", 100)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))


@tap.test
def receives_stop_when_all_handlers_are_busy():
    with SqsLocal(queues=["plain"]) as server:
        fill(server, ["x"], 30, "sleep=1000", queue="plain")
        daemon = consumer(server, queue="plain", concurrency=7, receivers=5, max_messages=5)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 30)
        times = [r["time"] for r in server.records("received")]
        tap.equal(len(times), 30)
        # Each handler takes a second, and seven run at once: so seven receives later, a second has passed.
        for first, eighth in zip(times, times[7:]):
            tap.ok(eighth - first > 0.9, f"more than 7 messages were received for 7 handlers: {times}")


@contextlib.contextmanager
def slow_handler():
    """The handler needs longer than the lease, and other consumers ask for messages meanwhile."""
    queues = "test.fifo", "plain"
    with SqsLocal(queues=[fifo(16), "plain,VisibilityTimeout=16"]) as server:
        for queue in queues:
            fill(server, ["a", "b"], 1, "sleep=36000", queue=queue)
            fill(server, ["a", "b"], 1, queue=queue, first=1)
        daemons = [consumer(server, queue=queue, concurrency=10, receivers=2) for queue in queues]
        tap.wait_until(lambda: len(server.records("received")) == 8)
        others = [consumer(server, queue=queue, concurrency=10, exit_after_empty_receives=0) for queue in queues]
        yield
        for daemon in daemons:
            tap.equal(daemon.wait(), 0, daemon.text)
        for other in others:
            other.stop()
        for r in server.records("received"):
            tap.equal(r["receive_count"], 1)
        tap.equal(len(deleted_ids(server)), 8)


@contextlib.contextmanager
def renewal_that_stalls():
    """The retry must come before the lease ends, and so before the request_timeout."""
    with SqsLocal(queues=[fifo(30)],
                  faults=["ChangeMessageVisibilityBatch:stall:times=1"]) as server:
        fill(server, ["a"], 1, "sleep=36000")
        daemon = consumer(server, aws={"request_timeout": 60})
        yield
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("ChangeMessageVisibilityBatch failed: timed out")
        tap.equal(events(daemon, "begin"), ["a.0"])
        tap.equal(events(daemon, "end"), ["a.0"])
        tap.equal([r["receive_count"] for r in server.records("received")], [1])


@tap.test
def slow_handler_lease_is_renewed_also_when_a_renewal_stalls():
    """Both take their time together."""
    with slow_handler(), renewal_that_stalls():
        pass


@tap.test
def visibility_timeout_setting_overrides_the_queues():
    with SqsLocal(queues=[fifo(1)]) as server:
        fill(server, ["a"], 1)
        daemon = consumer(server, visibility_timeout=60)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 1)
        # Without the setting the queue's timeout bounds the polls, and a line says so.
        daemon = consumer(server, wait_time=10, exit_after_empty_receives=1)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("Receives wait 1 s instead of the 10 s of consumer.wait_time")


def suspended_past_its_leases(queue):
    taken = {}

    def take_all():
        """As another consumer does. Returns whether it has all messages."""
        for message in sqs.receive(server, queue=queue, visibility=300):
            taken[message["MessageId"]] = message["ReceiptHandle"]
        return set(taken) == set(sent_ids(server))

    with SqsLocal(queues=[fifo(4), "plain,VisibilityTimeout=4"]) as server, Hold() as hold, \
            Recorder(server) as recorder:
        fill(server, ["a", "b"], 3, hold.word, queue=queue)
        daemon = consumer(server, recorder.url, queue=queue, concurrency=10, delete_linger=0.05,
                          exit_after_empty_receives=0)
        for group in "ab":
            daemon.wait_for_line(f"begin {group}.0")
        with stopped(daemon.process):
            hold.release()
            time.sleep(4)
            tap.wait_until(take_all, 60, "the end of all leases")
            stale = {r["receipt_handle"] for r in server.records("received", queue)} - set(taken.values())
        daemon.wait_for_line("is lost")
        time.sleep(1.5)
        sqs.end_leases(server, queue)
        server.wait_for_records("deleted", 6)
        daemon.stop()
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))
        tap.equal({entry["ReceiptHandle"] for entry in recorder.entries("DeleteMessage")} & stale, set(),
                  "deleted with stale handles")
        if queue.endswith(".fifo"):
            for group in "ab":
                # A message may end before its lost lease is noticed. It is not deleted, so it is handled again.
                ended = [name for name, _ in itertools.groupby(of_group(events(daemon, "end"), group))]
                tap.equal(ended, [0, 1, 2], f"group {group}")


tap.add("consumer suspended past its leases deletes nothing with stale handles (FIFO)",
        suspended_past_its_leases, "test.fifo")
tap.add("consumer suspended past its leases deletes nothing with stale handles (standard)",
        suspended_past_its_leases, "plain")


@tap.test
def lease_that_cannot_be_renewed_is_lost_and_its_handler_cancelled():
    is_lost = threading.Event()

    def spoil(number, operation, reply):
        if operation == "ChangeMessageVisibilityBatch" and not is_lost.is_set():
            return "drop-before"
        return None

    with SqsLocal(queues=[fifo(2)]) as server, Proxy(server, spoil) as proxy:
        fill(server, ["a"], 3)
        sqs.send(server, "a.3 sleep=3000 ", group="a")
        fill(server, ["c"], 1)
        daemon = consumer(server, endpoint=proxy.url, concurrency=10,
                          exit_after_empty_receives=6)
        daemon.wait_for_line("cancel a.3")
        daemon.wait_for_line("is lost while it was handled, it comes back: its lease has ended")
        is_lost.set()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))


@tap.test
def message_whose_handler_ends_late_is_not_handled_again_before_that():
    with SqsLocal(queues=[fifo(2)], faults=["ChangeMessageVisibilityBatch:stall"]) as server:
        late(server, ["a", "b"])
        daemon = consumer(server, concurrency=10, exit_after_empty_receives=0)
        for group in "a", "b":
            daemon.wait_for_line(f"begin {group}.0", 2)
        daemon.end()
        for group in "a", "b":
            lines = [line for line in daemon.lines if line.endswith(f" {group}.0")]
            tap.equal([line.split()[0] for line in lines[:4]], ["begin", "cancel", "gone", "begin"],
                      daemon.text)
        tap.equal(deleted_ids(server), [])


@tap.test
def failed_message_delays_only_its_own_group():
    with SqsLocal(queues=[fifo()]) as server, Recorder(server) as recorder:
        sqs.send(server, "a.0", group="a")
        sqs.send(server, "a.1 fail=2", group="a")
        sqs.send(server, "a.2", group="a")
        sqs.send(server, "a.3", group="a")
        fill(server, ["b"], 4, "sleep=100")
        daemon = consumer(server, recorder.url, concurrency=10, retry_delay=1, retry_delay_max=60,
                          exit_after_empty_receives=8)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(of_group(events(daemon, "begin"), "a"), [0, 1, 1, 1, 2, 3])
        in_order(events(daemon, "begin"), "b", 4)
        deleted_in_order(server, "ab")
        received = [r for r in server.records("received") if r["message_id"] == sent_ids(server)[1]]
        times, handles = [r["time"] for r in received], [r["receipt_handle"] for r in received]
        # The first retry comes after 1 s, the second after 2 s.
        tap.equal(len(times), 3)
        tap.ok(times[1] - times[0] >= 0.9 and times[2] - times[1] >= 1.9, str(times))
        # A request may be sent twice, if its answer is late.
        asked = {(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                 for entry in recorder.entries("ChangeMessageVisibility")}
        tap.equal({pair for pair in asked if pair[0] in handles}, set(zip(handles, (1, 2))))


@tap.test
def queue_with_a_message_that_waits_for_its_retry_is_not_empty():
    with SqsLocal(queues=[fifo()]) as server:
        sqs.send(server, "a.0 fail=1", group="a")
        fill(server, ["a"], 1)
        daemon = consumer(server, max_messages=1, retry_delay=4, exit_after_empty_receives=1)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(deleted_ids(server), sent_ids(server))


@tap.test
def handler_chooses_the_retry_delay_or_rejects_the_message():
    with SqsLocal(queues=["plain"]) as server:
        sent = sqs.send(server, "x.0 fail=1 delay=3", queue="plain")["MessageId"]
        sqs.send(server, "x.1 reject", queue="plain")
        daemon = consumer(server, queue="plain", concurrency=2, retry_delay=1)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 2)
        times = [r["time"] for r in server.records("received") if r["message_id"] == sent]
        tap.ok(times[1] - times[0] >= 2.9, str(times))
        daemon.wait_for_line("is rejected and will be deleted")


def partial_failures(queue, linger):
    """In every other reply to a batch of deletes, half of the entries failed, though the server has deleted
    them."""
    failed = []

    def spoil(number, operation, reply):
        if operation != "DeleteMessageBatch" or number % 2 == 0 or not reply:
            return None
        answer = json.loads(reply["body"])
        done = answer.get("Successful", [])
        half = done[len(done) // 2:]
        answer["Successful"] = done[:len(done) // 2]
        answer["Failed"] = answer.get("Failed", []) + [
            {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in half]
        failed.extend(half)
        reply["body"] = json.dumps(answer).encode()
        return None

    with SqsLocal(queues=[fifo(), "plain"]) as server, Proxy(server, spoil) as proxy:
        fill(server, GROUPS, 10, queue=queue)
        daemon = consumer(server, queue=queue, endpoint=proxy.url, concurrency=50, receivers=4,
                          delete_linger=linger)
        tap.equal(daemon.wait(), 0, daemon.text)
        deleted_in_order(server, GROUPS if queue.endswith(".fifo") else [])
        in_order(events(daemon, "begin"), GROUPS if queue.endswith(".fifo") else [], 10)
        tap.equal(len(events(daemon, "begin")), 200)
        tap.ok(len(failed) >= 10, str(proxy.counts))  # a message that is deleted alone is in no batch


tap.add("deletes that fail in part are retried (FIFO)", partial_failures, "test.fifo", 0.02)
tap.add("deletes that fail in part are retried (standard)", partial_failures, "plain", 0.02)


@tap.test
def lost_receive_reply_on_fifo_is_recovered_at_once():
    def spoil(number, operation, reply):
        if operation == "ReceiveMessage" and number % 3 != 0 and reply:
            reply["cut"] = 20
        return None

    with SqsLocal(queues=[fifo(280)]) as server, Proxy(server, spoil) as proxy:
        fill(server, GROUPS[:5], 10)
        daemon = consumer(server, endpoint=proxy.url, concurrency=20, receivers=2,
                          exit_after_empty_receives=1)
        server.wait_for_records("deleted", 50, 120)  # long before the visibility timeout
        tap.equal(daemon.wait(), 0, daemon.text)
        in_order(events(daemon, "begin"), GROUPS[:5], 10)
        deleted_in_order(server, GROUPS[:5])


@tap.test
def sigkill_with_many_messages_in_flight_loses_none():
    chance = random.Random(3)
    with SqsLocal(queues=[fifo(1)], latency_ms=2) as server:
        fill(server, GROUPS[:8], 10)
        for _ in range(5):
            daemon = consumer(server, concurrency=30, receivers=3, delete_linger=0.01)
            tap.wait_until(lambda d=daemon: events(d, "begin") or d.process.poll() is not None)
            time.sleep(chance.random() / 30)
            daemon.signal(signal.SIGKILL)
            daemon.wait()
        daemon = consumer(server, concurrency=30, receivers=3, delete_linger=0.01,
                          exit_after_empty_receives=12)
        tap.equal(daemon.wait(120), 0, daemon.text)
        deleted_in_order(server, GROUPS[:8])


if __name__ == "__main__":
    tap.main()
