# SPDX-License-Identifier: MIT
"""Both daemons when the network, the server, the keys or the clock fail: which failures end the start, which are
retried, and what is logged. No message is lost or overtaken."""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from metrics import free_port
from proxy import Proxy
from sqs_local import SECRET_ACCESS_KEY, SqsLocal

DAEMONS = ("sqs-producerd", "sqs-consumerd")


def check_fails(name, status, *words, server=None, **options):
    """The daemon ends with this status, one line has all the words, and nothing was sent."""
    with SqsLocal(queues=[FIFO]) as own:
        daemon = Daemon(name, server or own, **options)
        tap.equal(daemon.wait(), status, daemon.text)
        for word in words:
            tap.ok(any(word in line for line in daemon.lines), f"no {word!r} in:\n{daemon.text}")
        tap.equal(own.records(), [])
        tap.ok(SECRET_ACCESS_KEY not in daemon.text)


for name in DAEMONS:
    tap.add(f"{name} does not start with a wrong secret", check_fails, name, 77, "InvalidSignatureException",
            "check the access key", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    tap.add(f"{name} does not start with an unknown key", check_fails, name, 77,
            "UnrecognizedClientException", env={"AWS_ACCESS_KEY_ID": "AKIDUNKNOWN"})
    tap.add(f"{name} does not start without credentials", check_fails, name, 77,
            "environment: AWS_ACCESS_KEY_ID is not set", "shared credentials file:",
            "config file:", "instance metadata:", "/etc/credstore",
            env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
    tap.add(f"{name} does not start with half of a key", check_fails, name, 77,
            "AWS_SECRET_ACCESS_KEY is not: set both", env={"AWS_SECRET_ACCESS_KEY": None})
    tap.add(f"{name} does not start without its queue", check_fails, name, 69, "QueueDoesNotExist",
            "check aws.queue_url", queue="absent.fifo")
    tap.add(f"{name} does not start with a missing profile", check_fails, name, 77,
            "no profile nobody", aws={"profile": "nobody"})
    tap.add(f"{name} refuses a setting it does not know", check_fails, name, 78,
            "sqs-demo.conf:", "aws.regoin", "region", aws={"regoin": "eu-west-1"})
    tap.add(f"{name} refuses a value of the wrong type", check_fails, name, 78,
            "producer.send_interval", '"soon"', producer={"send_interval": "soon"})
    tap.add(f"{name} refuses a value out of range", check_fails, name, 78,
            "consumer.max_messages", "11", "1 to 10", consumer={"max_messages": 11})
    tap.add(f"{name} refuses broken syntax", check_fails, name, 78, "sqs-demo.conf:2",
            config="aws = {\n region = ;\n};\n")
    tap.add(f"{name} refuses a missing file", check_fails, name, 78, "/nonexistent/sqs-demo.conf",
            "No such file", arguments=["--config=/nonexistent/sqs-demo.conf"])
    tap.add(f"{name} refuses an invalid endpoint", check_fails, name, 78, "aws.endpoint_url",
            aws={"endpoint_url": "ftp://127.0.0.1/"})
    tap.add(f"{name} refuses an option it does not know", check_fails, name, 64, "--frobnicate",
            arguments=["--frobnicate"])
    tap.add(f"{name} checks a broken configuration", check_fails, name, 78, "aws.regoin",
            aws={"regoin": "eu-west-1"}, arguments=["--check-config"])


@tap.test
def keys_in_the_credentials_directory_are_found():
    with SqsLocal(queues=[FIFO]) as server:
        none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
        folder = Daemon("sqs-producerd", server, arguments=["--version"]).folder
        with open(os.path.join(folder, "aws.credentials"), "w", encoding="utf-8") as file:
            file.write("[default]\naws_access_key_id = AKIDWRONG\naws_secret_access_key = x\n"
                       f"[work]\naws_access_key_id = {server.access_key_id}\n"
                       f"aws_secret_access_key = {server.secret_access_key}\n")
        daemon = Daemon("sqs-producerd", server, env={**none, "CREDENTIALS_DIRECTORY": folder},
                        aws={"profile": "work"})
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon = Daemon("sqs-producerd", server, env={**none, "CREDENTIALS_DIRECTORY": folder,
                                                      "AWS_PROFILE": "work"})
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon = Daemon("sqs-producerd", server, env={**none, "CREDENTIALS_DIRECTORY": folder})
        tap.equal(daemon.wait(), 77, daemon.text)


@tap.test
def session_token_is_sent_and_signed():
    with SqsLocal(queues=[FIFO], session_token="atoken/of+any=form") as server:
        producer = Daemon("sqs-producerd", server)
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(len(server.records("sent")), 5)


@tap.test
def refused_signature_does_not_log_the_session_token():
    with SqsLocal(queues=[FIFO], session_token="TOKENTOKENTOKEN") as server:
        daemon = Daemon("sqs-producerd", server, log={"level": "debug"},
                        env={"AWS_SECRET_ACCESS_KEY": "wrong"})
        tap.equal(daemon.wait(), 77, daemon.text)
        daemon.wait_for_line("InvalidSignatureException")
        tap.ok("TOKENTOKEN" not in daemon.text, daemon.text)


@tap.test
def daemons_wait_for_a_server_that_starts_later():
    port = free_port()
    with SqsLocal(queues=[FIFO]) as model:
        class Later:
            url = f"http://127.0.0.1:{port}"
            env = staticmethod(model.env)
            queue_url = staticmethod(lambda name: f"http://127.0.0.1:{port}/000000000000/{name}")
        producer, consumer = daemons = [
            Daemon(name, Later, consumer={"exit_after_empty_receives": 0}) for name in DAEMONS]
        for daemon in daemons:
            line = daemon.wait_for_line("GetQueueAttributes failed")
            tap.ok("check the network" in line and "trying again" in line, line)
        with SqsLocal(queues=[FIFO], port=port) as server:
            for daemon in daemons:
                daemon.wait_for_line("The queue answers again")
            tap.equal(producer.wait(), 0, producer.text)
            server.wait_for_records("deleted", 5)
            consumer.stop()


@tap.test
def daemons_wait_for_a_server_that_is_restarted():
    with SqsLocal(queues=[FIFO], port=free_port()) as server:
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 0})
        producer.wait_for_line("SQS Response", 3)
        server.kill()
        producer.wait_for_line("SendMessage failed")
        before = len(server.records("sent"))
        server._start(server.port)
        producer.wait_for_line("The queue answers again")
        server.wait_for_records("sent", before + 3)
        producer.stop()
        ids = [r["deduplication_id"] for r in server.records("sent")]
        first, second = ids[:before], ids[before:]
        if second[0] == first[-1]:  # sent again: the server was killed before it had answered, and remembers no id
            first.pop()
        tap.equal(len(first + second), len(set(first + second)))


