# SPDX-License-Identifier: MIT
"""The producer with its spool: a message that is handed in at the socket gets to the queue once and in order,
whatever happens to the daemon, the queue, the keys and the disk.

In a build with fault points (meson -Dfault_points=true) the daemon is also killed between any two steps from
the arrival of a line to the last write about it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import disk
import sqs
import tap
from daemon import FIFO, Daemon
from notify import Notify
from proxy import Proxy
from spool import Gone, Refused, Spool, check_once_and_in_order
from sqs_local import SqsLocal

disk.enter()

NO_SENDS = ["SendMessage:drop-before", "SendMessageBatch:drop-before"]


def stop(daemon, status=0):
    daemon.signal()
    tap.equal(daemon.wait(), status, daemon.text)


def sent(server):
    return [r["body"] for r in server.records("sent") if not r["duplicate"]]


def wait_until_empty(spool, server, count):
    """Until so many messages were sent and the spool knows it."""
    server.wait_for_records(lambda r: r["event"] == "sent" and not r["duplicate"], count, 60)
    tap.wait_until(lambda: spool.count() == 0, 60, "an empty spool")


@tap.test
def what_is_handed_in_is_sent_once_and_in_order_over_restarts():
    handed_in = {f"g{i}": [] for i in range(5)}
    with SqsLocal([FIFO]) as server, Spool() as spool:
        for number in range(4):
            server.set_faults(*(NO_SENDS if number % 2 else ["SendMessageBatch:drop-after:every=5"]))
            producer = spool.producer(server, producer={"stop_timeout": 0.2})
            with spool.connect(producer) as submitter:
                for i in range(200):
                    group = f"g{i % 5}"
                    handed_in[group].append(f"{number}.{i}")
                    submitter.submit(f"{number}.{i}", group=group)
            producer.signal([signal.SIGTERM, signal.SIGKILL][number // 2])
            producer.wait()
        server.set_faults()
        producer = spool.producer(server)
        wait_until_empty(spool, server, 800)
        stop(producer)
        check_once_and_in_order(server.records(), handed_in)


@tap.test
def a_message_arrives_with_all_that_belongs_to_it():
    with SqsLocal([FIFO, "plain"]) as server, Spool() as spool, Spool() as other:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            first = submitter.submit("é \"1\"\n", attributes={
                "a": "téxt", "n": {"type": "Number", "value": "1.5"},
                "b": {"type": "Binary.x", "value": "AP8="}})
            submitter.submit("2", group="of-its-own", deduplication_id="d1")
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server)) or len(messages) == 2)
        stop(producer)
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
        record = server.records("sent")[0]
        tap.equal(record["deduplication_id"], first)

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
        stop(producer)
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server, queue="plain", wait=1))
                       or len(messages) == 2, 60)
        tap.equal([m["Body"] for m in messages], ["now", "later"])
        sent_at = {r["body"]: r["time"] for r in server.records("sent", "plain")}
        came_at = {r["message_id"]: r["time"] for r in server.records("received", "plain")}
        tap.ok(round(came_at[messages[1]["MessageId"]] - sent_at["later"], 3) >= 5, "came too early")
        left = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url("plain"),
                        AttributeNames=["ApproximateNumberOfMessagesDelayed"])["Attributes"]
        tap.equal(left, {"ApproximateNumberOfMessagesDelayed": "1"})


def hand_in(producer, text, *arguments):
    """Runs sqs-producerd --submit with those bytes on its standard input."""
    return subprocess.run([producer.process.args[0], "--submit", f"--config={producer.config}", *arguments],
                          input=text, capture_output=True, timeout=60, check=False)


@tap.test
def text_beyond_ascii_arrives_byte_for_byte():
    text = "grüße 😀 \u2028\x7f\n".encode()
    with SqsLocal([FIFO]) as server, Spool() as spool, tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        producer = spool.producer(server)
        spool.connect(producer).close()
        handed_in = hand_in(producer, text, "--attribute=a=grüße 😀")
        tap.equal((handed_in.returncode, handed_in.stderr), (0, b""))
        tap.ok(len(handed_in.stdout) == 37, str(handed_in.stdout))
        refused = hand_in(producer, text, "--attribute=grüße=x")  # an answer beyond ASCII
        tap.equal(refused.returncode, 65)
        tap.ok("refused: attribute 1 (grüße): " in refused.stderr.decode(), str(refused.stderr))
        consumer = Daemon("sqs-consumerd", server, consumer={
            "handler": "exec", "exit_after_empty_receives": 1,
            "command": ["/bin/sh", "-c", "{ cat; printf %s \"$SQS_ATTRIBUTE_A\"; } >\"$0\"", out]},
            env={"STATE_DIRECTORY": folder})
        tap.equal(consumer.wait(), 0, consumer.text)
        with open(out, "rb") as file:
            tap.equal(file.read(), text + "grüße 😀".encode())
        tap.equal(server.records("sent")[0]["body"].encode(), text)
        stop(producer)


@tap.test
def half_a_surrogate_pair_is_refused_with_its_place_and_changed_nowhere():
    half = "abc\ud83d"  # which json.dumps writes as an escape
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            for message in ({"body": half}, {"body": "x", "group": half}, {"body": "x", half: "x"},
                            {"body": "x", "attributes": {"a": half}},
                            {"body": "x", "attributes": {half: "x"}}):
                place = json.dumps(message).index("\\ud83d") + 1
                try:
                    submitter.ask(**message)
                    raise AssertionError(f"{message} was taken")
                except Refused as refused:
                    tap.equal(str(refused), f"line: half of a surrogate pair, at byte {place}")
                    tap.ok(not refused.temporary, str(message))
            submitter.submit("abc\U0001f600")
        wait_until_empty(spool, server, 1)
        tap.equal(sent(server), ["abc\U0001f600"])
        stop(producer)


@tap.test
def batches_keep_to_what_sqs_takes_attributes_counted():
    attribute, replies = "v" * 300000, []

    def spoil(_, operation, reply):
        if reply and operation == "SendMessageBatch":
            replies.append((reply["status"], json.loads(reply["body"])))

    with SqsLocal(["other.fifo"]) as server, Proxy(server, spoil) as proxy, Spool() as spool:
        producer = spool.producer(server, endpoint=proxy.url)
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
            raise AssertionError("the queue takes any batch: this would test nothing")
        except sqs.Error as error:
            tap.equal(error.code, "BatchRequestTooLong")
        wait_until_empty(spool, server, 10)  # all were there when the queue came: 10 to a batch
        stop(producer)
        for status, reply in replies:
            tap.ok(status == 200 and not reply.get("Failed"), f"{status} {reply}")
        tap.equal([len(reply["Successful"]) for _, reply in replies if len(reply["Successful"]) > 1],
                  [3, 3, 3], "the sizes of batches")
        check_once_and_in_order(server.records(), {f"g{i}": ["x"] for i in range(10)})
        messages = []
        tap.wait_until(lambda: messages.extend(sqs.receive(server)) or len(messages) == 10)
        tap.ok(all(m["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": attribute}}
                   for m in messages), "the attributes")


# --- Whatever the queue's state ---


@tap.test
def messages_are_taken_while_the_queue_is_missing_and_sent_when_it_comes():
    with SqsLocal(["other.fifo"]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
            line = producer.wait_for_line("QueueDoesNotExist")
            tap.ok("trying again" in line and "check aws.queue_url" in line, line)
            submitter.submit("2")
            sqs.call(server, "CreateQueue", QueueName="test.fifo", Attributes={"FifoQueue": "true"})
            wait_until_empty(spool, server, 2)
        tap.equal(sent(server), ["1", "2"])
        stop(producer)


@tap.test
def messages_are_taken_while_keys_are_missing_and_sent_when_they_come():
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
            wait_until_empty(spool, server, 2)
        tap.equal(sent(server), ["1", "2"])
        stop(producer)


@tap.test
def a_stop_before_the_queue_is_open_loses_nothing():
    with SqsLocal(["other.fifo"]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        stop(producer)
        tap.ok(not os.path.exists(spool.socket), "the socket is still there")
        tap.equal(spool.count(), 1)


@tap.test
def the_status_says_how_many_wait_and_are_rejected():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        notify = os.path.join(spool.path, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(notify)
            listener.settimeout(60)
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
                wait_for("3 waiting", "Waiting for the queue: ")
                server.set_faults()
                wait_for("STATUS=Sent 3; in the spool: 0 waiting, 0 rejected")
        stop(producer)


# --- Rejected, and full ---


@tap.test
def what_the_queue_does_not_take_is_set_aside_with_its_reason():
    with SqsLocal([FIFO + ",MaximumMessageSize=1024"]) as model, Spool() as spool:
        url, port = model.url, model.port
        model.kill()
        producer = spool.producer(model)
        with spool.connect(producer) as submitter:
            ids = [submitter.submit(body, group="g") for body in ("1", "x" * 2000, "2", "y" * 1025)]
            tap.equal(submitter.rejected(), [])
            model.restart()
            tap.equal((model.url, model.port), (url, port))
            tap.wait_until(lambda: len(submitter.rejected()) == 2, 60)
            found = submitter.rejected()
            tap.equal([m["id"] for m in found], [ids[1], ids[3]])
            tap.equal([m["group"] for m in found], ["g", "g"])
            tap.equal(found[0]["bytes"], 2000)
            tap.ok("2000 bytes" in found[0]["reason"] and "at most 1024" in found[0]["reason"],
                   found[0]["reason"])
            tap.ok(abs(found[0]["rejected"] - time.time()) < 600, str(found[0]))
            wait_until_empty(spool, model, 2)
            tap.equal(sent(model), ["1", "2"])
            # The door knows by now.
            try:
                submitter.submit("z" * 1025)
                raise AssertionError("too large, and taken")
            except Refused as refused:
                tap.ok("at most 1024" in str(refused), str(refused))
                tap.ok(not refused.temporary)
            line = producer.wait_for_line(ids[1])
            tap.ok("it is not sent" in line, line)

            sqs.call(model, "SetQueueAttributes", QueueUrl=model.queue_url("test.fifo"),
                     Attributes={"MaximumMessageSize": "262144"})
            stop(producer)
        producer = spool.producer(model)
        producer.wait_for_line("Running...")
        with spool.connect(producer) as submitter:
            tap.equal(len(submitter.rejected()), 2)
            tap.equal(submitter.ask(command="retry", id=ids[1])["count"], 1)
            wait_until_empty(spool, model, 3)
            tap.equal(sent(model)[-1], "x" * 2000)
            tap.equal([r["deduplication_id"] for r in model.records("sent")][-1], ids[1])
            try:
                submitter.ask(command="retry", id=ids[1])
                raise AssertionError("it is not rejected any more")
            except Refused:
                pass
            tap.equal(submitter.ask(command="drop", id="all")["count"], 1)
            tap.equal(submitter.rejected(), [])
        stop(producer)
        tap.equal(spool.count("rejected"), 0)


@tap.test
def a_full_spool_refuses_and_takes_again_when_there_is_room():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        producer = spool.producer(server, producer={"spool_max_messages": 5})
        with spool.connect(producer) as submitter:
            for i in range(5):
                submitter.submit(str(i))
            try:
                submitter.submit("5")
                raise AssertionError("taken beyond the bound")
            except Refused as refused:
                tap.ok("full" in str(refused) and "spool_max_messages is 5" in str(refused),
                       str(refused))
                tap.ok(refused.temporary)
            server.set_faults()
            wait_until_empty(spool, server, 5)
            submitter.submit("6")
            wait_until_empty(spool, server, 6)
        stop(producer)
        tap.equal(sent(server), ["0", "1", "2", "3", "4", "6"])


# --- Duplicates ---


@tap.test
def what_may_have_been_sent_long_ago_is_counted_and_told():
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
            wait_until_empty(spool, server, 2)
        line = producer.wait_for_line("SQS may store it twice")
        tap.ok(first in line, line)
        stop(producer)
        producer.wait_for_line("may have stored twice, sent again more than 5 minutes after")
        tap.ok(any(line.endswith(": 1.") for line in producer.lines), producer.text)


# --- Where it may not start ---


def refuses(spool, server, words, status=78, **options):
    producer = spool.producer(server, **options)
    tap.equal(producer.wait(), status, producer.text)
    tap.ok(any(words in line for line in producer.lines), f"no {words!r} in:\n{producer.text}")
    tap.equal(server.records(), [])


@tap.test
def without_a_state_directory_it_says_what_to_set():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        refuses(spool, server, "STATE_DIRECTORY is not set", env={"STATE_DIRECTORY": None})
        refuses(spool, server, "its folder must be there", env={"STATE_DIRECTORY": "/nonexistent"})


def contents(folder):
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


@tap.test
def a_damaged_spool_is_refused_and_left_as_it_is():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        producer = spool.producer(server, producer={"stop_timeout": 0})
        with spool.connect(producer) as submitter:
            for i in range(300):
                submitter.write(body=f"{i}" * 50)
            for i in range(300):
                tap.ok(submitter.read()["ok"])
        producer.signal()
        producer.wait()
        with open(spool.file, "r+b") as file:
            good = file.read()
            for place, junk in ((0, b"no database at all"), (8192, bytes(range(256)) * 64)):
                file.seek(0)
                file.write(good[:place] + junk + good[place + len(junk):])
                file.flush()
                before = contents(spool.path)
                refuses(spool, server, "damaged")
                after = contents(spool.path)
                tap.ok(after.pop("spool.db-wal", b"") == b"", "there is a log")
                tap.ok(after == before, "the files were changed")
            file.seek(0)
            file.write(good)
        server.set_faults()
        producer = spool.producer(server)
        wait_until_empty(spool, server, 300)
        stop(producer)


@tap.test
def a_spool_of_a_newer_version_is_refused():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        stop_when_ready(spool, server)
        spool.change("PRAGMA user_version = 99")
        refuses(spool, server, "newer version")


def stop_when_ready(spool, server):
    producer = spool.producer(server)
    spool.connect(producer).close()
    stop(producer)


@tap.test
def two_daemons_do_not_share_a_spool():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            refuses(spool, server, "open in another process")
            submitter.submit("1")
            server.wait_for_records("sent", 1)
        stop(producer)


@tap.test
def a_folder_that_takes_no_file_is_refused():
    with SqsLocal([FIFO]) as server, disk.Small(64) as small, Spool(small.path) as spool:
        subprocess.run(["mount", "-o", "remount,ro", small.path], check=True)
        refuses(spool, server, "Read-only file system")


@tap.test
def the_demo_does_not_take_a_socket_of_systemds():
    given = [sys.executable, "-c", """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""]
    with SqsLocal([FIFO]) as server, Spool() as spool:
        refuses(spool, server, "producer.source", prefix=[*given, spool.socket],
                producer={"source": "demo"})
        os.unlink(spool.socket)
        producer = spool.producer(server, prefix=[*given, spool.socket])
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        server.wait_for_records("sent", 1)
        stop(producer)
        tap.ok(os.path.exists(spool.socket), "systemd's socket was removed")


