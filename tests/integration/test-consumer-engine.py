"""sqs-consumerd with much to do at once: order, leases, partial failures, lost replies, stops. The
handler is slow-consumer.c's, which does what each message's body says."""

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
from daemon import Daemon
from notify import Notify
from proxy import Proxy
from sqs_local import BUILD_ROOT, SqsLocal
from standin import Reply, StandIn

SLOW = os.path.join(BUILD_ROOT, "tests", "integration", "slow-consumer")


def fifo(visibility=30):
    return f"test.fifo,FifoQueue=true,VisibilityTimeout={visibility}"


def consumer(server, endpoint=None, queue="test.fifo", log=None, aws=None, env=None, **settings):
    return Daemon("sqs-consumerd", server, program=SLOW, endpoint=endpoint, queue=queue,
                  log=log or {}, aws=aws or {}, env=env, consumer={"max_messages": 10, **settings})


def fill(server, groups, count, words="", queue="test.fifo"):
    """Sends `count` messages to each group, in turns: "<group>.<number> <words>"."""
    for i in range(count):
        for group in groups:
            entry = {"QueueUrl": server.queue_url(queue), "Entries": [
                {"Id": "0", "MessageBody": f"{group}.{i} {words}"}]}
            if queue.endswith(".fifo"):
                entry["Entries"][0].update(MessageGroupId=group,
                                           MessageDeduplicationId=f"{group}.{i}")
            sqs.call(server, "SendMessageBatch", **entry)


def events(daemon, what):
    """The names in the handler's lines of a kind, in order."""
    return [line.split()[1] for line in list(daemon.lines) if line.startswith(what + " ")]


def of_group(names, group):
    return [int(name.split(".")[1]) for name in names if name.split(".")[0] == group]


def in_order(names, groups, count):
    for group in groups:
        tap.equal(of_group(names, group), list(range(count)), f"group {group}")


def sent_ids(server):
    return [r["message_id"] for r in server.records("sent")]


def deleted_ids(server):
    return [r["message_id"] for r in server.records("deleted")]


def deleted_in_order(server, groups):
    """Each message was deleted once, and those of each group in the order of sending."""
    tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))
    group_of = {r["message_id"]: r["group"] for r in server.records("sent")}
    for group in groups:
        tap.equal([i for i in deleted_ids(server) if group_of[i] == group],
                  [i for i in sent_ids(server) if group_of[i] == group], f"group {group}")


def nothing_in_flight(server, queue="test.fifo"):
    attributes = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url(queue),
                          AttributeNames=["All"])["Attributes"]
    tap.equal(attributes["ApproximateNumberOfMessagesNotVisible"], "0")


GROUPS = [f"g{i}" for i in range(20)]


def groups_in_order(linger, receivers):
    with SqsLocal(queues=[fifo()], latency_ms=5) as server:
        fill(server, GROUPS, 15, "sleep=3")
        daemon = consumer(server, concurrency=50, receivers=receivers, delete_linger=linger)
        tap.equal(daemon.wait(), 0, daemon.text)
        in_order(events(daemon, "begin"), GROUPS, 15)
        in_order(events(daemon, "end"), GROUPS, 15)
        deleted_in_order(server, GROUPS)
        running = {}
        most = 0
        for line in daemon.lines:
            word, _, name = line.partition(" ")
            if word == "begin":
                tap.ok(not running.get(name.split(".")[0]), f"two of a group at once: {name}")
                running[name.split(".")[0]] = True
            elif word == "end":
                running[name.split(".")[0]] = False
            most = max(most, sum(running.values()))
        tap.ok(most >= 3, f"at most {most} groups went side by side")


for linger in (0, 0.02):
    for receivers in (1, 8):
        tap.add(f"20 groups keep their order with 50 at once, linger {linger}, {receivers} receivers",
                groups_in_order, linger, receivers)


@tap.test
def a_standard_queue_is_handled_many_at_once():
    with SqsLocal(queues=["plain"]) as server:
        fill(server, GROUPS, 5, "sleep=200", queue="plain")
        start = time.monotonic()
        daemon = consumer(server, queue="plain", concurrency=100, receivers=10, delete_linger=0.02)
        server.wait_for_records("deleted", 100)
        tap.ok(time.monotonic() - start < 5, "100 times 0.2 s took too long")
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))


