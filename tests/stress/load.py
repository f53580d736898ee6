# SPDX-License-Identifier: MIT
"""Shared by the stress tests: settings with which both daemons have many messages in flight, and checks of the
server's record and of the daemons' lines. Needs only the standard library."""

import argparse
import json
import os
import random
import re
import sys
import time

import tap
from daemon import Daemon, running

PRODUCER = {"messages_to_send": 0, "send_interval": 0, "batch_size": 10, "max_connections": 4,
            "groups": 20}
CONSUMER = {"exit_after_empty_receives": 0, "max_messages": 10, "receivers": 4, "concurrency": 40,
            "delete_linger": 0.01}

HANDLED = re.compile(r"Message read from queue: Data:mydata\d+ Time Stamp:\S+ Id:([0-9a-f-]{36}) ")
ANSWERED = re.compile(r"SQS Response: Status:200 Id:\S+ SQS Message Id:(\S+)")
# The lines about each message; all other lines are few.
ROUTINE = ("Sending message with id", "SQS Response: Status:200", "Number of messages received:",
           "Message read from queue:", "Message deleted from queue.", "Releasing ",
           # and the line a minute
           "Version ", "In the last ", "In all, in ")


def read_options(text):
    """Reads --long and --seed=N; other words select tests, as in tap.main()."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--seed", type=int, default=os.environ.get("SEED"),
                        help="of all random choices; by default SEED, or another one each time")
    parser.add_argument("words", nargs="*", help="only tests whose names have one of these words")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(1 << 31)
    sys.argv[1:] = options.words
    tap.comment(f"seed {options.seed}")
    return options


def producer(server, aws=None, log=None, env=None, prefix=(), endpoint=None, **settings):
    return Daemon("sqs-producerd", server, aws=aws or {}, log=log or {}, env=env, prefix=prefix,
                  endpoint=endpoint, producer={**PRODUCER, **settings})


def consumer(server, queue="test.fifo", aws=None, log=None, env=None, prefix=(), endpoint=None,
             **settings):
    return Daemon("sqs-consumerd", server, queue=queue, aws=aws or {}, log=log or {}, env=env,
                  prefix=prefix, endpoint=endpoint, consumer={**CONSUMER, **settings})


def retire(daemon):
    """Removes its files and pipes now, and not at the end of the test: there are hundreds of daemons."""
    running.remove(daemon)
    daemon.end()


def stop(daemon, seconds=60):
    """Sends SIGTERM; the daemon must end with 0 and its last line."""
    daemon.signal()
    tap.equal(daemon.wait(seconds), 0, f"exit status, after:\n{last_lines(daemon)}")
    # A reader that is slow itself makes it drop lines, which it tells at the end.
    lines = [l for l in list(daemon.lines) if "log lines were dropped" not in l]
    if lines:  # at the log level "warning" there may be none
        last = lines[-1]  # "Terminated!" at the level info, "In all" at notice
        tap.ok("Terminated!" in last or last.startswith("In all, in "), f"its last line was {last!r}")


def last_lines(daemon):
    return "\n".join([l for l in list(daemon.lines) if not l.startswith(ROUTINE)][-30:])


def other_lines(daemon):
    """Its lines without those about each message."""
    return [line for line in list(daemon.lines) if not line.startswith(ROUTINE)]


def body_id(record):
    return json.loads(record["body"])["id"]


def number_of(record):
    return int(json.loads(record["body"])["data"][len("mydata"):])


def handled_ids(lines):
    """The ids of the handled messages, in order, once for each time."""
    return [match[1] for match in map(HANDLED.search, lines) if match]


def answered_ids(lines):
    """The message ids of the acknowledgements that a producer has logged."""
    return [match[1] for match in map(ANSWERED.search, lines) if match]


class Record:
    """Follows the record of a server. `all`: the records so far, in order; `accepted`: those of sends without
    dropped duplicates; `left`: the accepted messages that are not deleted, by message id."""

    def __init__(self, server):
        self._path, self._offset = server.record, 0
        self.all, self.accepted, self.left = [], [], {}
        self.n_deleted = 0

    def read(self):
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # the server is writing this line
                self._offset += len(line)
                self._take(json.loads(line))
        return self

    def _take(self, record):
        self.all.append(record)
        if record["event"] == "sent" and not record["duplicate"]:
            self.accepted.append(record)
            self.left[record["message_id"]] = record
        elif record["event"] == "deleted":
            self.n_deleted += 1
            tap.ok(self.left.pop(record["message_id"], None), f"deleted twice: {record}")

    def wait_until(self, condition, seconds, what, daemons=()):
        """Waits until condition(self) is true; fails when a daemon ends before."""
        deadline = time.monotonic() + seconds
        while not condition(self.read()):
            for daemon in daemons:
                tap.ok(daemon.process.poll() is None, f"ended:\n{last_lines(daemon)}")
            tap.ok(time.monotonic() < deadline,
                   f"not within {seconds} s: {what}; {len(self.accepted)} accepted, "
                   f"{len(self.left)} left\n" + "\n--\n".join(map(last_lines, daemons)))
            time.sleep(0.05)

    def wait_until_all_deleted(self, seconds, daemons=()):
        self.wait_until(lambda r: not r.left, seconds, "all accepted messages are deleted", daemons)

    def groups(self):
        """The accepted messages by group, in order."""
        found = {}
        for record in self.accepted:
            found.setdefault(record["group"], []).append(record)
        return found

    def check_accepted_in_order(self, step):
        """Fails unless the numbers of each group's messages grow by `step` without a gap (a missing message would
        have been overtaken), and no message was accepted twice."""
        for group, records in self.groups().items():
            numbers = [number_of(r) for r in records]
            first = int(group.rsplit("-", 1)[1])
            tap.equal(numbers, list(range(first, first + step * len(numbers), step)), group)
        ids = [body_id(r) for r in self.accepted]
        tap.equal(len(set(ids)), len(ids), "messages, and those accepted twice")

    def check_handled(self, handled):
        """Fails unless each accepted message was handled, and those of a group in order (the first time counts).
        `handled`: the ids in the order of handling."""
        first = {}
        for i, name in enumerate(handled):
            first.setdefault(name, i)
        for group, records in self.groups().items():
            ids = [body_id(r) for r in records]
            missing = [i for i in ids if i not in first]
            tap.equal(missing, [], f"messages of {group} that were not handled")
            order = [first[i] for i in ids]
            tap.equal(order, sorted(order), f"the order in which {group} was handled")

    def check_none_overtaken(self):
        check_none_overtaken(self.all)


def check_none_overtaken(records):
    """Fails if a message was received after a later one of its group was deleted."""
    newest = {}
    for record in records:
        number, group = int(record["sequence_number"]), record["group"]
        if record["event"] == "deleted":
            newest[group] = max(number, newest.get(group, 0))
        elif record["event"] == "received":
            tap.ok(number > newest.get(group, 0),
                   f"received after a later message of its group was deleted: {record}")