# --- The disk ---


def fill(submitter, room):
    """Hands in messages until they are refused; returns the bodies of those taken."""
    taken = []
    while True:
        body = f"{len(taken)}:" + "x" * 50000
        try:
            submitter.submit(body)
        except Refused as refused:
            tap.ok("No space left" in str(refused), str(refused))
            tap.ok(refused.temporary)
            return taken
        taken.append(body)
        tap.ok(len(taken) * 50000 < room * 1024, "more was taken than there is room for")


@tap.test
def a_spool_that_fills_the_disk_is_emptied_and_takes_again():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            taken = fill(submitter, 24000)
            tap.ok(len(taken) > 100, f"only {len(taken)} were taken")
            producer.wait_for_line("The spool cannot be written")
            server.set_faults()
            wait_until_empty(spool, server, len(taken))
            submitter.submit("last")
            producer.wait_for_line("The spool can be written again")
            wait_until_empty(spool, server, len(taken) + 1)
        tap.equal(sent(server), [*taken, "last"])
        stop(producer)


@tap.test
def a_disk_that_others_fill_takes_nothing_but_keeps_nothing_back():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            for i in range(50):
                submitter.submit(str(i))
            small.fill()
            more = fill(submitter, 5000)  # what the file and its log have room for
            server.set_faults()
            wait_until_empty(spool, server, 50 + len(more))
            tap.equal(fill(submitter, 5000), [])
            small.free()
            tap.wait_until(lambda: is_taken(submitter, "last"), 60)
            wait_until_empty(spool, server, 51 + len(more))
        tap.equal(sent(server), [*map(str, range(50)), *more, "last"])
        stop(producer)


