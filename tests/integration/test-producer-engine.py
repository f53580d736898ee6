# SPDX-License-Identifier: MIT
"""sqs-producerd with many messages in flight: order, partial failures, limits, stops."""

import http.server
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import metrics
import sqs
import tap
from daemon import FIFO, Daemon
from notify import Notify
from proxy import Proxy
from sqs_local import BUILD_ROOT, SqsLocal

MANY = {"send_interval": 0, "batch_size": 10, "max_connections": 4, "groups": 20}
QUIET = {"level": "notice"}


class JudgingFront:
    """Stands before sqs-local, and decides on each message of a send. `judge(number, message)` gets the number in
    the message's body and the message. It returns None: the message is forwarded; an error code: its entry fails
    with this code (with SenderFault when the code ends in "!"); or ("refuse", code): the whole request fails.
    Failed messages never reach the server. `attributes` replace attributes of the queue in replies."""

    def __init__(self, server, judge, attributes=None):
        front = self
        self.requests = []  # for each send, the list of its numbers
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self):
                operation = self.headers["X-Amz-Target"].split(".", 1)[1]
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    self.answer(200, self.serve(operation, body))
                except sqs.Error as error:
                    self.answer(error.status, {"__type": error.code, "message": "refused"})

            def serve(self, operation, body):
                if not operation.startswith("SendMessage") or body.get("Entries") == []:
                    answer = sqs.call(server, operation, **body)
                    answer.get("Attributes", {}).update(attributes or {})
                    return answer
                entries = body.get("Entries", [body])
                numbers = [number_of(entry["MessageBody"]) for entry in entries]
                with lock:
                    front.requests.append(numbers)
                    verdicts = [judge(n, entry) for n, entry in zip(numbers, entries)]
                for verdict in verdicts:
                    if isinstance(verdict, tuple):
                        raise sqs.Error(400, {"__type": verdict[1]})
                if operation == "SendMessage":
                    if verdicts[0]:
                        raise sqs.Error(400, {"__type": verdicts[0].rstrip("!")})
                    return sqs.call(server, operation, **body)
                failed = [{"Id": entry["Id"], "Code": verdict.rstrip("!"), "Message": "no",
                           "SenderFault": verdict.endswith("!")}
                          for entry, verdict in zip(entries, verdicts) if verdict]
                good = [entry for entry, verdict in zip(entries, verdicts) if not verdict]
                answer = {"Successful": []}
                if good:
                    answer = sqs.call(server, operation, QueueUrl=body["QueueUrl"], Entries=good)
                answer["Failed"] = answer.get("Failed", []) + failed
                return answer

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.httpd.server_close()


def number_of(body):
    return int(json.loads(body)["data"][len("mydata"):])


def stored(server):
    """The numbers of the messages on the queue, by group, in order."""
    groups = {}
    for record in server.records("sent"):
        if not record["duplicate"]:
            groups.setdefault(record["group"], []).append(number_of(record["body"]))
    return groups


def check_all_stored(server, n, without=()):
    """Fails unless the messages 0 to n - 1, except those in `without`, are on the queue once each."""
    numbers = sorted(sum(stored(server).values(), []))
    tap.equal(numbers, [i for i in range(n) if i not in without])


def check_in_order(server):
    for group, numbers in stored(server).items():
        tap.equal(numbers, sorted(numbers), f"group {group}")


def other_lines(daemon):
    """Its lines without the first and the last."""
    first, *lines, last = daemon.lines
    tap.ok(first.startswith("Version ") and last.startswith("In all, in "), daemon.text)
    return lines


def run(server, n, *, status=0, log=None, seconds=300, **options):
    settings = {**MANY, "messages_to_send": n, **options.pop("producer", {})}
    # A request that times out on a busy machine would be sent again, and logged.
    daemon = Daemon("sqs-producerd", server, producer=settings, log=log or QUIET, aws={"request_timeout": 60},
                    **options)
    tap.equal(daemon.wait(seconds), status, daemon.text)
    return daemon


