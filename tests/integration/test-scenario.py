# SPDX-License-Identifier: MIT
"""Both daemons on sqs-local without any failure: what they do, in which order, and how they end."""

import datetime
import json
import os
import pty
import re
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from reloading import Recorder
from sqs_local import SqsLocal

# The lines about all messages: the first and the last of a run.
START = (r"Version \d+\.\d+\.\d+ works on the FIFO queue http://127.0.0.1:\d+/000000000000/test.fifo; "
         r"{}; keys from environment\.")
END = r"In all, in \d+ s: {}; in flight: 0\."

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@tap.test
def producer_sends_and_logs_as_in_the_demo():
    with SqsLocal(queues=[FIFO]) as server:
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 7})
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(producer.lines[0], "Running...")
        tap.equal(producer.lines[-1], "Terminated!")
        sent = server.records("sent")
        tap.equal(len(sent), 7)
        for i, record in enumerate(sent):
            body = json.loads(record["body"])
            tap.equal(list(body), ["data", "ts", "id"])
            tap.equal(body["data"], f"mydata{i}")
            tap.ok(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+05:30", body["ts"]),
                   body["ts"])
            tap.ok(re.fullmatch(UUID, body["id"]), body["id"])
            tap.equal(record["group"], "test")
            tap.ok(re.fullmatch("DeduplicationId-" + UUID, record["deduplication_id"]),
                   record["deduplication_id"])
            tap.equal(producer.lines[2 + 2 * i], f"Sending message with id {body['id']}...")
            tap.equal(producer.lines[3 + 2 * i],
                      f"SQS Response: Status:200 Id:{body['id']} "
                      f"SQS Message Id:{record['message_id']}")
        tap.ok(re.fullmatch(START.format("source demo"), producer.lines[1]), producer.lines[1])
        tap.ok(re.fullmatch(END.format("7 sent"), producer.lines[-2]), producer.lines[-2])
        tap.equal(len(producer.lines), 4 + 2 * 7)
        tap.equal(len({r["deduplication_id"] for r in sent}), 7)


@tap.test
def consumer_receives_and_logs_as_in_the_demo():
    with SqsLocal(queues=[FIFO]) as server:
        Daemon("sqs-producerd", server).wait()
        consumer = Daemon("sqs-consumerd", server)
        tap.equal(consumer.wait(), 0, consumer.text)
        read, deleted = [], []
        for record in server.records("sent"):
            body, message_id = json.loads(record["body"]), record["message_id"]
            read.append("Message read from queue: "
                        f"Data:{body['data']} Time Stamp:{body['ts']} Id:{body['id']} SQS Message Id:{message_id}")
            deleted.append(f"Message deleted from queue. SQS Message Id:{message_id}")
        first, start, *lines, end, last = consumer.lines
        tap.equal(first, "Running...")
        tap.ok(re.fullmatch(START.format("handler journal"), start), start)
        # A receive may end without a message also while a message of the group is deleted, and its successor is
        # locked; and the answer to a receive may come before that to the delete which made it possible.
        none, one = ("Number of messages received: " + n for n in "01")
        tap.equal(lines[-2:], [none] * 2)
        tap.equal([line for line in lines if line in read], read)
        tap.equal([line for line in lines if line in deleted], deleted)
        tap.equal(sorted(set(lines) - {none}), sorted({one, *read, *deleted}))
        received = [i for i, line in enumerate(lines) if line == one]
        tap.equal(len(received), len(read))
        for at, *both in zip(received, read, deleted):
            tap.ok(at < lines.index(both[0]) < lines.index(both[1]), consumer.text)
        tap.ok(re.fullmatch(END.format("5 received, 5 deleted"), end), end)
        tap.equal(last, "The queue stays empty (consumer.exit_after_empty_receives = 2). Terminated!")
        tap.equal([r["message_id"] for r in server.records("deleted")],
                  [r["message_id"] for r in server.records("sent")])


@tap.test
def start_delay_and_send_interval_are_kept():
    with SqsLocal(queues=[FIFO]) as server:
        start = time.time()
        producer = Daemon("sqs-producerd", server,
                          producer={"start_delay": 0.4, "messages_to_send": 3,
                                    "send_interval": 0.3})
        tap.equal(producer.wait(), 0)
        # The producer measures the interval when it makes a message; messages may arrive closer together.
        times = [datetime.datetime.fromisoformat(json.loads(r["body"])["ts"]).timestamp()
                 for r in server.records("sent")]
        # A pause of the producer while it makes a message only makes the interval after that message shorter.
        for i, at in enumerate(times):
            tap.ok(at - start >= 0.4 + 0.3 * i, f"message {i} came after {at - start} s")