@tap.test
def stop_without_a_server_and_messages_in_flight_ends_at_once():
    with SqsLocal(queues=[FIFO]) as server:
        for name in DAEMONS:
            daemon = Daemon(name, server, endpoint=f"http://127.0.0.1:{free_port()}",
                            producer={"stop_timeout": 600}, consumer={"stop_timeout": 600})
            daemon.wait_for_line("GetQueueAttributes failed")
            daemon.signal()
            tap.equal(daemon.wait(60), 0, daemon.text)


def clock_off(offset):
    """The daemon corrects its clock after the first reply: one request fails, and one line is logged."""
    refused = []

    def watch(_, operation, reply):
        if reply and reply["status"] == 403:
            refused.append(operation)

    with SqsLocal(queues=[FIFO], clock_offset=offset) as server, Proxy(server, watch) as proxy:
        producer = Daemon("sqs-producerd", server, endpoint=proxy.url)
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(refused, ["GetQueueAttributes"])
        lines = [l for l in producer.lines if "clock" in l]
        tap.equal(len(lines), 1, producer.text)
        seconds = int(lines[0].split(" s ")[0].rsplit(" ", 1)[1])
        tap.ok(abs(seconds - abs(offset)) <= 30, lines[0])
        tap.ok(("behind" if offset > 0 else "ahead of") in lines[0], lines[0])
        tap.equal(len(server.records("sent")), 5)


for offset in (1200, -1200, 3600, -3600):
    tap.add(f"a clock {offset} s off costs one failed request", clock_off, offset)


def lines_after_refusal_with_date(code, date):
    """One request is refused with this Date. All messages are sent; returns the lines about the clock."""
    def spoil(number, operation, reply):
        if reply and operation == "SendMessage" and number == 2:
            reply["status"] = 403
            reply["headers"] = [("Date", date), ("x-amzn-query-error", f"{code};Sender")]
            reply["body"] = b"{}"

    with SqsLocal(queues=[FIFO]) as server, Proxy(server, spoil) as proxy:
        producer = Daemon("sqs-producerd", server, endpoint=proxy.url)
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(len([l for l in producer.lines if "SQS Response: Status:200" in l]), 5)
        return [l for l in producer.lines if "clock" in l and "failed" not in l]