@tap.test
def no_more_are_received_than_can_be_handled():
    with SqsLocal(queues=["plain"]) as server:
        fill(server, ["x"], 30, "sleep=1000", queue="plain")
        daemon = consumer(server, queue="plain", concurrency=7, receivers=5, max_messages=5)
        daemon.wait_for_line("begin", 7)
        time.sleep(0.5)
        tap.equal(len(server.records("received")), 7)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 30)
        tap.equal(len(server.records("received")), 30)


@tap.test
def leases_are_kept_for_slow_handlers():
    with SqsLocal(queues=[fifo(2), "plain,VisibilityTimeout=2"]) as server:
        for queue in ("test.fifo", "plain"):
            fill(server, ["a", "b"], 2, "sleep=5000", queue=queue)
            daemon = consumer(server, queue=queue, concurrency=10, receivers=2)
            tap.wait_until(lambda q=queue: len(server.records("received", q)) == 4)
            other = consumer(server, queue=queue, concurrency=10, exit_after_empty_receives=0)
            tap.equal(daemon.wait(), 0, daemon.text)
            other.signal()
            tap.equal(other.wait(), 0, other.text)
        for r in server.records("received"):
            tap.equal(r["receive_count"], 1)
        tap.equal(len(deleted_ids(server)), 8)


@tap.test
def a_visibility_timeout_of_its_own_is_used():
    with SqsLocal(queues=[fifo(1)]) as server:
        fill(server, ["a"], 1)
        daemon = consumer(server, visibility_timeout=60)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 1)
        # And without one that the lease bounds the wait, which is said.
        daemon = consumer(server, wait_time=10, exit_after_empty_receives=1)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("Receives wait 1 s and not the 10 s of consumer.wait_time")


def stopped_past_its_lease(queue):
    with SqsLocal(queues=[fifo(2), "plain,VisibilityTimeout=2"]) as server:
        fill(server, ["a", "b"], 3, "sleep=800", queue=queue)
        daemon = consumer(server, queue=queue, concurrency=10, delete_linger=0.05,
                          exit_after_empty_receives=6)
        daemon.wait_for_line("begin", 2)
        daemon.signal(signal.SIGSTOP)
        time.sleep(4)
        # Another has them by now.
        taken = {m["MessageId"]: m for _ in range(6)
                 for m in sqs.receive(server, queue=queue, visibility=3)}
        tap.ok(len(taken) >= 2, f"only {len(taken)} came back")
        before = deleted_ids(server)
        daemon.signal(signal.SIGCONT)
        daemon.wait_for_line("is lost")
        time.sleep(1.5)
        gone = set(deleted_ids(server)) - set(before)
        tap.equal(gone & set(taken), set(), "deleted with stale handles")
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))
        if queue.endswith(".fifo"):
            for group in "ab":
                ended = of_group(events(daemon, "end"), group)
                tap.equal(ended, [0, 1, 2], f"group {group}")


tap.add("stopped past its lease it deletes nothing with stale handles (FIFO)",
        stopped_past_its_lease, "test.fifo")
tap.add("stopped past its lease it deletes nothing with stale handles (standard)",
        stopped_past_its_lease, "plain")


@tap.test
def a_lease_that_cannot_be_extended_is_lost_and_its_work_ended():
    def spoil(number, operation, reply):
        if operation == "ChangeMessageVisibilityBatch" and number <= 12:
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
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))


@tap.test
def an_extension_that_stalls_does_not_cost_the_lease():
    # Not within the request_timeout of 10 s, but while the lease still lasts.
    with SqsLocal(queues=[fifo(8)],
                  faults=["ChangeMessageVisibilityBatch:stall:times=1"]) as server:
        fill(server, ["a"], 1, "sleep=12000")
        daemon = consumer(server)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("ChangeMessageVisibilityBatch failed: timed out")
        tap.equal(events(daemon, "begin"), ["a.0"])
        tap.equal(events(daemon, "end"), ["a.0"])
        tap.equal([r["receive_count"] for r in server.records("received")], [1])