@tap.test
def both_daemons_with_ten_messages_a_receive_keep_the_order():
    with SqsLocal(queues=[FIFO], latency_ms=1) as server:
        consumer = Daemon("sqs-consumerd", server, consumer={"max_messages": 10, "wait_time": 2,
                                                             "exit_after_empty_receives": 0})
        producer = Daemon("sqs-producerd", server,
                          producer={"messages_to_send": 200, "send_interval": 0})
        tap.equal(producer.wait(), 0, producer.text)
        server.wait_for_records("deleted", 200)
        consumer.stop()
        sent = [r["message_id"] for r in server.records("sent")]
        tap.equal(len(sent), 200)
        tap.equal([r["message_id"] for r in server.records("deleted")], sent)
        tap.equal([r["receive_count"] for r in server.records("received")], [1] * 200)


@tap.test
def standard_queue_messages_are_sent_and_deleted():
    with SqsLocal(queues=["plain"]) as server:
        producer = Daemon("sqs-producerd", server, queue="plain")
        tap.equal(producer.wait(), 0, producer.text)
        consumer = Daemon("sqs-consumerd", server, queue="plain")
        tap.equal(consumer.wait(), 0, consumer.text)
        tap.equal({r["message_id"] for r in server.records("deleted")},
                  {r["message_id"] for r in server.records("sent")})
        tap.equal(len(server.records("deleted")), 5)


@tap.test
def body_of_another_program_is_logged_escaped_and_shortened():
    bodies = ["plain words", '{"data":1,"ts":"x","id":"y"}', "two\nlines\tand \\", "x" * 5000,
              '{"data":"d","ts":"t","id":"i"} trailing', "[[[[[[[[[[", "é\u2028\u00a0",
              '{"data":"a\\nb","ts":"t","id":"i"}']
    shown = ["plain words", '{"data":1,"ts":"x","id":"y"}', "two\\nlines\\tand \\\\",
             "x" * 1024 + "... (5000 bytes)", '{"data":"d","ts":"t","id":"i"} trailing',
             "[[[[[[[[[[", "é\\xe2\\x80\\xa8\u00a0", "Data:a\\nb Time Stamp:t Id:i"]
    with SqsLocal(queues=[FIFO]) as server:
        for body in bodies:
            sqs.send(server, body)
        consumer = Daemon("sqs-consumerd", server)
        tap.equal(consumer.wait(), 0, consumer.text)
        lead = "Message read from queue: "
        tap.equal([l for l in consumer.lines if l.startswith(lead)],
                  [f"{lead}{text} SQS Message Id:{record['message_id']}"
                   for text, record in zip(shown, server.records("sent"))])
        tap.equal(len(server.records("deleted")), len(bodies))


@tap.test
def producer_stopped_between_messages_ends_at_once():
    with SqsLocal(queues=[FIFO]) as server:
        producer = Daemon("sqs-producerd", server,
                          producer={"messages_to_send": 0, "send_interval": 3600})
        producer.wait_for_line("SQS Response")
        producer.signal()
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(producer.lines[-1], "Terminated!")
        tap.equal(len(server.records("sent")), 1)


@tap.test
def producer_stopped_while_sending_waits_for_the_reply():
    with SqsLocal(queues=[FIFO], latency_ms=1500) as server:
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 0, "send_interval": 3600})
        producer.wait_for_line("Sending message")
        producer.stop()
        tap.equal(len(server.records("sent")), 1)
        producer.wait_for_line("SQS Response: Status:200")


@tap.test
def consumer_stopped_in_a_long_poll_waits_and_releases_its_messages():
    with SqsLocal(queues=[FIFO]) as server, Recorder(server) as recorder:
        consumer = Daemon("sqs-consumerd", server, endpoint=recorder.url,
                          consumer={"wait_time": 15, "max_messages": 10})
        tap.wait_until(lambda: recorder.asked("ReceiveMessage"), message="a long poll")
        consumer.signal()
        consumer.wait_for_line("Asked to stop")
        sqs.send(server, "late")
        tap.equal(consumer.wait(), 0, consumer.text)
        tap.equal(server.records("deleted"), [])
        if server.records("received"):
            consumer.wait_for_line("Releasing 1 message whose handling has not begun.")
        tap.equal([m["Body"] for m in sqs.receive(server)], ["late"])


