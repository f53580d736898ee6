# SPDX-License-Identifier: MIT
"""Starts of the producer with a spool that it cannot use: it ends with a reason, and does not change the files. And
the socket that systemd passes to it."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import disk
import tap
from daemon import FIFO
from spool import NO_SENDS, Spool, wait_until_sent
from sqs_local import SqsLocal

disk.enter()


def check_refused(spool, server, words, status=78, **options):
    """The start fails with this exit status and a line that has the words, and nothing is sent."""
    producer = spool.producer(server, **options)
    tap.equal(producer.wait(), status, producer.text)
    tap.ok(any(words in line for line in producer.lines), f"no {words!r} in:\n{producer.text}")
    tap.equal(server.records(), [])


@tap.test
def start_without_a_state_directory_is_refused_with_advice():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        check_refused(spool, server, "STATE_DIRECTORY is not set", env={"STATE_DIRECTORY": None})
        check_refused(spool, server, "the folder must exist", env={"STATE_DIRECTORY": "/nonexistent"})


def contents(folder):
    """The bytes of each file, by its name."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


@tap.test
def damaged_spool_is_refused_and_not_changed():
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
                check_refused(spool, server, "damaged")
                after = contents(spool.path)
                tap.ok(after.pop("spool.db-wal", b"") == b"", "the write-ahead log is not empty")
                tap.ok(after == before, "the files were changed")
            file.seek(0)
            file.write(good)
        server.set_faults()
        producer = spool.producer(server)
        wait_until_sent(spool, server, 300)
        producer.stop()


@tap.test
def write_ahead_log_without_its_database_is_refused_and_kept():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        producer.signal(signal.SIGKILL)
        producer.wait()
        os.rename(spool.file, spool.file + ".aside")
        before = contents(spool.path)
        check_refused(spool, server, "restore both")
        tap.equal(contents(spool.path), before)
        os.rename(spool.file + ".aside", spool.file)
        server.set_faults()
        producer = spool.producer(server)
        wait_until_sent(spool, server, 1)
        producer.stop()


@tap.test
def spool_of_a_newer_version_is_refused():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        spool.connect(producer).close()
        producer.stop()
        spool.change("PRAGMA user_version = 99")
        check_refused(spool, server, "newer version")


@tap.test
def second_daemon_on_a_spool_is_refused():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            check_refused(spool, server, "open in another process")
            submitter.submit("1")
            server.wait_for_records("sent", 1)
        producer.stop()


@tap.test
def read_only_state_directory_is_refused():
    with SqsLocal([FIFO]) as server, disk.Small(64) as small, Spool(small.path) as spool:
        subprocess.run(["mount", "-o", "remount,ro", small.path], check=True)
        check_refused(spool, server, "Read-only file system")


@tap.test
def demo_tells_what_waits_in_the_spool_and_leaves_it():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool:
        for stop, words in ((signal.SIGTERM, " holds 3 messages that were submitted, and that are not sent"),
                            (signal.SIGKILL, " may hold messages that were submitted ('sqs-producerd --spooled' ")):
            producer = spool.producer(server, producer={"stop_timeout": 0})
            with spool.connect(producer) as submitter:
                for i in range(3):
                    submitter.submit(f"{i}")
            producer.signal(stop)
            producer.wait()
            before = contents(spool.path)
            demo = spool.producer(server, producer={"source": "demo"})
            demo.wait_for_line(spool.file + words)
            demo.wait_for_line("Sending message with id")
            demo.signal(signal.SIGKILL)
            demo.wait()
            tap.equal(demo.text.count(spool.file), 1, demo.text)
            tap.ok(contents(spool.path) == before, "the spool was changed")


@tap.test
def demo_says_nothing_of_a_spool_without_messages():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        wait_until_sent(spool, server, 1)
        producer.stop()
        for _ in "empty", "damaged", "missing":
            demo = spool.producer(server, producer={"source": "demo", "messages_to_send": 1})
            tap.equal(demo.wait(), 0, demo.text)
            tap.ok(spool.file not in demo.text, demo.text)
            if os.path.exists(spool.file) and os.path.getsize(spool.file) > 100:
                with open(spool.file, "wb") as file:
                    file.write(b"no database" * 9)
            elif os.path.exists(spool.file):
                os.unlink(spool.file)


@tap.test
def socket_from_systemd_is_used_by_the_spool_and_refused_by_the_demo():
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
        check_refused(spool, server, "producer.source", prefix=[*given, spool.socket],
                      producer={"source": "demo"})
        os.unlink(spool.socket)
        producer = spool.producer(server, prefix=[*given, spool.socket])
        with spool.connect(producer) as submitter:
            submitter.submit("1")
        server.wait_for_records("sent", 1)
        producer.stop()
        tap.ok(os.path.exists(spool.socket), "systemd's socket was removed")


if __name__ == "__main__":
    tap.main()
