# SPDX-License-Identifier: MIT
"""The producer with its spool: each message that a program submits gets to the queue once and in order, also when
the queue or the keys are missing, and over restarts. A message that the queue rejects is set aside."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from metrics import free_port
from proxy import Proxy
from spool import NO_SENDS, Refused, Spool, check_once_and_in_order, sent_bodies, wait_until_sent
from sqs_local import SqsLocal


@tap.test
def submitted_messages_are_sent_once_and_in_order_over_restarts():
    submitted = {f"g{i}": [] for i in range(5)}
    with SqsLocal([FIFO]) as server, Spool() as spool:
        for number in range(4):
            server.set_faults(*(NO_SENDS if number % 2 else ["SendMessageBatch:drop-after:every=5"]))
            producer = spool.producer(server, producer={"stop_timeout": 0.2})
            with spool.connect(producer) as submitter:
                for i in range(200):
                    group = f"g{i % 5}"
                    submitted[group].append(f"{number}.{i}")
                    submitter.submit(f"{number}.{i}", group=group)
            producer.signal([signal.SIGTERM, signal.SIGKILL][number // 2])
            producer.wait()
        server.set_faults()
        producer = spool.producer(server)
        wait_until_sent(spool, server, 800)
        producer.stop()
        check_once_and_in_order(server.records(), submitted)


@tap.test
def message_arrives_with_its_attributes_group_ids_and_delay():
    with SqsLocal([FIFO, "plain"]) as server, Spool() as spool, Spool() as other:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            first = submitter.submit("é \"1\"\n", attributes={
                "a": "téxt", "n": {"type": "Number", "value": "1.5"},
                "b": {"type": "Binary.x", "value": "AP8="}})
            submitter.submit("2", group="of-its-own", deduplication_id="d1")
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server, visibility=600)) or len(messages) == 2)
        producer.stop()
        one, two = sorted(messages, key=lambda m: m["Attributes"]["MessageGroupId"], reverse=True)
        tap.equal(one["Body"], "é \"1\"\n")
        tap.equal(one["Attributes"]["MessageGroupId"], "test")  # producer.message_group_id
        tap.equal(one["Attributes"]["MessageDeduplicationId"], first)
        tap.equal(one["MessageAttributes"], {
            "a": {"DataType": "String", "StringValue": "téxt"},
            "n": {"DataType": "Number", "StringValue": "1.5"},
            "b": {"DataType": "Binary.x", "BinaryValue": "AP8="}})
        tap.ok("MessageAttributes" not in two, str(two))
        tap.equal(two["Attributes"]["MessageGroupId"], "of-its-own")
        tap.equal(two["Attributes"]["MessageDeduplicationId"], "d1")
        # The two groups can be in two requests at once, so either may come first.
        sent = {r["group"]: r["deduplication_id"] for r in server.records("sent")}
        tap.equal(sent, {"test": first, "of-its-own": "d1"})

        producer = other.producer(server, queue="plain")
        with other.connect(producer) as submitter:
            submitter.submit("much later", delay=900)
            submitter.submit("later", delay=5)
            submitter.submit("now")
            try:
                submitter.submit("x", deduplication_id="d")
                raise AssertionError("a standard queue takes no deduplication id")
            except Refused as refused:
                tap.ok("deduplication id" in str(refused), str(refused))
        server.wait_for_records(lambda r: r["event"] == "sent" and r["queue"] == "plain", 3)
        producer.stop()
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server, queue="plain", wait=1, visibility=600))
                       or len(messages) == 2, 60)
        tap.equal(sorted(m["Body"] for m in messages), ["later", "now"])
        later = next(m["MessageId"] for m in messages if m["Body"] == "later")
        sent_at = {r["body"]: r["time"] for r in server.records("sent", "plain")}
        came_at = {r["message_id"]: r["time"] for r in server.records("received", "plain")}
        tap.ok(round(came_at[later] - sent_at["later"], 3) >= 5, "came too early")
        left = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url("plain"),
                        AttributeNames=["ApproximateNumberOfMessagesDelayed"])["Attributes"]
        tap.equal(left, {"ApproximateNumberOfMessagesDelayed": "1"})


def run_submit(producer, text, *arguments):
    """Runs sqs-producerd --submit with the bytes `text` on its standard input."""
    return subprocess.run([producer.program, "--submit", f"--config={producer.config}", *arguments],
                          input=text, capture_output=True, timeout=60, check=False)


@tap.test
def text_beyond_ascii_arrives_byte_for_byte():
    text = "grüße 😀 \u2028\x7f\n".encode()
    with SqsLocal([FIFO]) as server, Spool() as spool, tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        producer = spool.producer(server)
        spool.connect(producer).close()
        done = run_submit(producer, text, "--attribute=a=grüße 😀")
        tap.equal((done.returncode, done.stderr), (0, b""))
        tap.ok(len(done.stdout) == 37, str(done.stdout))
        refused = run_submit(producer, text, "--attribute=grüße=x")  # the answer has letters beyond ASCII
        tap.equal(refused.returncode, 65)
        tap.ok("refused: attribute 1 (grüße): " in refused.stderr.decode(), str(refused.stderr))
        wait_until_sent(spool, server, 1)  # before the consumer finds the queue empty
        consumer = Daemon("sqs-consumerd", server, consumer={
            "handler": "exec", "exit_after_empty_receives": 1,
            "command": ["/bin/sh", "-c", "{ cat; printf %s \"$SQS_ATTRIBUTE_A\"; } >\"$0\"", out]},
            env={"STATE_DIRECTORY": folder})
        tap.equal(consumer.wait(), 0, consumer.text)
        with open(out, "rb") as file:
            tap.equal(file.read(), text + "grüße 😀".encode())
        tap.equal(server.records("sent")[0]["body"].encode(), text)
        producer.stop()


@tap.test
def closed_standard_output_or_error_gives_its_number_to_no_other_file():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool, tempfile.TemporaryDirectory() as folder:
        rest = os.path.join(folder, "rest")
        producer = spool.producer(server)
        spool.connect(producer).close()

        def run(closed, *arguments):
            return subprocess.run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", producer.program, "--submit",
                                   f"--config={producer.config}", *arguments],
                                  input=b"good\n\ngood\n", capture_output=True, timeout=60, check=False)

        done = run(1, "--lines", f"--rest={rest}")
        tap.equal(done.returncode, 74, done.stderr.decode())
        with open(rest, "rb") as file:
            tap.equal(file.read(), b"\n")
        os.remove(rest)
        done = run(2, "--lines", f"--rest={rest}")
        tap.equal((done.returncode, len(done.stdout.splitlines())), (65, 2))
        with open(rest, "rb") as file:
            tap.equal(file.read(), b"\n")
        # Nor to the socket.
        tap.equal(run(1).returncode, 74)
        tap.equal([body for body, in spool.rows("SELECT body FROM waiting ORDER BY number")],
                  ["good"] * 4 + ["good\n\ngood\n"])
        producer.end()


@tap.test
def half_a_surrogate_pair_is_refused_with_its_byte_and_is_never_replaced():
    half = "abc\ud83d"  # json.dumps writes it as an escape
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            for message in ({"body": half}, {"body": "x", "group": half}, {"body": "x", half: "x"},
                            {"body": "x", "attributes": {"a": half}},
                            {"body": "x", "attributes": {half: "x"}}):
                place = json.dumps(message).index("\\ud83d") + 1
                try:
                    submitter.ask(**message)
                    raise AssertionError(f"{message} was accepted")
                except Refused as refused:
                    tap.equal(str(refused), f"line: half of a surrogate pair, at byte {place}")
                    tap.ok(not refused.temporary, str(message))
            submitter.submit("abc\U0001f600")
        wait_until_sent(spool, server, 1)
        tap.equal(sent_bodies(server), ["abc\U0001f600"])
        producer.stop()


@tap.test
def batches_with_large_attributes_stay_below_the_limit_of_sqs():
    attribute, replies = "v" * 300000, []

    def spoil(_, operation, reply):
        if reply and operation == "SendMessageBatch":
            replies.append((reply["status"], json.loads(reply["body"])))

    with SqsLocal(["other.fifo"]) as server, Proxy(server, spoil) as proxy, Spool() as spool:
        producer = spool.producer(server, endpoint=proxy.url, aws={"request_timeout": 60})  # each is sent once
        with spool.connect(producer) as submitter:
            for i in range(10):
                submitter.submit("x", group=f"g{i}", attributes={"a": attribute})
        producer.wait_for_line("QueueDoesNotExist")
        sqs.call(server, "CreateQueue", QueueName="test.fifo", Attributes={"FifoQueue": "true"})
        try:
            sqs.call(server, "SendMessageBatch", QueueUrl=server.queue_url("test.fifo"), Entries=[
                {"Id": str(i), "MessageBody": "x", "MessageGroupId": f"g{i}",
                 "MessageDeduplicationId": f"d{i}", "MessageAttributes": {
                     "a": {"DataType": "String", "StringValue": attribute}}} for i in range(4)])
            raise AssertionError("the queue accepts any batch, so the test shows nothing")
        except sqs.Error as error:
            tap.equal(error.code, "BatchRequestTooLong")
        wait_until_sent(spool, server, 10)  # all waited when the queue appeared, so batches could have 10
        producer.stop()
        for status, reply in replies:
            tap.ok(status == 200 and not reply.get("Failed"), f"{status} {reply}")
        tap.equal([len(reply["Successful"]) for _, reply in replies if len(reply["Successful"]) > 1],
                  [3, 3, 3], "the sizes of batches")
        check_once_and_in_order(server.records(), {f"g{i}": ["x"] for i in range(10)})
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server, visibility=600)) or len(messages) == 10)
        tap.ok(all(m["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": attribute}}
                   for m in messages), "the attributes")


# --- The queue or the keys are missing ---


@tap.test
def messages_submitted_while_the_queue_is_missing_are_sent_when_it_exists():
    with SqsLocal(["other.fifo"]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
            line = producer.wait_for_line("QueueDoesNotExist")
            tap.ok("trying again" in line and "check aws.queue_url" in line, line)
            submitter.submit("2")
            sqs.call(server, "CreateQueue", QueueName="test.fifo", Attributes={"FifoQueue": "true"})
            wait_until_sent(spool, server, 2)
        tap.equal(sent_bodies(server), ["1", "2"])
        producer.stop()


@tap.test
def messages_submitted_while_keys_are_missing_are_sent_when_they_exist():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        keys = os.path.join(spool.path, "credentials")
        producer = spool.producer(server, env={
            "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None,
            "AWS_SHARED_CREDENTIALS_FILE": keys})
        with spool.connect(producer) as submitter:
            submitter.submit("1")
            producer.wait_for_line("no AWS credentials were found")
            submitter.submit("2")
            with open(keys, "w", encoding="utf-8") as file:
                file.write(f"[default]\naws_access_key_id = {server.access_key_id}\n"
                           f"aws_secret_access_key = {server.secret_access_key}\n")
            wait_until_sent(spool, server, 2)
        tap.equal(sent_bodies(server), ["1", "2"])
        producer.stop()


@tap.test
def stop_before_the_queue_is_open_loses_no_message():
    with SqsLocal(["other.fifo"]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        producer.stop()
        tap.ok(not os.path.exists(spool.socket), "the socket is still there")
        tap.equal(spool.count(), 1)


@tap.test
def status_has_the_numbers_of_waiting_and_rejected_messages():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        notify = os.path.join(spool.path, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(notify)
            listener.settimeout(180)
            producer = spool.producer(server, env={"NOTIFY_SOCKET": notify})
            seen = []

            def wait_for(*texts):
                while not all(t in seen[-1] for t in texts) if seen else True:
                    seen.append(listener.recv(4096).decode())

            wait_for("READY=1")
            with spool.connect(producer) as submitter:
                for i in range(3):
                    submitter.submit(str(i))
                wait_for("STATUS=Sent 0; in the spool: 3 waiting, 0 rejected")
                wait_for("3 waiting", "Waiting for the queue (trying again within a minute): ")
                server.set_faults()
                wait_for("STATUS=Sent 3; in the spool: 0 waiting, 0 rejected")
        producer.stop()


# --- Rejected messages, a full spool ---


@tap.test
def message_that_the_queue_rejects_is_set_aside_with_the_reason():
    with SqsLocal([FIFO + ",MaximumMessageSize=1024"], port=free_port()) as model, Spool() as spool:
        url, port = model.url, model.port
        model.kill()
        producer = spool.producer(model)
        with spool.connect(producer) as submitter:
            ids = [submitter.submit(body, group="g") for body in ("1", "x" * 2000, "2", "y" * 1025)]
            tap.equal(submitter.rejected(), [])
            model.restart()
            tap.equal((model.url, model.port), (url, port))
            tap.wait_until(lambda: len(submitter.rejected()) == 2, 180)
            found = submitter.rejected()
            tap.equal([m["id"] for m in found], [ids[1], ids[3]])
            tap.equal([m["group"] for m in found], ["g", "g"])
            tap.equal(found[0]["bytes"], 2000)
            tap.ok("2000 bytes" in found[0]["reason"] and "at most 1024" in found[0]["reason"],
                   found[0]["reason"])
            tap.ok(abs(found[0]["rejected"] - time.time()) < 600, str(found[0]))
            wait_until_sent(spool, model, 2)
            tap.equal(sent_bodies(model), ["1", "2"])
            # By now the daemon knows the maximum size, and validates submissions with it.
            try:
                submitter.submit("z" * 1025)
                raise AssertionError("a message that is too large was accepted")
            except Refused as refused:
                tap.ok("at most 1024" in str(refused), str(refused))
                tap.ok(not refused.temporary)
            line = producer.wait_for_line(ids[1])
            tap.ok("it is not sent" in line, line)

            sqs.call(model, "SetQueueAttributes", QueueUrl=model.queue_url("test.fifo"),
                     Attributes={"MaximumMessageSize": "262144"})
            producer.stop()
        producer = spool.producer(model)
        producer.wait_for_line("Running...")
        with spool.connect(producer) as submitter:
            tap.equal(len(submitter.rejected()), 2)
            tap.equal(submitter.ask(command="retry", id=ids[1])["count"], 1)
            wait_until_sent(spool, model, 3)
            tap.equal(sent_bodies(model)[-1], "x" * 2000)
            tap.equal([r["deduplication_id"] for r in model.records("sent")][-1], ids[1])
            try:
                submitter.ask(command="retry", id=ids[1])
                raise AssertionError("a message that is no longer rejected was retried")
            except Refused:
                pass
            tap.equal(submitter.ask(command="drop", id="all")["count"], 1)
            tap.equal(submitter.rejected(), [])
        producer.stop()
        tap.equal(spool.count("rejected"), 0)


@tap.test
def full_spool_refuses_messages_until_some_are_sent():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        producer = spool.producer(server, producer={"spool_max_messages": 5})
        with spool.connect(producer) as submitter:
            for i in range(5):
                submitter.submit(str(i))
            try:
                submitter.submit("5")
                raise AssertionError("a message was accepted beyond the bound")
            except Refused as refused:
                tap.ok("full" in str(refused) and "spool_max_messages is 5" in str(refused),
                       str(refused))
                tap.ok(refused.temporary)
            server.set_faults()
            wait_until_sent(spool, server, 5)
            submitter.submit("6")
            wait_until_sent(spool, server, 6)
        producer.stop()
        tap.equal(sent_bodies(server), ["0", "1", "2", "3", "4", "6"])


# --- Duplicates ---


@tap.test
def retry_after_the_deduplication_interval_is_counted_and_logged():
    with SqsLocal([FIFO], faults=["SendMessage:drop-after"]) as server, Spool() as spool:
        producer = spool.producer(server, producer={"batch_size": 1})
        with spool.connect(producer) as submitter:
            first = submitter.submit("1", group="a")
            server.wait_for_records("sent", 1)
            producer.signal(signal.SIGKILL)
            producer.wait()
        tap.equal(spool.count("sending"), 1)
        spool.change("UPDATE sending SET since_usec = since_usec - 301 * 1000000")
        server.set_faults()
        producer = spool.producer(server, producer={"batch_size": 1})
        with spool.connect(producer) as submitter:
            submitter.submit("2", group="a")
            wait_until_sent(spool, server, 2)
        line = producer.wait_for_line("SQS may store it twice")
        tap.ok(first in line, line)
        producer.stop()
        producer.wait_for_line("may have stored twice, sent again more than 5 minutes after")
        tap.ok(any(line.endswith(": 1.") for line in producer.lines), producer.text)


if __name__ == "__main__":
    tap.main()
