# SPDX-License-Identifier: MIT
"""Stops sqs-consumerd with many messages in flight: it finishes some, releases others, and logs what is left. The
handler is slow-consumer.c: the body of each message tells it what to do."""

import contextlib
import json
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from notify import Notify
from probes import is_probe
from proxy import Proxy
from slow_consumer import (GROUPS, Hold, consumer, deleted_ids, deleted_in_order, events, fifo,
                           fill, late, nothing_in_flight, sent_ids)
from sqs_local import SqsLocal
from standin import Reply, StandIn


def sigterm_leaves_no_message_invisible(queue, seed):
    chance = random.Random(seed)
    tap.comment(f"seed {seed}")
    with SqsLocal(queues=[fifo(300), "plain,VisibilityTimeout=300"], latency_ms=10) as server, Hold() as hold:
        # Until the first stop has begun, these take all of `concurrency`.
        fill(server, GROUPS, 2, f"sleep=30 {hold.word}", queue=queue)
        fill(server, GROUPS, 6, "sleep=30", queue=queue, first=2)
        rounds = 0
        while len(deleted_ids(server)) < 160 and rounds < 100:
            rounds += 1
            daemon = consumer(server, queue=queue, concurrency=40, receivers=4, exit_after_empty_receives=0,
                              delete_linger=chance.choice([0, 0.02]))
            daemon.wait_for_line("Number of messages received")
            time.sleep(chance.random() / 4)
            daemon.signal()
            daemon.wait_for_line("Asked to stop")
            hold.release()
            tap.equal(daemon.wait(), 0, daemon.text)
            nothing_in_flight(server, queue)
        tap.ok(rounds > 1, "all was handled before the first stop")
        deleted_in_order(server, GROUPS if queue.endswith(".fifo") else [])


tap.add("SIGTERM leaves no message invisible (FIFO)", sigterm_leaves_no_message_invisible, "test.fifo",
        int(os.environ.get("SEED", 1)))
tap.add("SIGTERM leaves no message invisible (standard)", sigterm_leaves_no_message_invisible, "plain",
        int(os.environ.get("SEED", 2)))


@tap.test
def stop_waits_for_handlers_and_releases_the_other_messages():
    with SqsLocal(queues=[fifo(300)]) as server, Hold() as hold:
        fill(server, ["a", "b"], 3, hold.word)
        daemon = consumer(server, concurrency=10)
        daemon.wait_for_line("begin", 2)
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        hold.release()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(events(daemon, "end")), ["a.0", "b.0"])
        tap.equal(len(deleted_ids(server)), 2)
        daemon.wait_for_line("Releasing 4 messages whose handling has not begun.")
        nothing_in_flight(server)


# At its deadline a stop cancels handlers and releases their messages. Each of these begins a stop and waits in
# `yield`, so that the stops take their time together.


@contextlib.contextmanager
def handlers_end_at_once():
    with SqsLocal(queues=[fifo(300)]) as server:
        fill(server, ["a", "b"], 2, "sleep=60000")
        daemon = consumer(server, concurrency=10, stop_timeout=24)
        daemon.wait_for_line("begin", 2)
        start = time.monotonic()
        daemon.signal()
        yield
        tap.equal(daemon.wait(), 1, daemon.text)
        tap.ok(time.monotonic() - start >= 17.5, f"{time.monotonic() - start} s")
        tap.ok("with work unfinished" not in daemon.text, daemon.text)
        tap.equal(sorted(events(daemon, "cancel")), ["a.0", "b.0"])
        daemon.wait_for_line("cancelling the handling of 2 messages")
        nothing_in_flight(server)
        tap.equal(deleted_ids(server), [])


@contextlib.contextmanager
def handlers_end_late():
    """A message is released only when its handler has ended."""
    with SqsLocal(queues=[fifo(300)]) as server:
        late(server, ["a", "b"])
        daemon = consumer(server, concurrency=10, stop_timeout=24)
        daemon.wait_for_line("begin ", 2)
        daemon.signal()
        yield
        tap.equal(daemon.wait(), 1, daemon.text)
        tap.equal(sorted(events(daemon, "gone")), ["a.0", "b.0"])
        nothing_in_flight(server)
        tap.equal(deleted_ids(server), [])


@tap.test
def stop_at_its_deadline_cancels_handlers_and_releases_their_messages_when_they_have_ended():
    with handlers_end_at_once(), handlers_end_late():
        pass