@tap.test
def log_level_notice_has_the_first_line_the_counts_and_why_it_ends_by_itself():
    log = {"level": "notice"}
    with SqsLocal(queues=[FIFO]) as server:
        empty = "The queue stays empty (consumer.exit_after_empty_receives = 2). Terminated!"
        for name, what, counts, why in (("sqs-producerd", "source demo", "5 sent", []),
                                        ("sqs-consumerd", "handler journal", "5 received, 5 deleted", [empty])):
            daemon = Daemon(name, server, log=log)
            tap.equal(daemon.wait(), 0, daemon.text)
            tap.equal(daemon.lines[2:], why, daemon.text)
            tap.ok(re.fullmatch(START.format(what), daemon.lines[0]), daemon.lines[0])
            tap.ok(re.fullmatch(END.format(counts), daemon.lines[1]), daemon.lines[1])


@tap.test
def failed_message_log_lines_name_the_released_successors():
    with SqsLocal(queues=[FIFO]) as server, tempfile.TemporaryDirectory() as state:
        ids = [sqs.send(server, f"body {i}")["MessageId"] for i in range(4)]
        consumer = Daemon("sqs-consumerd", server, log={"level": "debug"},
                          env={"STATE_DIRECTORY": state},
                          consumer={"handler": "exec", "command": ["/bin/false"],
                                    "max_messages": 10, "concurrency": 4, "retry_delay": 1000.0,
                                    "exit_after_empty_receives": 0})
        why = "it was not handled, and is to be tried again."
        consumer.wait_for_line(f"Releasing 3 messages behind message {ids[0]} of group g, "
                               f"which comes back: {why}")
        consumer.wait_for_line(f"Releasing message {ids[0]} of group g, to come back in ")
        for message_id in ids[1:]:
            consumer.wait_for_line(f"Releasing message {message_id} of group g, to come back in 0 s: an earlier "
                                   "message of its group comes back. (queued -> releasing)")
        consumer.stop()
        tap.ok(re.fullmatch(END.format("4 received, 0 deleted, 1 failed, 4 released"),
                            consumer.lines[-2]), consumer.lines[-2])


@tap.test
def second_stop_ends_at_once_and_is_logged():
    with SqsLocal(queues=[FIFO]) as server, Recorder(server) as recorder:
        consumer = Daemon("sqs-consumerd", server, endpoint=recorder.url, consumer={"wait_time": 20})
        tap.wait_until(lambda: recorder.asked("ReceiveMessage"), message="a long poll")
        consumer.signal()
        consumer.wait_for_line("Asked to stop")
        consumer.signal(signal.SIGINT)
        tap.equal(consumer.wait(), 1, consumer.text)
        consumer.wait_for_line("asked to stop a second time")


@tap.test
def log_on_a_terminal_has_colours():
    for name, colour in (("sqs-producerd", "33"), ("sqs-consumerd", "32")):
        with SqsLocal(queues=[FIFO]) as server:
            ours, theirs = pty.openpty()
            daemon = Daemon(name, server, env={"TERM": "xterm", "NO_COLOR": None},
                            prefix=["sh", "-c", f'exec "$0" "$@" 2>/proc/{os.getpid()}/fd/{theirs}'])
            tap.equal(daemon.wait(), 0)
            os.close(theirs)
            text = b""
            try:
                while chunk := os.read(ours, 65536):
                    text += chunk
            except OSError:
                pass  # the terminal was closed
            os.close(ours)
            line = next(l for l in text.decode().splitlines() if "Running..." in l)
            tap.ok(line.startswith("\x1b[") and colour in line.split("m")[0], repr(line))
            tap.ok("\x1b[0m" in line, repr(line))


@tap.test
def help_version_and_check_config_print_their_text():
    with SqsLocal(queues=[FIFO]) as server:
        for name in ("sqs-producerd", "sqs-consumerd"):
            daemon = Daemon(name, server, arguments=["--help"])
            tap.equal(daemon.wait(), 0)
            out = daemon.stdout()
            for option in ("--config=", "--check-config", "--help", "--version"):
                tap.ok(option in out, f"{option} is not in the help")
            daemon = Daemon(name, server, arguments=["--version"])
            tap.equal(daemon.wait(), 0)
            tap.ok(re.search(r"\d+\.\d+\.\d+", daemon.stdout()), "no version")
            daemon = Daemon(name, server, arguments=["--check-config"])
            tap.equal(daemon.wait(), 0, daemon.text)
            out = daemon.stdout()
            for text in ("queue_url", server.queue_url("test.fifo"), "send_interval",
                         "exit_after_empty_receives"):
                tap.ok(text in out, f"{text} is not shown:\n{out}")
            tap.equal(server.records(), [])


if __name__ == "__main__":
    tap.main()
