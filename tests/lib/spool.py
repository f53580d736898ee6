# SPDX-License-Identifier: MIT
"""Submits messages at the socket of sqs-producerd, and reads its spool. Needs only the standard library.

    with Spool() as spool:
        producer = spool.producer(server)
        with spool.connect() as submitter:
            name = submitter.submit("body", group="g")
"""

import json
import os
import select
import shutil
import socket
import sqlite3
import tempfile
import time

import database
import tap
from daemon import Daemon

# Faults of sqs-local with which no message reaches the queue.
NO_SENDS = ["SendMessage:drop-before", "SendMessageBatch:drop-before"]


class Refused(Exception):
    """The daemon refused the message; `temporary`: the same message may be accepted later."""

    def __init__(self, answer):
        super().__init__(answer["error"])
        self.temporary = answer.get("temporary", False)


class Gone(Exception):
    """The connection ended without an answer."""


class Submitter:
    """One connection. Answers come in the order of the lines."""

    def __init__(self, path, timeout=60):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")

    def write(self, **message):
        """Writes a line, and does not wait for the answer."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Gone(str(error)) from error

    def read(self):
        """Returns the next answer."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise Gone(str(error)) from error
        if not line.endswith(b"\n"):
            raise Gone("the connection was closed")
        return json.loads(line)

    def write_before_reading(self, lines, stall_sec=0.2):
        """Writes all lines (dicts), and reads answers only when a write has blocked for `stall_sec`: the daemon
        does not read from a submitter that reads no answers. Returns the answers to all lines, and a list with
        the number of bytes that were ready to be read each time that a write blocked. Call it on a new
        connection; it makes the send buffer small, so that the buffer is soon full."""
        data = memoryview(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        received, ready = bytearray(), []
        seconds = self._socket.gettimeout()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self._socket.setblocking(False)
        try:
            while data:
                try:
                    data = data[self._socket.send(data):]
                except BlockingIOError:
                    if not self._is_ready(select.POLLOUT, stall_sec):
                        n = self._receive_all(received)
                        ready.append(n)
                        if n == 0 and not self._is_ready(select.POLLIN | select.POLLOUT, seconds):
                            raise Gone(f"nothing was read or written in {seconds} s") from None
            self._socket.settimeout(seconds)
            while received.count(b"\n") < len(lines):
                line = self._lines.readline()
                if not line:
                    raise Gone("the connection was closed")
                received += line
        except OSError as error:
            raise Gone(str(error)) from error
        return [json.loads(line) for line in received.splitlines()], ready

    def _is_ready(self, events, seconds):
        poll = select.poll()
        poll.register(self._socket, events)
        return poll.poll(seconds * 1000)

    def _receive_all(self, into):
        """Appends the bytes that can be read now; returns their number."""
        n = len(into)
        try:
            while data := self._socket.recv(1 << 16):
                into += data
        except BlockingIOError:
            pass
        return len(into) - n

    def ask(self, **line):
        """Sends a line and returns the answer; raises Refused if the answer is an error."""
        self.write(**line)
        answer = self.read()
        if not answer["ok"]:
            raise Refused(answer)
        return answer

    def submit(self, body, **more):
        """Submits a message; returns its id."""
        return self.ask(body=body, **more)["id"]

    def rejected(self):
        """Returns all messages that were set aside."""
        found, more = [], True
        while more:
            answer = self.ask(command="rejected", after=found[-1]["number"] if found else 0)
            found += answer["messages"]
            more = answer["more"]
        return found

    def close(self):
        self._lines.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Spool:
    """A state directory and a socket. `path`: a folder that is kept; None: a new one, removed at the end."""

    def __init__(self, path=None):
        self._own = None if path else tempfile.mkdtemp(prefix="spool-")
        self.path = path or self._own
        self._sockets = tempfile.mkdtemp(prefix="spool-socket-")
        self.socket = os.path.join(self._sockets, "submit.socket")
        self.file = os.path.join(self.path, "spool.db")

    def producer(self, server, env=None, log=None, **settings):
        """Starts a producer on the spool. The keywords are those of Daemon; `producer` has its settings."""
        mine = {"source": "spool", "submit_socket": self.socket, "batch_size": 10,
                "max_connections": 4, **settings.pop("producer", {})}
        return Daemon("sqs-producerd", server, env={"STATE_DIRECTORY": self.path, **(env or {})},
                      log=log or {}, producer=mine, **settings)

    def connect(self, daemon=None, seconds=60):
        """Connects as soon as the daemon listens; fails if it ends before."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return Submitter(self.socket)
            except OSError as error:
                if daemon and daemon.process.poll() is not None:
                    raise AssertionError(f"the daemon ended:\n{daemon.text}") from error
                if time.monotonic() > deadline:
                    raise AssertionError(f"nobody listens after {seconds} s") from error
                time.sleep(0.01)

    def rows(self, sql, *parameters):
        """Returns the rows of a query, also while the daemon runs."""
        return database.rows(self.file, sql, *parameters)

    def count(self, table="waiting"):
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def change(self, sql, *parameters):
        """Changes the file; no daemon may run."""
        connection = sqlite3.connect(self.file)
        connection.execute(sql, parameters)
        connection.commit()
        connection.close()

    def set_aside(self, reason="no"):
        """Turns all waiting messages into rejected ones; no daemon may run."""
        columns = "id, group_id, deduplication_id, delay_sec, bytes, attributes, body, checksum"
        connection = sqlite3.connect(self.file)
        connection.execute(f"INSERT INTO rejected (number, rejected_usec, reason, {columns})"
                           f" SELECT number, 1700000000000000, ?, {columns} FROM waiting", [reason])
        connection.execute("DELETE FROM waiting")
        connection.execute("DELETE FROM sending")
        connection.commit()
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._sockets, ignore_errors=True)
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)


def sent_bodies(server, queue="test.fifo"):
    """The bodies of the messages on a queue, in order, without the duplicates that the server dropped."""
    return [r["body"] for r in server.records("sent", queue) if not r["duplicate"]]


def wait_until_sent(spool, server, count):
    """Waits until `count` messages are on the queue, and the spool has removed them. When sends have failed for
    long, the daemon may wait a minute before the next one."""
    server.wait_for_records(lambda r: r["event"] == "sent" and not r["duplicate"], count, 180)
    tap.wait_until(lambda: spool.count() == 0, 60, "an empty spool")


def check_once_and_in_order(records, submitted):
    """Fails unless each submitted message was sent once, and those of a group in order. `records`: those of a
    server; copies that it dropped as duplicates do not count. `submitted`: the bodies of each group in order."""
    found = {}
    for record in records:
        if record["event"] == "sent" and not record["duplicate"]:
            found.setdefault(record["group"], []).append(record["body"])
    for group, bodies in submitted.items():
        if found.get(group, []) != bodies:
            raise AssertionError(f"group {group}: submitted {bodies}, sent "
                                 f"{found.get(group, [])}")
    extra = set(found) - set(submitted)
    if extra:
        raise AssertionError(f"groups that nobody submitted: {extra}")