def arrives_during_a_stop(queue):
    """While several receives end one by one, a message that was released is not received again: each receive counts
    towards the dead-letter queue."""
    groups = [f"g{i}" for i in range(40)]
    with SqsLocal(queues=[fifo(300), "plain,VisibilityTimeout=300"]) as server, Notify() as notify:
        fill(server, groups, 1, "sleep=0", queue=queue)
        daemon = consumer(server, queue=queue, concurrency=80, receivers=4, wait_time=20,
                          exit_after_empty_receives=0, env={"NOTIFY_SOCKET": notify.path})
        server.wait_for_records("deleted", 40)
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        fill(server, ["late"], 1, "sleep=0", queue=queue)
        late_id = sent_ids(server)[-1]
        server.wait_for_records("received", 41)
        time.sleep(0.5)  # released now, it would be received again
        n_more = 0
        while daemon.process.poll() is None and n_more < 1000:  # each ends a receive
            fill(server, [f"more{n_more}"], 1, "sleep=0", queue=queue)
            n_more += 1
            time.sleep(0.2)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal([r["message_id"] for r in server.records("received")].count(late_id), 1)
        nothing_in_flight(server, queue)
    in_flight = re.findall(r"Stopping: (\d+) receives under way", "\n".join(notify.lines))
    tap.ok(max(map(int, in_flight)) > 1, f"no two receives were in flight at the stop: {in_flight}")


for name in ("test.fifo", "plain"):
    tap.add(f"message that arrives during a stop is received once ({name})",
            arrives_during_a_stop, name)


@tap.test
def stop_reports_what_is_left_in_the_status():
    def says(handling):
        return (f"STATUS=Stopping: 1 receives under way, {handling} messages being handled, "
                "0 to delete, 0 to release") in notify.lines

    with SqsLocal(queues=[fifo(300)]) as server, Notify() as notify, Hold() as first, Hold() as second:
        fill(server, ["a"], 1, first.word)
        fill(server, ["b"], 1, second.word)
        daemon = consumer(server, concurrency=10, wait_time=20, env={"NOTIFY_SOCKET": notify.path})
        daemon.wait_for_line("begin", 2)
        daemon.signal()
        for handling, hold in (2, first), (1, second):
            tap.wait_until(lambda n=handling: says(n), 60, f"the status about {handling} messages")
            hold.release()
        fill(server, ["c"], 1)  # ends the receive
        tap.equal(daemon.wait(), 0, daemon.text)
    lines = notify.lines
    tap.ok("STOPPING=1" in lines, lines)
    after = lines[lines.index("STOPPING=1") + 1:]
    tap.ok(any(l.startswith("EXTEND_TIMEOUT_USEC=") for l in after), lines)


def cut_short(stop_timeout, signals, why, left, left_receive):
    """Stops the consumer with a message in each state, while SQS no longer answers: a.0 is being handled, a.1 waits
    to be released, c.0 waits to be deleted, and a receive is in flight."""
    answers = threading.Event()

    def spoil(number, operation, reply):
        if reply or operation == "GetQueueAttributes" or \
                (operation == "ReceiveMessage" and number == 1):
            return None
        answers.wait(300)
        return "drop-before"

    with SqsLocal(queues=[fifo(300)]) as server, Proxy(server, spoil) as proxy:
        fill(server, ["a"], 2, "sleep=60000")
        fill(server, ["c"], 1)
        daemon = consumer(server, endpoint=proxy.url, concurrency=10, wait_time=20,
                          stop_timeout=stop_timeout, aws={"request_timeout": 300})
        daemon.wait_for_line("begin a.0")
        tap.wait_until(lambda: proxy.counts.get("DeleteMessage") and
                       proxy.counts["ReceiveMessage"] == 2)
        for _ in range(signals):
            daemon.signal()
            daemon.wait_for_line("Asked to stop")
        tap.equal(daemon.wait(), 1, daemon.text)
        daemon.wait_for_line(f"Stopped with work unfinished: {why}.")
        daemon.wait_for_line(f"Not finished: {left}; they come back when their visibility timeout ends.")
        daemon.wait_for_line(left_receive)
        tap.equal(deleted_ids(server), [])
        answers.set()


tap.add("stop that reaches its deadline logs what is left", cut_short, 12, 1,
        "the stop took longer than stop_timeout",
        "0 messages with the handler, 1 handled but not deleted, 2 not released",
        "The reply to a receive is lost, and the receive cannot be repeated: up to 10 messages come "
        "back when their visibility timeout of 300 s ends.")
tap.add("stop that is cut short by a second signal logs what is left", cut_short, 60, 2,
        "asked to stop a second time",
        "1 messages with the handler, 1 handled but not deleted, 1 not released",
        "Not finished: 1 receives; messages that SQS has sent for them come back when their visibility "
        "timeout ends.")


class SilentFirstReceive(StandIn):
    """Forwards requests to sqs-local, but never answers the first receive. `receives` has the parameters of all
    receives, in order."""

    def __init__(self, server):
        self._server = server
        self.receives = []
        super().__init__()

    def answer(self, request):
        delay = 0
        operation = request.headers["x-amz-target"].split(".", 1)[1]
        if operation == "ReceiveMessage" and not is_probe(operation, request.body):
            self.receives.append(json.loads(request.body))
            delay = 3600 if len(self.receives) == 1 else 0
        connection = self._server.connection()
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.read(), answer.getheader("Content-Type"), delay=delay)
        connection.close()
        return reply