def seeded():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    tap.comment(f"SEED={seed}")
    return random.Random(seed)


@tap.test
def groups_share_batches_and_keep_their_order():
    with SqsLocal(queues=[FIFO], latency_ms=2) as server, Proxy(server, lambda *_: None) as proxy:
        daemon = run(server, 500, endpoint=proxy.url)
        check_all_stored(server, 500)
        check_in_order(server)
        tap.equal(sorted(stored(server)), sorted(f"test-{i}" for i in range(20)))
        tap.ok(proxy.counts["SendMessageBatch"] <= 100, f"requests: {proxy.counts}")
        tap.equal(other_lines(daemon), [])


@tap.test
def each_message_of_a_batch_has_its_log_lines():
    with SqsLocal(queues=[FIFO]) as server:
        daemon = run(server, 30, log={"level": "info"})
        sent = server.records("sent")
        for record in sent:
            body = json.loads(record["body"])
            sending = daemon.lines.index(f"Sending message with id {body['id']}...")
            answer = daemon.lines.index(
                f"SQS Response: Status:200 Id:{body['id']} SQS Message Id:{record['message_id']}")
            tap.ok(sending < answer)
        tap.equal(len(daemon.lines), 4 + 2 * 30)


@tap.test
def one_group_is_sent_one_by_one_in_strict_order():
    with SqsLocal(queues=[FIFO], latency_ms=1) as server, Proxy(server, lambda *_: None) as proxy:
        run(server, 60, endpoint=proxy.url, producer={"groups": 1})
        check_all_stored(server, 60)
        check_in_order(server)
        tap.equal(proxy.counts.get("SendMessageBatch"), None)
        tap.equal(proxy.counts["SendMessage"], 60)


@tap.test
def one_group_fills_batches_in_batch_order():
    with SqsLocal(queues=[FIFO], latency_ms=1) as server, Proxy(server, lambda *_: None) as proxy:
        run(server, 200, endpoint=proxy.url, producer={"groups": 1, "order": "batch"})
        check_all_stored(server, 200)
        check_in_order(server)
        tap.equal(proxy.counts, {"GetQueueAttributes": 1, "SendMessageBatch": 20})


@tap.test
def a_standard_queue_gets_full_batches():
    with SqsLocal(queues=["plain"], latency_ms=5) as server, \
            Proxy(server, lambda *_: None) as proxy:
        run(server, 205, endpoint=proxy.url, queue="plain", producer={"groups": 1})
        numbers = sorted(number_of(r["body"]) for r in server.records("sent"))
        tap.equal(numbers, list(range(205)))
        tap.equal(proxy.counts["SendMessageBatch"], 21)


def partial_failures(order):
    chance = seeded()
    ids = {}
    changed = []

    def judge(number, message):
        if ids.setdefault(number, message["MessageDeduplicationId"]) != \
                message["MessageDeduplicationId"]:
            changed.append(number)
        return "InternalError" if chance.random() < 0.2 else None

    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, judge) as front:
        start = time.monotonic()
        daemon = run(server, 400, endpoint=front.url, producer={"order": order})
        took = time.monotonic() - start
        check_all_stored(server, 400)
        if order == "strict":
            check_in_order(server)
        tap.equal(changed, [])
        tap.equal([r for r in server.records("sent") if r["duplicate"]], [])
        lines = [l for l in daemon.lines if "sending them again" in l]
        tap.ok(1 <= len(lines) <= 1 + took / 60, daemon.text)  # one a minute


tap.add("messages that fail in a batch are retried before their successors", partial_failures, "strict")
tap.add("messages that fail in a batch are retried in batch order", partial_failures, "batch")


@tap.test
def group_that_fails_does_not_delay_other_groups():
    held = threading.Event()

    def judge(number, message):
        return None if held.is_set() or number % 20 != 3 else "InternalError"

    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, judge) as front:
        daemon = Daemon("sqs-producerd", server, endpoint=front.url, log=QUIET,
                        producer={**MANY, "messages_to_send": 400})
        server.wait_for_records("sent", 200)
        tap.ok("test-3" not in stored(server))
        held.set()
        tap.equal(daemon.wait(), 0, daemon.text)
        check_all_stored(server, 400)
        check_in_order(server)


