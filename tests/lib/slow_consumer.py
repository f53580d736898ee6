# SPDX-License-Identifier: MIT
"""Runs sqs-consumerd with the handler slow-consumer.c: the body of each message tells it what to do. Also makes
such messages, and checks what became of them."""

import os
import tempfile

import sqs
import tap
from daemon import Daemon
from sqs_local import BUILD_ROOT

SLOW = os.path.join(BUILD_ROOT, "tests", "integration", "slow-consumer")
GROUPS = [f"g{i}" for i in range(20)]


class Hold:
    """Messages with this `word` are handled until release()."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="hold-")
        self.word = f"hold={self._file.name}"

    def release(self):
        self._file.close()  # removes the file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def fifo(visibility=30):
    return f"test.fifo,FifoQueue=true,VisibilityTimeout={visibility}"


def consumer(server, endpoint=None, queue="test.fifo", log=None, aws=None, env=None, **settings):
    return Daemon("sqs-consumerd", server, program=SLOW, endpoint=endpoint, queue=queue,
                  log=log or {}, aws=aws or {}, env=env, consumer={"max_messages": 10, **settings})


def fill(server, groups, count, words="", queue="test.fifo", first=0):
    """Sends `count` messages to each group, one group after the other: "<group>.<number> <words>", from `first` on."""
    for i in range(first, first + count):
        for group in groups:
            entry = {"QueueUrl": server.queue_url(queue), "Entries": [
                {"Id": "0", "MessageBody": f"{group}.{i} {words}"}]}
            if queue.endswith(".fifo"):
                entry["Entries"][0].update(MessageGroupId=group,
                                           MessageDeduplicationId=f"{group}.{i}")
            sqs.call(server, "SendMessageBatch", **entry)


def events(daemon, what):
    """The names in the handler's lines that begin with `what`, in order."""
    return [line.split()[1] for line in list(daemon.lines) if line.startswith(what + " ")]


def of_group(names, group):
    return [int(name.split(".")[1]) for name in names if name.split(".")[0] == group]


def in_order(names, groups, count):
    for group in groups:
        tap.equal(of_group(names, group), list(range(count)), f"group {group}")


def sent_ids(server):
    return [r["message_id"] for r in server.records("sent")]


def deleted_ids(server):
    return [r["message_id"] for r in server.records("deleted")]


def deleted_in_order(server, groups):
    """Each message was deleted once, and those of each group in the order of sending."""
    tap.equal(sorted(deleted_ids(server)), sorted(sent_ids(server)))
    group_of = {r["message_id"]: r["group"] for r in server.records("sent")}
    for group in groups:
        tap.equal([i for i in deleted_ids(server) if group_of[i] == group],
                  [i for i in sent_ids(server) if group_of[i] == group], f"group {group}")


def nothing_in_flight(server, queue="test.fifo"):
    attributes = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url(queue),
                          AttributeNames=["All"])["Attributes"]
    tap.equal(attributes["ApproximateNumberOfMessagesNotVisible"], "0")


def late(server, groups):
    """Sends two messages to each group. The first is handled for a minute; its handler needs a second to end when
    it is cancelled."""
    for group in groups:
        sqs.send(server, f"{group}.0 sleep=60000 late=1000", group=group)
        sqs.send(server, f"{group}.1", group=group)