def is_taken(submitter, body):
    try:
        return submitter.submit(body)
    except Refused:
        return None


@tap.test
def without_any_reserve_nothing_is_lost_and_all_goes_on_when_there_is_room():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server, producer={"batch_size": 1})
        with spool.connect(producer) as submitter:
            for i in range(50):
                submitter.submit(str(i), group=f"g{i}")
            os.unlink(spool.file + "-reserve")  # as if it had been used up
            small.fill()
            server.set_faults()
            producer.wait_for_line("The spool cannot be written")
            small.free()
            wait_until_empty(spool, server, 50)
            tap.wait_until(lambda: is_taken(submitter, "last"), 60)
            wait_until_empty(spool, server, 51)
        stop(producer)
        check_once_and_in_order(server.records(), {**{f"g{i}": [str(i)] for i in range(50)},
                                                   "test": ["last"]})


@tap.test
def what_is_handed_in_once_the_file_is_gone_is_refused_and_said():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool, Notify() as notify:
        producer = spool.producer(server, env={"NOTIFY_SOCKET": notify.path})
        with spool.connect(producer) as submitter:
            first = submitter.submit("1")
            for name in (spool.file, spool.file + "-wal"):
                n_lines = len(notify.lines)
                os.rename(name, name + ".aside")
                try:
                    submitter.submit("no")
                    raise AssertionError(f"{name} is gone, and a message was taken")
                except Refused as refused:
                    tap.ok("removed, moved or replaced" in str(refused), str(refused))
                    tap.ok(refused.temporary)
                tap.wait_until(lambda: any("cannot be written: its file on disk was removed" in line
                                           for line in notify.lines[n_lines:]), 30, "the status")
                os.rename(name + ".aside", name)
                tap.wait_until(lambda: is_taken(submitter, "back"), 30)
            producer.wait_for_line("was removed, moved or replaced while it is open: move")
            # What was there before goes out, whatever became of the file.
            os.rename(spool.file, spool.file + ".aside")
            server.set_faults()
            server.wait_for_records("sent", 3, 60)
            os.rename(spool.file + ".aside", spool.file)
            producer.wait_for_line("The spool can be written again")
        stop(producer)
        tap.equal(sent(server), ["1", "back", "back"])
        tap.equal(server.records("sent")[0]["deduplication_id"], first)