@tap.test
def a_failure_holds_back_its_group_and_no_other():
    with SqsLocal(queues=[fifo()]) as server:
        sqs.send(server, "a.0", group="a")
        sqs.send(server, "a.1 fail=2", group="a")
        sqs.send(server, "a.2", group="a")
        sqs.send(server, "a.3", group="a")
        fill(server, ["b"], 4, "sleep=100")
        daemon = consumer(server, concurrency=10, retry_delay=1, retry_delay_max=60,
                          exit_after_empty_receives=8)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(of_group(events(daemon, "begin"), "a"), [0, 1, 1, 1, 2, 3])
        in_order(events(daemon, "begin"), "b", 4)
        deleted_in_order(server, "ab")
        times = [r["time"] for r in server.records("received")
                 if r["message_id"] == sent_ids(server)[1]]
        # 1 s, then 2 s.
        tap.equal(len(times), 3)
        tap.ok(0.9 <= times[1] - times[0] <= 1.9 and 1.9 <= times[2] - times[1] <= 2.9, str(times))


@tap.test
def a_queue_is_not_empty_while_a_message_waits_for_its_retry():
    with SqsLocal(queues=[fifo()]) as server:
        sqs.send(server, "a.0 fail=1", group="a")
        fill(server, ["a"], 1)
        daemon = consumer(server, max_messages=1, retry_delay=4, exit_after_empty_receives=1)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(deleted_ids(server), sent_ids(server))


@tap.test
def a_handler_may_name_the_delay_and_reject():
    with SqsLocal(queues=["plain"]) as server:
        sqs.send(server, "x.0 fail=1 delay=0", queue="plain")
        sqs.send(server, "x.1 reject", queue="plain")
        daemon = consumer(server, queue="plain", concurrency=2, retry_delay=3600)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(deleted_ids(server)), 2)
        daemon.wait_for_line("is rejected and will be deleted")


