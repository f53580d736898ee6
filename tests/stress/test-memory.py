# SPDX-License-Identifier: MIT
"""The memory of both daemons does not grow with the number of messages (a million in the long form). It is measured
after a few messages and after all."""

import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import tap
from sqs_local import BUILD_ROOT, SqsLocal

OPTIONS = load.read_options(__doc__)
FEW, MANY = (10000, 1000000) if OPTIONS.long else (5000, 30000)
GROWTH_MAX_KIB = 1024
TIMEOUT_SEC = 3600 if OPTIONS.long else 250

QUIET = {"level": "notice"}


class Status:
    """A socket that reads the status lines of a daemon; `count` is the number after `word` in the last one."""

    def __init__(self, word):
        self._word = re.compile(rf"^STATUS=.*\b{word} (\d+)", re.M)
        self.path = os.path.join(tempfile.mkdtemp(prefix="sqs-notify-"), "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.count = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while text := self._socket.recv(65536).decode():
            if match := self._word.search(text):
                self.count = int(match[1])

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        shutil.rmtree(os.path.dirname(self.path))


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def wait_for(watched, count, seconds):
    """Waits until each daemon has counted so many messages; returns the memory of each at that moment."""
    deadline = time.monotonic() + seconds
    found = {}
    while len(found) < len(watched):
        for daemon, status in watched.items():
            tap.ok(daemon.process.poll() is None, f"ended:\n{daemon.text}")
            if status.count >= count and daemon not in found:
                found[daemon] = resident_kib(daemon)
        tap.ok(time.monotonic() < deadline,
               f"only {[s.count for s in watched.values()]} of {count} after {seconds} s")
        time.sleep(0.02)
    return found


def sanitized():
    with open(os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd"), "rb") as file:
        return b"__asan_init" in file.read()


@tap.test(f"both daemons need no more memory for {MANY} messages than for {FEW}")
def memory():
    if sanitized():
        raise tap.Skip("the address sanitizer keeps freed memory")
    sent, deleted = Status("Sent"), Status("deleted")
    with SqsLocal(["test.fifo"], record=False) as server:
        producer = load.producer(server, log=QUIET, env={"NOTIFY_SOCKET": sent.path}, groups=100)
        consumer = load.consumer(server, log=QUIET, env={"NOTIFY_SOCKET": deleted.path})
        start = time.monotonic()
        few = wait_for({producer: sent, consumer: deleted}, FEW, TIMEOUT_SEC)
        many = wait_for({producer: sent}, MANY, TIMEOUT_SEC)
        load.stop(producer)
        many |= wait_for({consumer: deleted}, MANY, TIMEOUT_SEC)
        load.stop(consumer)
        tap.comment(f"{time.monotonic() - start:.1f} s")
    sent.close()
    deleted.close()
    for daemon, name in (producer, "producer"), (consumer, "consumer"):
        tap.comment(f"{name}: {few[daemon]} KiB at {FEW}, {many[daemon]} KiB at {MANY}")
        tap.ok(many[daemon] - few[daemon] <= GROWTH_MAX_KIB, f"the {name} has grown")


if __name__ == "__main__":
    tap.main()