@tap.test
def a_log_without_its_file_is_refused_and_kept():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        producer.signal(signal.SIGKILL)
        producer.wait()
        os.rename(spool.file, spool.file + ".aside")
        before = contents(spool.path)
        refuses(spool, server, "restore both")
        tap.equal(contents(spool.path), before)
        os.rename(spool.file + ".aside", spool.file)
        server.set_faults()
        producer = spool.producer(server)
        wait_until_empty(spool, server, 1)
        stop(producer)


# --- Killed between any two steps ---

POINTS = ["intake-added", "spool-commit", "spool-committed", "intake-committed", "spool-mark",
          "spool-marked", "spool-settle", "spool-settled"]


def killed_at(point, number):
    """Kills the daemon when it has passed the fault point that many times. Returns whether it came so far."""
    handed_in, unsure = {"a": [], "b": []}, []
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server, env={"SQS_FAULT_POINT": f"{point}:{number}"})
        try:
            with spool.connect(producer) as submitter:
                for i in range(12):
                    group = "ab"[i % 2]
                    unsure = [group, str(i)]
                    submitter.submit(str(i), group=group)
                    handed_in[group].append(str(i))
                    unsure = []
            tap.wait_until(lambda: producer.process.poll() is not None or spool.count() == 0, 60)
        except (Gone, AssertionError):
            pass
        if producer.process.poll() is None and not unsure:
            stop(producer)
            return False
        tap.equal(producer.wait(), -signal.SIGKILL, producer.text)
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            # What was not acknowledged may have been stored or not: the submitter asks again, with its
            # own deduplication id if it needs to. Here the server tells.
            submitter.submit("end", group="b")
        handed_in["b"].append("end")
        tap.wait_until(lambda: spool.count() == 0 and "end" in sent(server), 60)
        stop(producer)
        if unsure and unsure[1] in sent(server):
            bodies = handed_in[unsure[0]]
            bodies.insert(len(bodies) - ("end" in bodies), unsure[1])
        check_once_and_in_order(server.records(), handed_in)
        tap.ok("SQS may store it twice" not in producer.text, producer.text)
    return True


def killed(point):
    if not os.environ.get("FAULT_POINTS"):
        raise tap.Skip("the build has no fault points")
    number = 1
    while killed_at(point, number):
        number += 1
        if number > 14:
            break
    tap.ok(number > 1, "it was never killed")
    tap.comment(f"killed {number - 1} times")


for name in POINTS:
    tap.add(f"killed at {name} it loses nothing that was acknowledged and repeats nothing", killed, name)


if __name__ == "__main__":
    tap.main()