@tap.test
def rejected_message_is_not_sent_again_and_its_group_goes_on():
    bad = {7, 27, 110}

    def judge(number, message):
        return "InvalidMessageContents!" if number in bad else None

    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, judge) as front:
        daemon = run(server, 200, endpoint=front.url)
        check_all_stored(server, 200, without=bad)
        check_in_order(server)
        tap.equal(sum(n in bad for request in front.requests for n in request), len(bad))
        lines = [l for l in daemon.lines if "SQS rejects the message with id" in l]
        tap.equal(len(lines), 3, daemon.text)
        tap.ok(all("InvalidMessageContents: no" in l for l in lines), daemon.text)
        tap.equal(len(other_lines(daemon)), 3, daemon.text)


def refused_batches(order):
    bad = {5, 44}

    def judge(number, message):
        return ("refuse", "MissingParameter") if number in bad else None

    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, judge) as front:
        daemon = run(server, 100, endpoint=front.url, producer={"order": order})
        check_all_stored(server, 100, without=bad)
        check_in_order(server)
        tap.ok(any("as a whole" in l and "one by one" in l for l in daemon.lines), daemon.text)
        tap.equal(sum("SQS rejects the message" in l for l in daemon.lines), len(bad), daemon.text)
        for number in bad:
            tap.ok([number] in front.requests, f"{number} was not sent alone")


tap.add("batch refused as a whole is split and only the invalid message rejected", refused_batches,
        "strict")
tap.add("batch refused as a whole is split in batch order", refused_batches, "batch")


@tap.test
def throttled_entry_is_retried():
    throttled = set()

    def judge(number, message):
        if number % 10 or number in throttled:
            return None
        throttled.add(number)
        return "RequestThrottled!"

    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, judge) as front:
        run(server, 100, endpoint=front.url)
        check_all_stored(server, 100)
        check_in_order(server)


@tap.test
def message_over_the_queues_maximum_size_is_rejected_without_a_send():
    with SqsLocal(queues=[FIFO]) as server:
        with JudgingFront(server, lambda *_: None, {"MaximumMessageSize": "50"}) as front:
            daemon = run(server, 250, endpoint=front.url)
            tap.equal(front.requests, [])
        lines = [l for l in daemon.lines if "SQS would reject the message with id" in l]
        tap.equal(len(lines), 250)
        tap.ok("the queue takes at most 50" in lines[0], lines[0])


def lost_replies(what, order, groups):
    chance = seeded()

    def spoil(number, operation, reply):
        if operation == "GetQueueAttributes" or chance.random() > 0.2:
            return None
        return what(reply)

    with SqsLocal(queues=[FIFO]) as server, Proxy(server, spoil) as proxy:
        run(server, 300, endpoint=proxy.url, producer={"order": order, "groups": groups})
        check_all_stored(server, 300)
        tap.equal(len(stored(server)), groups)
        check_in_order(server)


def cut(reply):
    if reply:
        reply["cut"] = len(reply["body"]) // 2


def without_its_last_entry(reply):
    """Removes the last entry of the reply. That message is on the queue: SQS must drop its retry as a duplicate."""
    if reply:
        body = json.loads(reply["body"])
        if body.get("Successful"):
            body["Successful"].pop()
        reply["body"] = json.dumps(body).encode()


def wrong_md5(reply):
    if reply:
        at = reply["body"].find(b'"MD5OfMessageBody"')
        if at >= 0:
            at = reply["body"].index(b'"', at + 19) + 1
            reply["body"] = reply["body"][:at] + b"0" * 32 + reply["body"][at + 32:]


def unavailable(reply):
    if reply:
        reply["status"], reply["body"] = 503, b"<html>"


def drop_before(reply):
    """The request does not reach the server, so a later one could overtake it."""
    return None if reply else "drop-before"