@tap.test
def clock_that_is_right_again_is_logged():
    lines = lines_after_refusal_with_date("SignatureDoesNotMatch", "Thu, 01 Jan 2099 00:00:00 GMT")
    tap.equal(len(lines), 2, lines)
    tap.ok("behind" in lines[0] and "agrees with AWS's again" in lines[1], lines)


for year, day in (1900, "Mon"), (9999, "Fri"):
    @tap.test(f"a refusal with the year {year} is ignored")
    def impossible_time(year=year, day=day):
        date = f"{day}, 01 Jan {year} 00:00:00 GMT"
        tap.equal(lines_after_refusal_with_date("RequestExpired", date), [])


@tap.test
def denial_by_a_gateway_is_not_taken_for_a_denial_by_sqs():
    def spoil(number, operation, reply):
        if reply and operation == "SendMessage" and number == 2:
            reply["status"] = 403
            reply["headers"] = [("Content-Type", "application/json")]
            reply["body"] = b'{"code": "BLOCKED", "message": "by policy"}'

    with SqsLocal(queues=[FIFO]) as server, Proxy(server, spoil) as proxy:
        producer = Daemon("sqs-producerd", server, endpoint=proxy.url)
        tap.equal(producer.wait(), 0, producer.text)
        tap.ok(any("HTTP status 403: by policy" in l for l in producer.lines), producer.text)
        tap.ok(not any("rejects" in l for l in producer.lines), producer.text)


@tap.test
def denied_operation_among_allowed_ones_is_logged_once():
    is_denied = threading.Event()
    is_denied.set()

    def spoil(number, operation, reply):
        if reply and operation.startswith("DeleteMessage") and is_denied.is_set():
            reply["status"] = 403
            reply["headers"] = [("x-amzn-RequestId", "denied")]
            reply["body"] = b'{"__type": "com.amazon.coral.service#AccessDeniedException"}'

    with SqsLocal(queues=["plain"]) as server, Proxy(server, spoil) as proxy:
        for i in range(12):
            sqs.send(server, f"message {i}", queue="plain")
        consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url, queue="plain",
                          consumer={"concurrency": 10, "receivers": 2,
                                    "exit_after_empty_receives": 0})
        consumer.wait_for_line("Message read from queue", 10)
        # The first denied request has one message or several.
        consumer.wait_for_line("failed: sqs:DeleteMessage is denied: AccessDeniedException")
        time.sleep(7)  # in this time more deletes are denied
        told = [line for line in consumer.lines
                if line.startswith("DeleteMessage") and " failed" in line]
        tap.equal(len(told), 1, consumer.text)
        tap.ok("AccessDeniedException" in told[0] and "allow these credentials" in told[0], told[0])
        tap.ok("again, after" not in consumer.text, consumer.text)
        is_denied.clear()
        consumer.wait_for_line("The queue answers again, after", seconds=120)
        consumer.end()


def portal(status, headers=()):
    """Both daemons start while a portal answers in place of SQS, and work when it forwards their requests."""
    is_open = threading.Event()

    def spoil(number, operation, reply):
        if reply and not is_open.is_set():
            reply["status"] = status
            reply["headers"] = [("Content-Type", "text/html"), *headers]
            reply["body"] = b"<html>sign in</html>"

    with SqsLocal(queues=[FIFO]) as server, Proxy(server, spoil) as proxy:
        daemons = [Daemon(name, server, endpoint=proxy.url) for name in DAEMONS]
        for daemon in daemons:
            line = daemon.wait_for_line("GetQueueAttributes failed")
            tap.ok(f"HTTP status {status}; to correct it: this reply is not from SQS" in line, line)
        is_open.set()
        for daemon in daemons:
            tap.equal(daemon.wait(), 0, daemon.text)
            daemon.wait_for_line("The queue answers again")
        # The consumer may end before the producer sends.
        tap.equal(len(server.records("sent")), 5)


tap.add("daemons wait for a portal that redirects at the start", portal, 302,
        headers=[("Location", "http://portal.invalid/")])
tap.add("daemons wait for a proxy that forbids at the start", portal, 403)


def spoil_some(what):
    """The second and the fifth request of each operation get a spoilt reply, after the server has done them."""

    def spoil(number, operation, reply):
        if number not in (2, 5):
            return None
        return what(reply)

    return spoil


def not_json(reply):
    if reply:
        reply["body"] = b"<html>bad gateway</html>"


def empty(reply):
    if reply:
        reply["body"] = b""


def cut_off(reply):
    if reply:
        reply["cut"] = max(0, len(reply["body"]) - 10)


def cut_json(reply):
    if reply:
        reply["body"] = reply["body"][:-1]


def html_503(reply):
    if reply:
        reply["status"] = 503
        reply["body"] = b"<html>unavailable</html>"