def partial_failures(queue, linger):
    """Every other batch of deletes fails in part, after the server has acted or without."""

    def spoil(number, operation, reply):
        if operation != "DeleteMessageBatch" or number % 2 == 0 or not reply:
            return None
        answer = json.loads(reply["body"])
        done = answer.get("Successful", [])
        half = done[len(done) // 2:]
        answer["Successful"] = done[:len(done) // 2]
        answer["Failed"] = answer.get("Failed", []) + [
            {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in half]
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
        tap.ok(proxy.counts["DeleteMessageBatch"] >= 20, str(proxy.counts))


tap.add("deletes that fail in part are tried again (FIFO)", partial_failures, "test.fifo", 0.02)
tap.add("deletes that fail in part are tried again (standard)", partial_failures, "plain", 0.02)


@tap.test
def lost_receive_replies_are_recovered_at_once_on_fifo():
    def spoil(number, operation, reply):
        if operation == "ReceiveMessage" and number % 3 != 0 and reply:
            reply["cut"] = 20
        return None

    with SqsLocal(queues=[fifo(60)]) as server, Proxy(server, spoil) as proxy:
        fill(server, GROUPS[:5], 10)
        start = time.monotonic()
        daemon = consumer(server, endpoint=proxy.url, concurrency=20, receivers=2,
                          exit_after_empty_receives=1)
        server.wait_for_records("deleted", 50, 20)
        tap.ok(time.monotonic() - start < 15, "messages waited for their visibility timeout")
        tap.equal(daemon.wait(), 0, daemon.text)
        in_order(events(daemon, "begin"), GROUPS[:5], 10)
        deleted_in_order(server, GROUPS[:5])


def sigterm_leaves_nothing_invisible(queue, seed):
    chance = random.Random(seed)
    tap.comment(f"seed {seed}")
    with SqsLocal(queues=[fifo(300), "plain,VisibilityTimeout=300"], latency_ms=10) as server:
        fill(server, GROUPS, 8, "sleep=30", queue=queue)
        rounds = 0
        while len(deleted_ids(server)) < 160 and rounds < 40:
            rounds += 1
            daemon = consumer(server, queue=queue, concurrency=40, receivers=4,
                              delete_linger=chance.choice([0, 0.02]))
            daemon.wait_for_line("Number of messages received")
            time.sleep(chance.random() / 4)
            daemon.signal()
            tap.equal(daemon.wait(), 0, daemon.text)
            nothing_in_flight(server, queue)
        tap.ok(rounds > 1, "ended in one round")
        deleted_in_order(server, GROUPS if queue.endswith(".fifo") else [])


tap.add("SIGTERM leaves no message invisible (FIFO)", sigterm_leaves_nothing_invisible, "test.fifo",
        int(os.environ.get("SEED", 1)))
tap.add("SIGTERM leaves no message invisible (standard)", sigterm_leaves_nothing_invisible, "plain",
        int(os.environ.get("SEED", 2)))


@tap.test
def a_stop_lets_handlers_end_and_gives_back_the_rest():
    with SqsLocal(queues=[fifo(300)]) as server:
        fill(server, ["a", "b"], 3, "sleep=1000")
        daemon = consumer(server, concurrency=10)
        daemon.wait_for_line("begin", 2)
        daemon.signal()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(sorted(events(daemon, "end")), ["a.0", "b.0"])
        tap.equal(len(deleted_ids(server)), 2)
        daemon.wait_for_line("Releasing 4 messages not yet begun.")
        nothing_in_flight(server)


@tap.test
def a_stop_that_takes_too_long_ends_handlers_and_gives_their_messages_back():
    with SqsLocal(queues=[fifo(300)]) as server:
        fill(server, ["a", "b"], 2, "sleep=60000")
        daemon = consumer(server, concurrency=10, stop_timeout=4)
        daemon.wait_for_line("begin", 2)
        start = time.monotonic()
        daemon.signal()
        tap.equal(daemon.wait(), 1, daemon.text)
        tap.ok(2.5 <= time.monotonic() - start < 3.9, f"{time.monotonic() - start} s")
        tap.equal(sorted(events(daemon, "cancel")), ["a.0", "b.0"])
        daemon.wait_for_line("ending the work on 2 messages")
        nothing_in_flight(server)
        tap.equal(deleted_ids(server), [])


@tap.test
def a_stop_tells_how_much_is_left():
    with SqsLocal(queues=[fifo(300)]) as server, Notify() as notify:
        fill(server, ["a"], 1, "sleep=3000")
        fill(server, ["b"], 1, "sleep=6000")
        daemon = consumer(server, concurrency=10, wait_time=8, env={"NOTIFY_SOCKET": notify.path})
        daemon.wait_for_line("begin", 2)
        daemon.signal()
        tap.equal(daemon.wait(), 0, daemon.text)
    lines = notify.lines
    tap.ok("STOPPING=1" in lines, lines)
    after = lines[lines.index("STOPPING=1") + 1:]
    tap.ok(any(l.startswith("EXTEND_TIMEOUT_USEC=") for l in after), lines)
    for handling in (2, 1):
        tap.ok(f"STATUS=Stopping: 1 receives under way, {handling} messages being handled, "
               "0 to delete, 0 to release" in after, lines)


def cut_short(stop_timeout, signals, why, left, left_receive):
    """A stop with something of each kind in hand, while SQS answers nothing more: a.0 is with the
    handler, a.1 is to be released, c.0 is to be deleted, and a receive is under way."""
    answers = threading.Event()

    def spoil(number, operation, reply):
        if reply or operation == "GetQueueAttributes" or \
                (operation == "ReceiveMessage" and number == 1):
            return None
        answers.wait(60)
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
        daemon.wait_for_line(f"Stopped before the work in hand was finished: {why}.")
        daemon.wait_for_line(f"Left: {left}; they come back when their visibility timeout ends.")
        daemon.wait_for_line(f"Left: {left_receive}")
        tap.equal(deleted_ids(server), [])
        answers.set()


tap.add("a stop that is cut short by its end says what is left", cut_short, 4, 1,
        "it did not end in time",
        "0 messages with the handler, 1 handled but not deleted, 2 not released",
        "the reply to a receive, which cannot be had again; up to 10 messages that it was given come "
        "back when their visibility timeout of 300 s ends.")
tap.add("a stop that is cut short by a second one says what is left", cut_short, 60, 2,
        "asked to stop twice",
        "1 messages with the handler, 1 handled but not deleted, 1 not released",
        "1 receives; what they were given comes back when its visibility timeout ends.")


class Withholding(StandIn):
    """Before sqs-local: passes requests on, and holds back its answer to the first receive for as
    long as it is there itself. `receives` are what was asked for, in order."""

    def __init__(self, server):
        self._server = server
        self.receives = []
        super().__init__()

    def answer(self, request):
        delay = 0
        if request.headers["x-amz-target"].endswith(".ReceiveMessage"):
            self.receives.append(json.loads(request.body))
            delay = 3600 if len(self.receives) == 1 else 0
        connection = self._server.connection()
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.read(), answer.getheader("Content-Type"), delay=delay)
        connection.close()
        return reply


def asked_again_while_stopping(stop_timeout, **settings):
    """What the queue has handed out, in a reply that does not come, is got by asking again."""
    with SqsLocal(queues=[fifo(300)]) as server, Withholding(server) as front:
        fill(server, ["a", "b"], 2)
        daemon = consumer(server, endpoint=front.url, stop_timeout=stop_timeout, **settings)
        server.wait_for_records("received", 4)
        daemon.signal()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(front.receives), 2)
        first, second = front.receives
        tap.ok(first["ReceiveRequestAttemptId"], first)
        tap.equal(second["ReceiveRequestAttemptId"], first["ReceiveRequestAttemptId"])
        tap.equal((first["WaitTimeSeconds"], second["WaitTimeSeconds"]),
                  (settings["wait_time"], 0))
        daemon.wait_for_line("Number of messages received: 4")
        tap.equal(events(daemon, "begin"), [])
        tap.equal(deleted_ids(server), [])
        nothing_in_flight(server)
        tap.equal(sorted(m["MessageId"] for m in sqs.receive(server)), sorted(sent_ids(server)))


tap.add("a long poll that outlasts the stop is asked again on FIFO, and what it had is released",
        asked_again_while_stopping, 15, wait_time=20)
tap.add("the same for one that stalls while the stop has time", asked_again_while_stopping, 60,
        wait_time=1, aws={"request_timeout": 300})


@tap.test
def a_reply_lost_while_stopping_is_recovered_on_fifo():
    def spoil(number, operation, reply):
        if operation == "ReceiveMessage" and number == 1 and reply:
            reply["cut"] = 20
        return None

    with SqsLocal(queues=[fifo(300)]) as server, Proxy(server, spoil) as proxy:
        daemon = consumer(server, endpoint=proxy.url, wait_time=10)
        tap.wait_until(lambda: proxy.counts.get("ReceiveMessage"))
        time.sleep(0.3)
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        fill(server, ["a"], 1)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(proxy.counts["ReceiveMessage"], 2)
        nothing_in_flight(server)
        tap.equal(deleted_ids(server), [])


def stopped_in_doubt(fault, is_over, line, **settings):
    with SqsLocal(queues=[fifo(300)],
                  faults=["ReceiveMessage:drop-after:times=1", fault]) as server:
        fill(server, ["a"], 1)
        daemon = consumer(server, wait_time=5, **settings)
        daemon.wait_for_line("ReceiveMessage failed")
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        if is_over:
            server.set_faults()
        tap.equal(daemon.wait(), 1, daemon.text)
        daemon.wait_for_line(line)
        daemon.wait_for_line("Left: the reply to a receive, which cannot be had again; up to 10 "
                             "messages that it was given come back")
        tap.equal(daemon.lines[-1], "Terminated!")
        tap.equal(deleted_ids(server), [])


tap.add("a stop asks for a lost reply after a throttling, and tells that its id is void",
        stopped_in_doubt, "ReceiveMessage:throttle", True,
        "The receiveRequestAttemptId is not valid anymore", log={"level": "debug"})
tap.add("a stop asks for a lost reply until it must end, and tells that it came to nothing",
        stopped_in_doubt, "ReceiveMessage:drop-before", False,
        "The last ReceiveMessage has failed", stop_timeout=6)


@tap.test
def sigkill_with_much_in_hand_loses_nothing():
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