for what in (cut, without_its_last_entry, wrong_md5, unavailable):
    tap.add(f"replies spoilt by {what.__name__} lose no message and keep the order", lost_replies,
            what, "strict", 20)

# With few groups a batch has several messages of each. In batch order a reply that lacks its last entry may lose
# the order, since only a part of the batch is acknowledged; so that fault is left out here.
for what in (cut, wrong_md5, unavailable):
    tap.add(f"replies spoilt by {what.__name__} lose no message and keep the order in batch order", lost_replies,
            what, "batch", 3)

for order, groups in (("strict", 20), ("batch", 3)):
    tap.add(f"requests that do not reach SQS lose no message and keep the order ({order})",
            lost_replies, drop_before, order, groups)


@tap.test
def batch_waits_until_it_is_full():
    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, lambda *_: None) as front:
        run(server, 23, endpoint=front.url,
            producer={"send_interval": 0.02, "batch_size": 5, "batch_linger": 60})
        # Batches wait until they are full. The last does not wait, since no message can follow.
        tap.equal([len(numbers) for numbers in front.requests], [5, 5, 5, 5, 3])
        check_all_stored(server, 23)


@tap.test
def batch_waits_no_longer_than_its_linger():
    with SqsLocal(queues=[FIFO]) as server, JudgingFront(server, lambda *_: None) as front:
        daemon = Daemon("sqs-producerd", server, endpoint=front.url, log=QUIET,
                        producer={**MANY, "messages_to_send": 0, "send_interval": 0.4,
                                  "batch_linger": 0.6})
        # Without a linger each would go alone, and without its end there would be ten in a batch. On a busy machine
        # it may end before the second message, or be seen after the third.
        tap.wait_until(lambda: sum(len(numbers) == 2 for numbers in front.requests) >= 3)
        tap.ok(all(len(numbers) < 10 for numbers in front.requests), front.requests)
        daemon.stop()


@tap.test
def rate_limit_is_kept():
    with SqsLocal(queues=[FIFO]) as server:
        # With several connections a busy server might get several batches at once.
        run(server, 120, producer={"rate_limit": 100, "max_connections": 1})
        times = [r["time"] for r in server.records("sent")]
        took = times[-1] - times[0]
        # After the first batch 110 messages take 10 ms each, but for what the limiter may make up for, and for the
        # time until the server has recorded the first.
        tap.ok(0.9 <= took <= 60, f"took {took} s")
        for a, b in zip(times, times[30:]):
            tap.ok(b - a >= 0.1, f"31 messages within {b - a} s")


@tap.test
def stop_sends_messages_in_flight_and_reports_how_many_are_left():
    with SqsLocal(queues=[FIFO], latency_ms=1200) as server, Notify() as notify:
        daemon = Daemon("sqs-producerd", server, env={"NOTIFY_SOCKET": notify.path}, aws={"request_timeout": 60},
                        producer={**MANY, "messages_to_send": 0, "stop_timeout": 300})
        daemon.wait_for_line("Sending message", 40)
        daemon.stop()
        taken = sum("Sending message" in l for l in daemon.lines)
        tap.equal(len(server.records("sent")), taken)
        tap.equal(sum("SQS Response: Status:200" in l for l in daemon.lines), taken)
        tap.equal(daemon.lines[-1], "Terminated!")
        check_in_order(server)
    lines = notify.lines
    tap.ok("STOPPING=1" in lines, lines)
    tap.ok(any(l.startswith("EXTEND_TIMEOUT_USEC=") for l in lines), lines)
    tap.ok(any(l.startswith("STATUS=Stopping: ") and l.endswith(" messages left")
               for l in lines), lines)