def wrong_md5(reply):
    if reply:
        for key in (b'"MD5OfMessageBody"', b'"MD5OfBody"'):
            at = reply["body"].find(key)
            if at >= 0:
                at = reply["body"].index(b'"', at + len(key) + 1) + 1
                reply["body"] = reply["body"][:at] + b"0" * 32 + reply["body"][at + 32:]


def too_large(reply):
    if reply and b"SequenceNumber" in reply["body"] and b"Messages" not in reply["body"]:
        reply["body"] = b'{"x":"' + b"y" * (80 << 20) + b'"}'


def drop_before(reply):
    return "drop-before"


def deleted(server):
    """The messages that were deleted, in the order of their first deletes."""
    return list(dict.fromkeys(r["message_id"] for r in server.records("deleted")))


def spoilt_replies(what):
    """Replies are spoilt: all messages are still sent and handled, once and in order. The visibility timeout is
    short, since messages of a spoilt receive wait for it."""
    with SqsLocal(queues=[FIFO + ",VisibilityTimeout=4"]) as server:
        with Proxy(server, spoil_some(what)) as proxy:
            producer = Daemon("sqs-producerd", server, endpoint=proxy.url,
                              producer={"messages_to_send": 6})
            consumer = Daemon("sqs-consumerd", server, endpoint=proxy.url,
                              consumer={"exit_after_empty_receives": 0})
            tap.equal(producer.wait(120), 0, producer.text)
            tap.wait_until(lambda: len(deleted(server)) == 6, 120, "the delete of all messages")
            for operation in ("SendMessage", "ReceiveMessage", "DeleteMessage"):
                tap.ok(proxy.counts[operation] >= 5, f"{operation}: {proxy.counts}")
            tap.wait_until(lambda: proxy.counts["ReceiveMessage"] > 5, 120, "a receive that is not spoilt")
            consumer.stop()
        sent = [r for r in server.records("sent") if not r["duplicate"]]
        tap.equal(len(sent), 6)
        tap.equal(deleted(server), [r["message_id"] for r in sent])


for what in (not_json, empty, cut_off, cut_json, html_503, wrong_md5, too_large, drop_before):
    tap.add(f"replies spoilt by {what.__name__} lose no message", spoilt_replies, what)


@tap.test
def sigkill_at_random_moments_loses_no_message_and_keeps_the_order():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    tap.comment(f"SEED={seed}")
    chance = random.Random(seed)
    with SqsLocal(queues=[FIFO + ",VisibilityTimeout=1"], latency_ms=2) as server:
        acknowledged = 0
        for _ in range(8):
            producer = Daemon("sqs-producerd", server,
                              producer={"messages_to_send": 0, "send_interval": 0})
            producer.wait_for_line("SQS Response", 2)
            time.sleep(chance.random() / 20)
            producer.signal(signal.SIGKILL)
            producer.wait()
            acknowledged += sum("SQS Response: Status:200" in l for l in producer.lines)
        sent = [r["message_id"] for r in server.records("sent")]
        tap.ok(len(sent) >= acknowledged, f"{len(sent)} of {acknowledged} acknowledged")
        for _ in range(8):
            consumer = Daemon("sqs-consumerd", server, consumer={"max_messages": 10})
            # The server may read the last deletes of the killed one later: then nothing may be left to delete.
            tap.wait_until(lambda c=consumer: "Message deleted" in c.text or c.process.poll() is not None
                           or len(server.records("deleted")) >= len(server.records("sent")), message="a delete")
            time.sleep(chance.random() / 20)
            consumer.signal(signal.SIGKILL)
            consumer.wait()
        consumer = Daemon("sqs-consumerd", server,
                          consumer={"max_messages": 10, "exit_after_empty_receives": 4})
        tap.equal(consumer.wait(180), 0, consumer.text)
        # The server may have read the last request of a killed producer later.
        tap.equal([r["message_id"] for r in server.records("deleted")],
                  [r["message_id"] for r in server.records("sent")])


@tap.test
def secrets_are_logged_at_no_level():
    with SqsLocal(queues=[FIFO], session_token="TOKENTOKENTOKEN") as server:
        for name in DAEMONS:
            with Proxy(server, spoil_some(html_503)) as proxy:
                daemon = Daemon(name, server, endpoint=proxy.url, log={"level": "debug"})
                tap.equal(daemon.wait(), 0, daemon.text)
            for secret in (server.secret_access_key, "TOKENTOKEN", "Signature="):
                tap.ok(secret not in daemon.text, f"{secret} is in the log")


if __name__ == "__main__":
    tap.main()
