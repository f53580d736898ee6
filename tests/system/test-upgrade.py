# SPDX-License-Identifier: MIT
"""The plain units take over the state of the version before: its messages are sent in order, and none is handled
twice. The files in tests/unit/data were written by version 1.0.0."""

import contextlib
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import throwaway  # which adds tests/lib to the path
import tap
from sqs_local import TESTS
from throwaway import SOCKET, UNITS

PRODUCER, CONSUMER = UNITS
# What the spool has, by group, in order. Some of them may have been sent just before its daemon ended.
WAITING = {"a": ["one", 'three é "quoted"'], "b": ["two"]}
REJECTED = ["14eda9c1-3b62-4070-b079-91a433453bb4", "dafe0e44-772b-40af-bc56-d2b37713846f"]

HANDLER = """#!/bin/sh
set -eu
{ cat; echo; } >>"${STATE_DIRECTORY}/handled"
"""


def test(function):
    throwaway.add_test(function)


def write_state(m, unit, name, change=lambda database: None):
    """Writes a file of the old version into the unit's state, before its first start."""
    path = m.path(f"/var/lib/{unit}/{name}.db")
    m.check("mkdir", "-p", f"/var/lib/{unit}")
    with contextlib.closing(sqlite3.connect(path)) as database, \
            open(os.path.join(TESTS, "unit", "data", f"{name}-version-1.sql"), encoding="utf-8") as sql:
        database.executescript(sql.read())
        change(database)
        database.commit()
        database.execute("PRAGMA journal_mode = WAL")


def by_group(records):
    found = {}
    for record in records:
        if not record["duplicate"]:
            found.setdefault(record["group"], []).append(record["body"])
    return found


@test
def messages_in_the_spool_of_the_version_before_are_sent_in_order(m):
    m.serve()
    m.configure(producer={"source": "spool"})
    write_state(m, PRODUCER, "spool")
    tap.equal(m.start(SOCKET, PRODUCER).returncode, 0)
    tap.wait_until(lambda: len(m.records("sent")) >= 3, message="the messages on the queue")
    # New messages come behind the old ones of their group.
    m.check("sh", "-c", f"printf new | {PRODUCER} --submit --group=a")
    tap.wait_until(lambda: by_group(m.records("sent")) == {**WAITING, "a": [*WAITING["a"], "new"]},
                   message="the messages in order")
    listed = [line.split("\t")[0] for line in m.check(PRODUCER, "--rejected").splitlines()]
    tap.equal(listed, REJECTED)


@test
def messages_in_the_ledger_of_the_version_before_are_not_handled_again(m):
    m.serve()
    # The producer's messages get their ids from the server.
    m.configure(producer={"source": "spool"})
    tap.equal(m.start(SOCKET, PRODUCER).returncode, 0)
    for body in ("handled", "new 1", "new 2"):
        m.check("sh", "-c", f"printf '{body}' | {PRODUCER} --submit --group=orders")
    tap.wait_until(lambda: len(m.records("sent")) == 3, message="the messages on the queue")
    handled = m.records("sent")[0]["message_id"]

    def name_message(database):
        """The ledger's one row is about the first message, handled a minute ago."""
        done = database.execute("UPDATE handled SET message_id = ?, handled_sec = ?",
                                (handled, int(time.time()) - 60))
        tap.equal(done.rowcount, 1)

    write_state(m, CONSUMER, "ledger", name_message)
    m.configure(producer={"source": "spool"},
                consumer={"handler": "exec", "command": ["/usr/local/bin/handle"], "exit_after_empty_receives": 0})
    tap.equal(m.start(CONSUMER).returncode, 0)
    tap.wait_until(lambda: len(m.records("deleted")) == 3, message="the deletes")
    tap.equal(m.check("cat", f"/var/lib/{CONSUMER}/handled"), "new 1\nnew 2\n")


if __name__ == "__main__":
    throwaway.main(lambda m: m.write("/usr/local/bin/handle", HANDLER, 0o755))