def cut_short(stop_timeout, signals, why):
    with SqsLocal(queues=[FIFO]) as server:
        with Proxy(server, lambda number, operation, reply:
                   time.sleep(300) if operation != "GetQueueAttributes" and not reply else None) \
                as proxy:
            daemon = Daemon("sqs-producerd", server, endpoint=proxy.url, aws={"request_timeout": 300},
                            producer={**MANY, "messages_to_send": 0, "groups": 7,
                                      "stop_timeout": stop_timeout})
            daemon.wait_for_line("Sending message", 7)
            for _ in range(signals):
                daemon.signal()
                daemon.wait_for_line("Asked to stop")
            tap.equal(daemon.wait(), 1, daemon.text)
            daemon.wait_for_line(why)
            line = daemon.wait_for_line("unknown outcome")
            tap.matches(line, "*may or may not have them): 7; taken from the source and not sent: *")


tap.add("stop at its deadline logs what is left", cut_short, 0.5, 1,
        "the stop took longer than stop_timeout")
tap.add("second stop ends at once and logs what is left", cut_short, 3600, 2, "asked to stop a second time")


@tap.test
def sigkill_and_sigterm_at_random_moments_keep_the_order():
    chance = seeded()
    n_whole = 0
    with SqsLocal(queues=[FIFO], latency_ms=1) as server:
        for i in range(20):
            # The server may read the last requests of a killed daemon later, so each has groups of its own.
            name = f"run{i}"
            # The limit is for its log, which must not drop lines when they are read slowly.
            daemon = Daemon("sqs-producerd", server, aws={"request_timeout": 60}, producer={
                **MANY, "messages_to_send": 0, "message_group_id": name, "rate_limit": 1000})
            daemon.wait_for_line("SQS Response", 20)
            time.sleep(chance.random() / 20)
            daemon.signal(signal.SIGKILL if i % 2 else signal.SIGTERM)
            tap.equal(daemon.wait(), -9 if i % 2 else 0, daemon.text)
            answered = sum("SQS Response: Status:200" in l for l in daemon.lines)
            run_numbers = {}
            records = [r for r in server.records("sent") if r["group"].startswith(name + "-")]
            tap.ok(len(records) >= answered, f"{len(records)} of {answered}")
            # At its end a daemon does not wait long for a log that takes nothing.
            if i % 2 == 0 and daemon.lines[-1] == "Terminated!":
                tap.equal(len(records), sum("Sending message" in l for l in daemon.lines))
                n_whole += 1
            for record in records:
                run_numbers.setdefault(record["group"], []).append(number_of(record["body"]))
            for group, numbers in run_numbers.items():
                # There must be no gap: a missing message would have been overtaken.
                first = int(group.rsplit("-", 1)[1])
                tap.equal(numbers, list(range(first, first + 20 * len(numbers), 20)), group)
        tap.ok(n_whole > 0, "no log is whole")


@tap.test
def group_name_too_long_for_a_number_is_refused():
    with SqsLocal(queues=[FIFO]) as server:
        daemon = run(server, 1, status=78, producer={"message_group_id": "g" * 128})
        tap.ok("producer.message_group_id" in daemon.text, daemon.text)


def peaks_kib(*counts):
    """The peak memory of a daemon after each of these numbers of messages."""
    peaks = []
    with SqsLocal(queues=[FIFO], record=False) as server:
        address = f"127.0.0.1:{metrics.free_port()}"
        daemon = Daemon("sqs-producerd", server, log=QUIET,
                        producer={**MANY, "messages_to_send": 0, "metrics_listen": address})
        for n in counts:
            metrics.wait_for(address, "sqs_producerd_messages_sent_total", n, 300)
            with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
                peaks.append(next(int(l.split()[1]) for l in file if l.startswith("VmHWM:")))
        daemon.stop()
    return peaks


@tap.test
def memory_does_not_grow_with_the_number_of_messages():
    with open(os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd"), "rb") as file:
        if b"__asan_init" in file.read():
            raise tap.Skip("the address sanitizer keeps freed memory")
    few, many = peaks_kib(10000, 100000)
    tap.comment(f"{few} KiB for 10,000 messages, {many} KiB for 100,000")
    tap.ok(many - few <= 1024, f"{few} KiB, then {many} KiB")


if __name__ == "__main__":
    tap.main()