@tap.test
def short_stop_timeout_shortens_polls_so_that_one_can_end():
    with SqsLocal(queues=[fifo(300)]) as server, Proxy(server, lambda *_: None) as proxy:
        daemon = consumer(server, endpoint=proxy.url, wait_time=20, stop_timeout=24)
        daemon.wait_for_line("Receives wait 16 s instead of the 20 s of consumer.wait_time: "
                             "consumer.stop_timeout leaves no more time.")
        tap.wait_until(lambda: proxy.counts.get("ReceiveMessage"))
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        sqs.send(server, "a.0", group="a")
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("Number of messages received: 1")
        tap.equal(events(daemon, "begin"), [])
        nothing_in_flight(server)


def receive_is_repeated_while_stopping(stop_timeout, wait_sec, age_sec, **settings):
    """The reply to a receive does not come: the consumer repeats the receive with the same attempt id, and releases
    what it brings. `wait_sec`: the wait of the first receive; `age_sec`: its age when the stop begins. Near the end of
    a stop a repeat has only two seconds: that of an older receive begins earlier."""
    with SqsLocal(queues=[fifo(300)]) as server, SilentFirstReceive(server) as front:
        fill(server, ["a", "b"], 2)
        daemon = consumer(server, endpoint=front.url, stop_timeout=stop_timeout, **settings)
        server.wait_for_records("received", 4)
        time.sleep(age_sec)
        daemon.stop()
        tap.ok(len(front.receives) > 1, front.receives)
        first = front.receives[0]
        tap.ok(first["ReceiveRequestAttemptId"], first)
        tap.equal(first["WaitTimeSeconds"], wait_sec)
        for again in front.receives[1:]:  # more than one if the reply takes too long
            tap.equal((again["ReceiveRequestAttemptId"], again["WaitTimeSeconds"]),
                      (first["ReceiveRequestAttemptId"], 0))
        daemon.wait_for_line("Number of messages received: 4")
        tap.equal(events(daemon, "begin"), [])
        tap.equal(deleted_ids(server), [])
        nothing_in_flight(server)
        tap.equal(sorted(m["MessageId"] for m in sqs.receive(server)), sorted(sent_ids(server)))


tap.add("poll longer than a short stop is repeated on FIFO and its messages released",
        receive_is_repeated_while_stopping, 12, 7, 5, wait_time=20)
tap.add("poll that stalls during a long stop is repeated on FIFO and its messages released",
        receive_is_repeated_while_stopping, 60, 1, 0, wait_time=1, aws={"request_timeout": 300})


@tap.test
def receive_reply_lost_while_stopping_is_recovered_on_fifo():
    def spoil(number, operation, reply):
        if operation == "ReceiveMessage" and number == 1 and reply:
            reply["cut"] = 20
        return None

    with SqsLocal(queues=[fifo(300)]) as server, Proxy(server, spoil) as proxy:
        daemon = consumer(server, endpoint=proxy.url, wait_time=20)
        tap.wait_until(lambda: proxy.counts.get("ReceiveMessage"))
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        fill(server, ["a"], 1)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok(proxy.counts["ReceiveMessage"] > 1, str(proxy.counts))  # more than two if a reply takes too long
        nothing_in_flight(server)
        tap.equal(deleted_ids(server), [])


def stopped_with_a_lost_reply(fault, fault_ends, line, **settings):
    with SqsLocal(queues=[fifo(300)],
                  faults=["ReceiveMessage:drop-after:times=1", fault]) as server:
        fill(server, ["a"], 1)
        daemon = consumer(server, wait_time=5, **settings)
        daemon.wait_for_line("ReceiveMessage failed")
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        if fault_ends:
            tap.wait_until(lambda: server.faults()[1]["faults"] > 0, 60, "a throttled receive")
            server.set_faults()
        tap.equal(daemon.wait(), 1, daemon.text)
        daemon.wait_for_line(line)
        daemon.wait_for_line("The reply to a receive is lost, and the receive cannot be repeated: up to 10 "
                             "messages come back")
        tap.equal(daemon.lines[-1], "Terminated!")
        tap.equal(deleted_ids(server), [])


tap.add("stop repeats a receive after a throttling and logs that its attempt id is void",
        stopped_with_a_lost_reply, "ReceiveMessage:throttle", True,
        "The receiveRequestAttemptId is not valid anymore", log={"level": "debug"})
tap.add("stop repeats a receive until its deadline and logs that the reply is lost",
        stopped_with_a_lost_reply, "ReceiveMessage:drop-before", False,
        "The last ReceiveMessage has failed", stop_timeout=16)


if __name__ == "__main__":
    tap.main()
