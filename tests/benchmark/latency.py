# SPDX-License-Identifier: MIT
"""The time from the send of a message until it is handled, and from the start of a daemon to its first send."""

import datetime
import re
import time

from daemon import Daemon
from runs import CLIENT_CORE, QUEUE, Failure, ended_well, on_core, server

LINE = re.compile(r"Message read from queue: Data:\S+ Time Stamp:(\S+) ")
INTERVAL_SEC = 0.004
LINGER_SEC = 0.005


class TimedDaemon(Daemon):
    """A daemon whose `times` has the moment at which each of its `lines` came."""

    def _read(self):
        self.times = []
        for line in self.process.stderr:
            self.times.append(time.time())
            self.lines.append(line.rstrip("\n"))


def from_send_to_handled(batch, rtt_ms, messages):
    """Returns sorted seconds from the time stamp in a message's body to the consumer's line about it, at 250
    messages a second."""
    log = {"level": "info", "target": "stderr"}
    linger = LINGER_SEC if batch > 1 else 0.0
    with server(rtt_ms) as local, on_core(CLIENT_CORE):
        consumer = TimedDaemon("sqs-consumerd", local, queue=QUEUE, log=log, consumer={
            "receivers": 8, "max_messages": batch, "concurrency": 200, "delete_linger": linger,
            "exit_after_empty_receives": 0})
        try:
            time.sleep(0.3)
            producer = Daemon("sqs-producerd", local, queue=QUEUE, log=log, producer={
                "send_interval": INTERVAL_SEC, "groups": 100, "batch_size": batch,
                "batch_linger": linger, "max_connections": 16, "messages_to_send": messages})
            ended_well(producer)
            producer.end()
            consumer.wait_for_line("Message read from queue: ", messages)
            consumer.signal()
            ended_well(consumer)
        finally:
            consumer.end()
    found = []
    for line, arrived in zip(consumer.lines, consumer.times):
        match = LINE.search(line)
        if match:
            found.append(arrived - datetime.datetime.fromisoformat(match[1]).timestamp())
    if len(found) != messages:
        raise Failure(f"{len(found)} of {messages} messages were handled")
    return sorted(found)


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def first_send(rtt_ms, runs=5):
    """Returns sorted seconds from the start of the producer's process to its first message on the queue."""
    found = []
    for _ in range(runs):
        with server(rtt_ms, record=True) as local, on_core(CLIENT_CORE):
            start = time.time()
            producer = Daemon("sqs-producerd", local, queue=QUEUE,
                              producer={"messages_to_send": 1, "send_interval": 0.0})
            ended_well(producer)
            producer.end()
            found.append(local.records("sent")[0]["time"] - start)
    return sorted(found)
