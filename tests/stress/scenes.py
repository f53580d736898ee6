# SPDX-License-Identifier: MIT
"""A scene with both daemons: messages flow, something happens, messages flow again without help. Nothing is lost,
each group keeps its order, and little is logged.

    scenes.add(scenes.side_by_side, "a scene", function, argument)    # runs function(tell, argument)
    tap.main()

Nearly all of their time scenes wait, and so they run at once; what each has to say comes in its turn."""

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
# The pause between two attempts grows to 20 s; then come the time-outs and hidden messages.
BACK_SEC = 20 + 15
# For each kind of failure a few lines: the failure, what to do, and its end. And one for each message in
# flight whose lease ends meanwhile.
LINES_MAX = 12 + CONSUMER["concurrency"]

side_by_side = concurrent.futures.ThreadPoolExecutor(16)
# For those that share what there is once only.
one_by_one = concurrent.futures.ThreadPoolExecutor(1)


class Teller:
    """Keeps the output of a test until its turn comes."""

    def __init__(self):
        self.lines = []

    def __call__(self, text):
        self.lines.append(text)


def add(executor, words, name, function, *arguments):
    """Only if the name holds one of `words`, or if there are no words."""
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
    """Settings of each group on top of those above; `common` goes to both as to load.producer()."""
    common["aws"] = {**AWS, **(aws or {})}
    return (load.producer(server, **common, **PRODUCER, **(producer or {})),
            load.consumer(server, **common, **CONSUMER, **(consumer or {})))


def flow(tell, record, daemons, seconds, what, more=100):
    """Waits until the daemons have sent and deleted some more."""
    record.read()
    accepted, deleted = len(record.accepted) + more, record.n_deleted + more
    start_sec = time.monotonic()
    record.wait_until(lambda r: len(r.accepted) >= accepted and r.n_deleted >= deleted, seconds,
                      f"messages flow {what}", daemons)
    tell(f"messages flowed {what} within {time.monotonic() - start_sec:.1f} s")


def finish(tell, record, daemons, most_lines=LINES_MAX):
    """Ends both daemons, and checks the record and the lines."""
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
        tell(f"{len(lines)} lines of {name} were not of messages:")
        for line in lines:
            tell("    " + line[:160])
