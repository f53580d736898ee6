# SPDX-License-Identifier: MIT
"""The producer with a spool when programs submit more than it can accept, or retry without end while the disk is
full. It still sends messages, it can be stopped, and an administrator can free space."""

import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import disk
import tap
from daemon import FIFO
from spool import Refused, Spool
from sqs_local import SqsLocal

disk.enter()

# A program that writes lines as fast as it can, and reads the answers, until the connection ends.
FLOOD = """
import socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def read():
    try:
        while s.recv(1 << 16):
            pass
    except OSError:
        pass
threading.Thread(target=read, daemon=True).start()
lines = b'{"body":"x","group":"flood"}\\n' * 1000
try:
    while True:
        s.sendall(lines)
except OSError:
    pass
"""


class Flood:
    """Runs `count` of these programs."""

    def __init__(self, path, count):
        self._processes = [subprocess.Popen([sys.executable, "-c", FLOOD, path],
                                            stdin=subprocess.DEVNULL) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.kill()
            process.wait()


def sent(server):
    return len(server.records("sent"))


@tap.test
def flood_of_submissions_delays_neither_sends_nor_a_stop():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server, producer={"stop_timeout": 20})
        spool.connect(producer).close()
        with Flood(spool.socket, 10):
            tap.wait_until(lambda: spool.count() > 1000, 60, "messages in the spool")
            with spool.connect(producer) as submitter:
                submitter.submit("from another program", group="other")
            before = sent(server)
            tap.wait_until(lambda: sent(server) >= before + 50, 60, "messages on the queue")
            producer.signal()
            producer.wait_for_line("Asked to stop")
            tap.equal(producer.wait(60), 0, producer.text)


def fill_spool_without_queue(spool, server, messages):
    """Submits the messages while the queue cannot be reached."""
    producer = spool.producer(server, endpoint="http://127.0.0.1:9")
    with spool.connect(producer) as submitter:
        for i, body in enumerate(messages):
            submitter.submit(body, group=f"g{i % 200}")
    producer.signal()
    producer.wait()


class Filler:
    """Fills all free space of a disk, then again and again."""

    def __init__(self, small):
        self._small, self._ends = small, threading.Event()
        small.fill()
        self._thread = threading.Thread(target=self._fill)
        self._thread.start()

    def _fill(self):
        while not self._ends.wait(0.001):
            self._small.fill()

    def end(self):
        self._ends.set()
        self._thread.join()


def submit_until(spool, ends):
    """Submits a message again and again."""
    with spool.connect() as submitter:
        while not ends.wait(0.3):
            try:
                submitter.submit("y", group="late")
            except Refused:
                pass


def wait_until_sends_stop(server):
    before = -1
    while sent(server) != before:
        before = sent(server)
        time.sleep(2)


@tap.test
def retries_on_a_full_disk_do_not_delay_sends():
    # The space that becomes free is enough for the sends in flight, but less than the reserve of the daemon.
    with disk.Small(48 * 1024) as small, SqsLocal([FIFO], rtt_ms=20) as server, \
            Spool(small.path) as spool:
        fill_spool_without_queue(spool, server, ["x" * 300] * 3000)
        filler_thread = Filler(small)
        try:
            producer = spool.producer(server)
            producer.wait_for_line("cannot be written", seconds=60)
            reserve = spool.file + "-reserve"
            tap.wait_until(lambda: not os.path.exists(reserve), 60, "the removal of the reserve file")
            wait_until_sends_stop(server)
        finally:
            filler_thread.end()
        ends = threading.Event()
        retrying = threading.Thread(target=submit_until, args=(spool, ends))
        retrying.start()
        try:
            time.sleep(1)
            filler = os.path.join(small.path, "filler")
            os.truncate(filler, os.path.getsize(filler) - 5 * 1024 * 1024)
            tap.wait_until(lambda: sent(server) >= 3000, 120, "all messages on the queue")
        finally:
            ends.set()
            retrying.join()
        producer.stop()


@tap.test
def rejected_messages_on_a_full_disk_can_be_dropped():
    with disk.Small(32 * 1024) as small, SqsLocal([f"{FIFO},MaximumMessageSize=1024"]) as server, \
            Spool(small.path) as spool:
        fill_spool_without_queue(spool, server, ["x" * 200000] * 5)
        for is_full in False, True:  # a daemon that has just started has no write-ahead log on the disk
            producer = spool.producer(server)
            with spool.connect(producer) as submitter:
                tap.wait_until(lambda s=submitter: len(s.rejected()) == 5, 60, "rejected messages")
                if is_full:
                    small.fill()
                    tap.equal(submitter.ask(command="drop", id="all")["count"], 5)
                    tap.equal(submitter.rejected(), [])
            producer.stop()


tap.main()
