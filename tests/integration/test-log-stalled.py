# SPDX-License-Identifier: MIT
"""Both daemons while nobody reads their log: standard error is a full pipe. They go on working, handle no message
twice, and can be stopped. A message that is kept only in the log is not deleted before its line is written."""

import fcntl
import os
import signal
import socket
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from sqs_local import SqsLocal

VISIBILITY = 12
LEASES_SEC = VISIBILITY + 1  # a lease that is not renewed ends in this time
COUNT = 100  # messages whose lines are more than the pipe holds
LINE_BYTES = 900  # of each line that carries a message
SETTLE_SEC = 3
DEBUG = {"level": "debug"}


def deleted(server):
    return len({r["message_id"] for r in server.records("deleted")})


def receives(server):
    """How often each message was received, by its id."""
    counts = {}
    for record in server.records("received"):
        counts[record["message_id"]] = counts.get(record["message_id"], 0) + 1
    return counts


def program(folder, script):
    path = os.path.join(folder, "program")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return path


def consumer(server, folder, **settings):
    return Daemon("sqs-consumerd", server, held_log=True, log=DEBUG,
                  env={"STATE_DIRECTORY": folder, "PLACE": folder},
                  consumer={"visibility_timeout": VISIBILITY, "exit_after_empty_receives": 0,
                            **settings})


def pipe_bytes(daemon):
    """How much nobody has read of what the daemon has written."""
    return int.from_bytes(fcntl.ioctl(daemon.process.stderr, termios.FIONREAD, bytes(4)), sys.byteorder)


def wait_for_stall(server, daemon, count):
    """Waits until the pipe has no room for the line of a message, and a message waits for its line: `count` says how
    many have got so far, one more than are deleted."""
    since, before = time.monotonic(), None

    def is_stalled():
        nonlocal since, before
        now = count(), deleted(server), pipe_bytes(daemon)
        if now != before or now[0] != now[1] + 1 or now[2] <= 4096 - LINE_BYTES:
            since, before = time.monotonic(), now
        return time.monotonic() - since > SETTLE_SEC

    tap.wait_until(is_stalled, 120, "a message that waits for its line")


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


@tap.test
def programs_with_a_stalled_log_handle_each_message_once_and_stop():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(COUNT):
            sqs.send(server, f"body {i}", group=f"g{i % 3}")
        daemon = consumer(server, folder, handler="exec", concurrency=3, max_messages=10, visibility_timeout=60,
                          command=[program(folder, 'cat >>$PLACE/handled; echo >>$PLACE/handled\n')])
        tap.wait_until(lambda: deleted(server) == COUNT, 120, "the delete of all messages")
        daemon.signal(signal.SIGTERM)
        tap.equal(daemon.process.wait(60), 0)
        tap.equal(len(lines_of(os.path.join(folder, "handled"))), COUNT)
        tap.equal(set(receives(server).values()), {1})


@tap.test
def program_that_prints_waits_and_its_lease_is_renewed():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        # Prints more than the log's memory, the pipe of the program and the pipe of the daemon hold.
        script = ('i=0; while [ $i -lt 480 ]; do i=$((i+1)); '
                  f'echo "line $i {"x" * 4000}"; done; echo "the last" >>$PLACE/handled\n')
        sqs.send(server, "body")
        daemon = consumer(server, folder, handler="exec", command=[program(folder, script)],
                          timeout=300)
        tap.wait_until(lambda: receives(server), 60, "the receive")
        time.sleep(LEASES_SEC)
        tap.equal(deleted(server), 0)
        daemon.release_log()
        tap.wait_until(lambda: deleted(server) == 1, 60, "the delete of the message")
        tap.equal(lines_of(os.path.join(folder, "handled")), ["the last"])
        tap.equal(set(receives(server).values()), {1})
        for number in (1, 240, 480):
            daemon.wait_for_line(f"line {number} x")


@tap.test
def message_for_the_journal_is_deleted_only_after_its_line_is_written():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(COUNT):
            sqs.send(server, f"body {i} {'x' * LINE_BYTES}")
        daemon = consumer(server, folder)
        wait_for_stall(server, daemon, lambda: len(receives(server)))
        time.sleep(LEASES_SEC)
        before = deleted(server)
        tap.ok(before < COUNT, "all messages were deleted before their lines were written")
        daemon.release_log()
        tap.wait_until(lambda: deleted(server) == COUNT, 60, "the delete of all messages")
        daemon.wait_for_line("Message read from queue", COUNT)
        tap.equal([line.split("body ", 1)[1].split()[0] for line in daemon.lines
                   if "Message read from queue" in line], [str(i) for i in range(COUNT)])
        tap.equal(set(receives(server).values()), {1})


