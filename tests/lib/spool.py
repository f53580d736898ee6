# SPDX-License-Identifier: MIT
"""Hands messages to sqs-producerd at its socket, and reads its spool. Needs only the standard library.

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

from daemon import Daemon


class Refused(Exception):
    """The daemon's answer was no; `temporary` says that it may be yes later."""

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
        """A line, without waiting for the answer to it."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Gone(str(error)) from error

    def read(self):
        """The next answer."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise Gone(str(error)) from error
        if not line.endswith(b"\n"):
            raise Gone("the connection was closed")
        return json.loads(line)

    def write_before_reading(self, lines, patience=0.2):
        """Writes all lines (dicts). Reads answers only when it could not write for `patience` seconds: the
        daemon does not read from a submitter that takes no answers. Returns the answers to all lines,
        and how many bytes had come each time that it could not write. Nothing may have been read from the
        connection before; its buffer is made small, so that it is full soon."""
        data = memoryview(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        come, stood = bytearray(), []
        seconds = self._socket.gettimeout()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self._socket.setblocking(False)
        try:
            while data:
                try:
                    data = data[self._socket.send(data):]
                except BlockingIOError:
                    if not self._is_ready(select.POLLOUT, patience):
                        n = self._receive_all(come)
                        stood.append(n)
                        if n == 0 and not self._is_ready(select.POLLIN | select.POLLOUT, seconds):
                            raise Gone(f"nothing was read or written in {seconds} s") from None
            self._socket.settimeout(seconds)
            while come.count(b"\n") < len(lines):
                line = self._lines.readline()
                if not line:
                    raise Gone("the connection was closed")
                come += line
        except OSError as error:
            raise Gone(str(error)) from error
        return [json.loads(line) for line in come.splitlines()], stood

    def _is_ready(self, events, seconds):
        poll = select.poll()
        poll.register(self._socket, events)
        return poll.poll(seconds * 1000)

    def _receive_all(self, into):
        """What is there by now; returns how many bytes that was."""
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
        """Hands in a message; returns its id."""
        return self.ask(body=body, **more)["id"]

    def rejected(self):
        """All messages that were set aside."""
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
    """A state directory and a socket, in a folder of their own, or in one that is given and kept."""

    def __init__(self, path=None):
        self._own = None if path else tempfile.mkdtemp(prefix="spool-")
        self.path = path or self._own
        self._sockets = tempfile.mkdtemp(prefix="spool-socket-")
        self.socket = os.path.join(self._sockets, "submit.socket")
        self.file = os.path.join(self.path, "spool.db")

    def producer(self, server, env=None, log=None, **settings):
        """A producer on the spool; the keywords are as of Daemon, `producer` for its settings."""
        mine = {"source": "spool", "submit_socket": self.socket, "batch_size": 10,
                "max_connections": 4, **settings.pop("producer", {})}
        return Daemon("sqs-producerd", server, env={"STATE_DIRECTORY": self.path, **(env or {})},
                      log=log or {}, producer=mine, **settings)

    def connect(self, daemon=None, seconds=60):
        """Connects as soon as the daemon listens; it must live so long."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return Submitter(self.socket)
            except OSError as error:
                if daemon and daemon.process.poll() is not None:
                    raise AssertionError(f"it ended:\n{daemon.text}") from error
                if time.monotonic() > deadline:
                    raise AssertionError(f"nobody listens after {seconds} s") from error
                time.sleep(0.01)

    def rows(self, sql, *parameters):
        """What a query finds in a copy of the file: the daemon's own has only one owner."""
        with tempfile.TemporaryDirectory() as folder:
            for end in ("", "-wal"):
                if os.path.exists(self.file + end):
                    shutil.copy(self.file + end, os.path.join(folder, "spool.db" + end))
            connection = sqlite3.connect(os.path.join(folder, "spool.db"))
            try:
                return connection.execute(sql, parameters).fetchall()
            finally:
                connection.close()

    def count(self, table="waiting"):
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def change(self, sql, *parameters):
        """Changes the file, while no daemon runs."""
        connection = sqlite3.connect(self.file)
        connection.execute(sql, parameters)
        connection.commit()
        connection.close()

    def set_aside(self, reason="no"):
        """Makes rejected messages of all that wait, while no daemon runs."""
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


def check_once_and_in_order(records, handed_in):
    """`records`: the messages that a server has accepted, without the duplicates that it has dropped.
    `handed_in`: the bodies of each group in order. Each must be there once, in that order."""
    found = {}
    for record in records:
        if record["event"] == "sent" and not record["duplicate"]:
            found.setdefault(record["group"], []).append(record["body"])
    for group, bodies in handed_in.items():
        if found.get(group, []) != bodies:
            raise AssertionError(f"of group {group} were handed in {bodies}, and taken "
                                 f"{found.get(group, [])}")
    extra = set(found) - set(handed_in)
    if extra:
        raise AssertionError(f"nobody handed in anything of {extra}")
