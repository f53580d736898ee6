# SPDX-License-Identifier: MIT
"""Scenes with both daemons: messages flow, something fails, and messages flow again without help. No message is
lost, each group keeps its order, and little is logged.

    scenes.add(scenes.side_by_side, "a scene", function, argument)    # runs function(tell, argument)
    tap.main()

Scenes mostly wait, so they run at the same time. The output of each is kept, and printed in order."""

import concurrent.futures
import os
import time

import load
import tap

AWS = {"request_timeout": 2, "connect_timeout": 2}
GROUPS = 10
VISIBILITY_SEC = 5
QUEUE = f"test.fifo,VisibilityTimeout={VISIBILITY_SEC}"
PRODUCER = {"groups": GROUPS, "rate_limit": 100, "batch_size": 4}
CONSUMER = {"wait_time": 2, "receivers": 2, "concurrency": 10}
# Seconds until messages flow again: the pause before a retry grows to 20 s; time-outs, visibility and a busy machine
# add to it.
BACK_SEC = 20 + 40
# A few lines for each kind of failure, and one for each message in flight whose lease ends.
LINES_MAX = 12 + CONSUMER["concurrency"]

side_by_side = concurrent.futures.ThreadPoolExecutor(16)
# For scenes that share something, such as the name server of the namespace.
one_by_one = concurrent.futures.ThreadPoolExecutor(1)


class Teller:
    """Keeps the output of a scene until its test is reported."""

    def __init__(self):
        self.lines = []

    def __call__(self, text):
        self.lines.append(text)


def add(executor, words, name, function, *arguments):
    """Starts a scene, and registers a test that waits for it, if the name has one of `words` or there are none."""
    if words and not any(word in name for word in words):
        return
    tell = Teller()
    future = executor.submit(function, tell, *arguments)

    def result():
        concurrent.futures.wait([future])
        for line in tell.lines:
            tap.comment(line)
        future.result()

    tap.add(name, result)


def start(server, aws=None, producer=None, consumer=None, **common):
    """Starts both daemons. `producer` and `consumer` override the settings above; `common` is passed to both."""
    common["aws"] = {**AWS, **(aws or {})}
    return (load.producer(server, **common, **PRODUCER, **(producer or {})),
            load.consumer(server, **common, **CONSUMER, **(consumer or {})))


def flow(tell, record, daemons, seconds, what, more=100):
    """Waits until the daemons have sent and deleted `more` messages."""
    record.read()
    accepted, deleted = len(record.accepted) + more, record.n_deleted + more
    start_sec = time.monotonic()
    record.wait_until(lambda r: len(r.accepted) >= accepted and r.n_deleted >= deleted, seconds,
                      f"messages flow {what}", daemons)
    tell(f"messages flowed {what} within {time.monotonic() - start_sec:.1f} s")


def finish(tell, record, daemons, most_lines=LINES_MAX):
    """Stops both daemons, and checks the record and their lines."""
    producer, consumer = daemons
    load.stop(producer)
    record.wait_until_all_deleted(BACK_SEC, [consumer])
    load.stop(consumer)
    record.read().check_accepted_in_order(GROUPS)
    tap.equal({r["message_id"] for r in record.accepted}, set(load.answered_ids(producer.lines)),
              "accepted and acknowledged")
    record.check_handled(load.handled_ids(consumer.lines))
    record.check_none_overtaken()
    check_lines(tell, daemons, most_lines)


def check_lines(tell, daemons, most=LINES_MAX):
    for daemon in daemons:
        lines = load.other_lines(daemon)
        tap.ok(len(lines) <= most, f"{len(lines)} lines:\n" + "\n".join(lines))
        name = os.path.basename(daemon.process.args[-2])
        tell(f"{len(lines)} lines of {name} were not about messages:")
        for line in lines:
            tell("    " + line[:160])