@tap.test
def message_whose_line_is_not_written_is_released_at_a_stop():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(COUNT):
            sqs.send(server, f"body {i} {'x' * LINE_BYTES}")
        daemon = consumer(server, folder, stop_timeout=300, wait_time=1, visibility_timeout=60)
        wait_for_stall(server, daemon, lambda: len(receives(server)))
        daemon.signal(signal.SIGTERM)
        daemon.process.wait(60)
        left = COUNT - deleted(server)
        tap.ok(left > 0, "all messages were deleted before their lines were written")
        tap.equal(len(sqs.receive(server, most=1)), 1, "messages visible after the stop")


@tap.test
def message_whose_line_is_not_written_is_not_received_by_the_last_receive():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(COUNT):
            sqs.send(server, f"body {i} {'x' * LINE_BYTES}")
        daemon = consumer(server, folder, concurrency=2, stop_timeout=300, wait_time=4,
                          visibility_timeout=60)
        wait_for_stall(server, daemon, lambda: len(receives(server)))
        # Another receive is in flight, since a second message could be handled.
        daemon.signal(signal.SIGTERM)
        tap.equal(daemon.process.wait(60), 1)
        tap.equal(set(receives(server).values()), {1})
        tap.equal(len(sqs.receive(server, most=1)), 1, "messages visible after the stop")


REJECT = 'exec 3<&0; echo "$SQS_MESSAGE_ID" >>$PLACE/rejected; exit 65\n'


@tap.test
def rejected_message_is_deleted_only_after_its_line_is_written():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(20):
            sqs.send(server, f"body {i} {'x' * LINE_BYTES}", group=f"g{i}")
        daemon = consumer(server, folder, handler="exec", command=[program(folder, REJECT)])
        wait_for_stall(server, daemon, lambda: len(lines_of(os.path.join(folder, "rejected"))))
        time.sleep(LEASES_SEC)
        before = deleted(server)
        tap.ok(before < 20, "all messages were deleted before their lines were written")
        tap.equal(len(lines_of(os.path.join(folder, "rejected"))), before + 1)
        daemon.release_log()
        tap.wait_until(lambda: deleted(server) == 20, 60, "the delete of all messages")
        daemon.wait_for_line("is rejected and will be deleted", 20)
        tap.equal(len({line.split()[1] for line in daemon.lines
                       if "is rejected and will be deleted" in line}), 20)
        tap.equal(set(receives(server).values()), {1})


@tap.test
def rejected_message_whose_line_is_not_written_is_released_at_a_stop():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        for i in range(20):
            sqs.send(server, f"body {i} {'x' * LINE_BYTES}")
        daemon = consumer(server, folder, handler="exec", command=[program(folder, REJECT)],
                          stop_timeout=300, wait_time=1, visibility_timeout=60)
        wait_for_stall(server, daemon, lambda: len(lines_of(os.path.join(folder, "rejected"))))
        daemon.signal(signal.SIGTERM)
        daemon.process.wait(60)
        tap.ok(deleted(server) < 20, "all messages were deleted before their lines were written")
        tap.equal(len(sqs.receive(server, most=1)), 1, "messages visible after the stop")


@tap.test
def message_is_not_deleted_when_standard_error_is_closed():
    for handler in ("journal", "exec"):
        with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
            sqs.send(server, "body")
            daemon = Daemon("sqs-consumerd", server, env={"PLACE": folder, "STATE_DIRECTORY": folder},
                            prefix=("sh", "-c", 'exec "$@" 2>&-', "sh"),
                            consumer={"handler": handler, "command": [program(folder, REJECT)],
                                      "exit_after_empty_receives": 0, "visibility_timeout": 60,
                                      "stop_timeout": 12})
            tap.wait_until(lambda: receives(server), 60, "the receive")
            if handler == "exec":
                tap.wait_until(lambda: lines_of(os.path.join(folder, "rejected")), 60, "the program")
            time.sleep(0.5)
            daemon.signal(signal.SIGTERM)
            daemon.process.wait(60)
            tap.equal(deleted(server), 0, handler)
            tap.equal(len(sqs.receive(server, most=1)), 1, f"{handler}: messages visible after the stop")


@tap.test
def producer_with_a_stalled_log_accepts_and_sends_messages_and_stops():
    with tempfile.TemporaryDirectory() as folder, SqsLocal(queues=[FIFO]) as server:
        path = os.path.join(folder, "submit.socket")
        daemon = Daemon("sqs-producerd", server, held_log=True, log=DEBUG,
                        env={"STATE_DIRECTORY": folder},
                        producer={"source": "spool", "submit_socket": path})
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            tap.wait_until(lambda: client.connect_ex(path) == 0, 30, "the socket")
            reader = client.makefile("r")
            for i in range(200):
                client.sendall(b'{"body": "body %d", "group": "g"}\n' % i)
                tap.matches(reader.readline(), '{"ok":*true*')
        tap.wait_until(lambda: len(server.records("sent")) == 200, 60, "the send of all messages")
        daemon.signal(signal.SIGTERM)
        tap.equal(daemon.process.wait(60), 0)


if __name__ == "__main__":
    tap.main()
